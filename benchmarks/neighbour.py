"""A quiet neighbour for the relay, a process of its own: TickStockPL's API with nothing to do, and a webhook receiver.

It answers each POST to `/hook/NAME` with 204 and counts the sequence numbers in its body, each once for each name;
`GET /received/NAME` tells how many.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import sys
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Self

import uvloop

from benchmarks import system
from benchmarks.traffic import SEQUENCE

ANSWERS: dict[bytes, object] = {
    b"/health": {"status": "healthy", "services": {}, "processing_status": "idle", "version": "1.0"},
    b"/api/processing/status": {"is_running": False, "status": "idle"},
    b"/api/processing/history": {"runs": []},
    b"/api/processing/schedule": {"enabled": False, "trigger_time": "16:10", "timezone": "America/New_York"},
}
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Neighbour:
    """Answers requests and remembers what the webhooks brought."""

    def __init__(self) -> None:
        self._received: defaultdict[bytes, set[bytes]] = defaultdict(set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers until the client closes."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                writer.write(self._answer(head, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, head: bytes, body: bytes) -> bytes:
        method, path, _ = head.split(b" ", 2)
        path = path.partition(b"?")[0]
        if method == b"POST":
            self._received[path.removeprefix(b"/hook/")].update(SEQUENCE.findall(body))
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        name = path.removeprefix(b"/received/")
        facts = ANSWERS.get(path) if name == path else {"received": len(self._received[name])}
        text = json.dumps(facts).encode()
        status = b"404 Not Found" if facts is None else b"200 OK"
        return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            status,
            len(text),
            text,
        )


async def _main(certificate: str | None) -> None:
    neighbour = Neighbour()
    servers = [await asyncio.start_server(neighbour.serve, "127.0.0.1", 0)]
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        servers.append(await asyncio.start_server(neighbour.serve, "127.0.0.1", 0, ssl=tls))
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await servers[0].serve_forever()


class Beside:
    """The neighbour's process, seen from the harness; `port` is where it listens, `tls_port` where it speaks TLS."""

    def __init__(self, certificate: Path | None = None) -> None:
        """Starts it; with a certificate (and its key in the same file) it speaks TLS, too."""
        command = [sys.executable, "-m", "benchmarks.neighbour", *([str(certificate)] if certificate else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=system.ROOT)
        if self._process.stdout is None:
            raise RuntimeError("the neighbour has no stdout")
        self.port, *tls_ports = map(int, self._process.stdout.readline().split())
        self.tls_port = tls_ports[0] if tls_ports else 0

    def received(self, name: str) -> int:
        """How many different events have come to the webhook of this name."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/received/{name}", timeout=10) as answer:
            return int(json.load(answer)["received"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1] if len(sys.argv) > 1 else None))
