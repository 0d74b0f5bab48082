"""Stands in for the API or the processing process: health, metrics, and fails as it is told to."""

import http.server
import json
import os
import signal
import sys
import threading
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

PORTS = {"api": ("PORT", "PROMETHEUS_PORT"), "processing": ("PROCESSING_PROMETHEUS_PORT",)}


def page() -> bytes:
    registry = CollectorRegistry()
    Counter("millrace_requests", "Requests.", ["status"], registry=registry).labels("200").inc(2)
    Histogram("millrace_request_seconds", "Time.", registry=registry).observe(0.2)
    return generate_latest(registry)


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = page() if self.path == "/metrics" else json.dumps(dict(os.environ)).encode()
        is_ready = os.environ.get("FAKE_API") != "unready" or self.path == "/metrics"
        if not is_ready:
            body = json.dumps({"parts": {"producer": "ok", "results": "behind"}}).encode()
        self.send_response(200 if is_ready else 503)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def main(part: str) -> None:
    behaviour = os.environ.get(f"FAKE_{part.upper()}", "")
    sys.stdout.write(json.dumps({"level": "warning", "message": f"{part} began"}) + "\n")
    sys.stdout.flush()
    if behaviour.startswith("exits"):
        sys.exit(int(behaviour.removeprefix("exits")))
    for name in PORTS[part]:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ[name])), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    deaf = behaviour == "deaf"
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: os._exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
