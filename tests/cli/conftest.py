"""Fixtures of the commands' tests."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.support.api_commands import TickStockPLStand

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[TickStockPLStand]:
    """The API on loopback, which the environment names."""
    stand = TickStockPLStand()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = json.loads(sent) if sent else None
            stand.asked.append((self.command, self.path, asked, self.headers.get("Authorization")))
            key = f"{self.command} {self.path.partition('?')[0].removeprefix('/api/processing')}"
            body = json.dumps(stand.answers.get(key, {})).encode()
            self.send_response(stand.statuses.get(key, 200))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        stand.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("TICKSTOCKPL_BASE_URL", stand.url)
        monkeypatch.delenv("TICKSTOCKPL_TOKEN", raising=False)
        yield stand
        server.shutdown()
        thread.join()
