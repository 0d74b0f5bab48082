"""Where keys are read, against real servers that behave badly."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from streaming_runtime.http import key_source as module
from streaming_runtime.http.key_source import KeysUnreadable, key_source
from tests.http.issuing import EC, SETTINGS

KEYS = {"keys": [EC.as_dict(private=False)]}
Answering = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def served(**pages: Answering) -> Iterator[str]:
    """Give the address of a server; a page is named by the last word of its path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages[self.path.rpartition("/")[2].partition("-")[0]](self)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(body: Any, status: int = 200, *, length: int = 0, location: str = "") -> Answering:
    told = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(length or len(told)))
        handler.send_header("location", location)
        handler.end_headers()
        handler.wfile.write(told)

    return answer


def read_from(address: str) -> Any:
    return key_source(replace(SETTINGS, key_set=address))()


def test_a_set_is_read_from_a_file_each_time_anew(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(KEYS))
    read = key_source(replace(SETTINGS, key_set=str(file)))

    assert read() == KEYS
    file.write_text("{")
    with pytest.raises(KeysUnreadable):
        read()
    file.unlink()
    with pytest.raises(KeysUnreadable):
        read()


def test_a_set_is_read_from_an_address() -> None:
    with served(keys=page(KEYS)) as base:
        assert read_from(f"{base}/keys") == KEYS


def test_the_address_is_discovered_from_the_issuer() -> None:
    found: dict[str, Any] = {}

    def discovery(handler: BaseHTTPRequestHandler) -> None:
        page(found)(handler)

    with served(openid=discovery, keys=page(KEYS)) as base:
        read = key_source(replace(SETTINGS, issuer=base))
        found |= {"issuer": base, "jwks_uri": f"{base}/keys"}
        assert read() == KEYS

        for wrong in (
            {"issuer": f"{base}/"},
            {"issuer": "https://evil.example"},
            {"jwks_uri": 7},
            {"jwks_uri": "http://keys.example/keys"},
            {"jwks_uri": "file:///etc/passwd"},
            {"jwks_uri": "data:,{}"},
            {"jwks_uri": f"{base}/keys", "issuer": None},
        ):
            found.update({"issuer": base, "jwks_uri": f"{base}/keys"} | wrong)
            with pytest.raises(KeysUnreadable):
                read()


def test_no_redirect_is_followed() -> None:
    with (
        served(keys=page(KEYS)) as elsewhere,
        served(keys=page(b"", 302, location=f"{elsewhere}/keys")) as base,
        pytest.raises(KeysUnreadable),
    ):
        read_from(f"{base}/keys")


@pytest.mark.parametrize(
    "answer",
    [
        page(b"<html>"),
        page(b"\xff\xfe"),
        page(b"[" * 100_000),
        page(b'{"keys": [' + b" " * module.MAX_DOCUMENT_BYTES + b"]}"),
        page(KEYS, 500),
        page(KEYS, 404),
        page(b'{"keys": [', length=1_000),
        lambda handler: None,
    ],
    ids=["html", "bytes", "deep", "large", "500", "404", "cut", "nothing"],
)
def test_what_is_no_document_is_refused(answer: Answering) -> None:
    def closing(handler: BaseHTTPRequestHandler) -> None:
        answer(handler)
        handler.close_connection = True

    with served(keys=closing) as base, pytest.raises(KeysUnreadable):
        read_from(f"{base}/keys")


def test_a_server_that_is_not_there_or_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FETCH_SECONDS", 0.2)
    monkeypatch.setattr(module, "STEP_SECONDS", 0.2)
    over = threading.Event()

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not over.wait(0.02):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    def silent(_: BaseHTTPRequestHandler) -> None:
        over.wait(10)

    started = time.monotonic()
    with served(slow=silent, drip=dripping) as base:
        try:
            for path in ("slow", "drip"):
                with pytest.raises(KeysUnreadable):
                    read_from(f"{base}/{path}")
        finally:
            over.set()
    with pytest.raises(KeysUnreadable):
        read_from(f"{base}/gone")

    assert time.monotonic() - started < 5
