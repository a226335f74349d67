"""A webhook receiver that refuses every second request at random, and writes down every one. A program.

A line of its log: the idempotency key, whether it was accepted, and the number that the event carries.
"""

from __future__ import annotations

import json
import random
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 or 503."""

    log: Path
    chance = random.Random(1)

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        accepted = self.chance.random() < 0.5
        line = {"id": self.headers["webhook-id"], "accepted": accepted, "n": event["payload"]["n"]}
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        self.send_response(204 if accepted else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Nobody reads its standard error."""


if __name__ == "__main__":
    Receiver.log = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
