import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.welcome import welcome
from tests.local.processes import environ

SHELLS = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]
Asked = list[tuple[str, str, str, bytes]]


@pytest.fixture
def api() -> Iterator[tuple[str, Asked]]:
    """Give the address of a server that starts every stream as ``a_b-1``, and what it was asked."""
    asked: Asked = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, self.headers["x-api-key"], body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"stream_id":"a_b-1","send_url":"/stream/a_b-1/send"}')

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def pasted(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith(("STREAM=", "curl")))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_three_lines_work_as_they_are(shell: str, api: tuple[str, Asked]) -> None:
    url, asked = api
    text = pasted(welcome(url, "test-api-key", "http://m/metrics", Path("/logs"), 1.0))

    ended = subprocess.run(
        [shell, "-eu"], input=text, env=environ(), capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("a_b-1\n")
    assert [(method, path) for method, path, *_ in asked] == [
        ("POST", "/stream/start"),
        ("POST", "/stream/a_b-1/send"),
        ("GET", "/stream/a_b-1/results"),
    ]
    assert {key for *_, key, _ in asked} == {"test-api-key"}
    assert json.loads(asked[1][3]) == {"data": "sample data"}


def test_a_configured_key_is_taken_from_the_shell(api: tuple[str, Asked]) -> None:
    url, asked = api
    text = welcome(url, "", "http://m/metrics", Path("/logs"), 1.0)

    script = pasted(text)
    subprocess.run(["sh", "-eu"], input=script, env=environ(API_KEY="mine"), text=True, check=True)

    assert "export API_KEY=" in text
    assert {key for *_, key, _ in asked} == {"mine"}


def test_it_says_where_everything_is() -> None:
    text = welcome("http://h:1", "k", "http://h:2/metrics", Path("/d/logs"), 1.23)

    assert "Ready after 1.2 s" in text
    for place in ("http://h:1/\n", "http://h:2/metrics\n", "/d/logs/\n"):
        assert place in text
