"""Stands in for the API or the processing process: health, metrics, and dies when told to."""

import http.server
import json
import os
import signal
import sys
import threading
from typing import Any

PAGE = b'# HELP fake_total a\n# TYPE fake_total counter\nfake_total{a="1"} 2\n'


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGE if self.path == "/metrics" else b"{}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def main(part: str) -> None:
    names = {"api": ("PORT", "PROMETHEUS_PORT"), "processing": ("PROCESSING_PROMETHEUS_PORT",)}
    sys.stdout.write(json.dumps({"level": "warning", "message": f"{part} began"}) + "\n")
    sys.stdout.flush()
    for name in names[part]:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ[name])), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
