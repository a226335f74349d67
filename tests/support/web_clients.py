"""Clients that do a web server no good, and a client that measures how it answers meanwhile."""

import contextlib
import resource
import select
import socket
import time
from collections.abc import Sequence
from typing import Self

from tests.support.relay_process import RelayProcess

LONGEST = 10.0
"""Seconds after which an answer that did not come counts as none."""


class WebClients:
    """Many sockets to one relay's web server, from this machine; closed at the end.

    Each connects, sends what it was given, and reads nothing.
    """

    def __init__(self, relay: RelayProcess) -> None:
        host, _, port = relay.url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self.sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.sockets:
            each.close()

    def open(self, count: int, data: bytes = b"", *, receive_buffer: int | None = None) -> list[socket.socket]:
        """`count` more connections, each of which sends `data`; one that is refused or cut meanwhile is no error."""
        opened = []
        for _ in range(count):
            client = socket.socket()
            if receive_buffer is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.settimeout(5)
            opened.append(client)
            with contextlib.suppress(OSError):
                client.connect(self._address)
                client.sendall(data)
        self.sockets += opened
        return opened

    def cut(self, clients: Sequence[socket.socket] | None = None) -> int:
        """How many of these (or of all) the server has closed."""
        poll = select.poll()
        for each in self.sockets if clients is None else clients:
            poll.register(each, select.POLLRDHUP)
        return len(poll.poll(0))


def ask(relay: RelayProcess, path: str) -> tuple[str, float]:
    """The status line of the answer on a new connection (empty without one), and the seconds until its end."""
    host, _, port = relay.url.removeprefix("http://").partition(":")
    began, answer = time.perf_counter(), b""
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=LONGEST) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        while more := client.recv(65536):
            answer += more
    return answer.partition(b"\r\n")[0].decode(), time.perf_counter() - began


def worst(relay: RelayProcess, path: str, times: int) -> float:
    """The longest of so many answers, in seconds, all of which have to be good."""
    answers = [ask(relay, path) for _ in range(times)]
    assert {line for line, _ in answers} == {"HTTP/1.1 200 OK"}
    return max(seconds for _, seconds in answers)
