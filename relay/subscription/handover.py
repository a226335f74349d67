"""The subscribed socket outlives the process: kept by systemd's descriptor store, adopted by the next one.

The descriptor's name carries the stream's id and a fingerprint of server and patterns, so that a successor adopts only
the subscription that its configuration asks for. Without systemd every call here comes to nothing, harmlessly.
"""

import hashlib
import os
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from relay.config.settings import RedisOptions
from relay.process import systemd

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Adopted:
    """A live subscription from the process before."""

    sock: socket.socket
    stream: str


class Handover:
    """Keeps this process' socket and adopts the last one's."""

    def __init__(self, options: RedisOptions, inherited: dict[str, int]) -> None:
        """`inherited` is `systemd.inherited()`, taken once at start."""
        url = urlsplit(options.url.get_secret_value())
        server = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}?{url.query}"  # no secret in a name
        described = "\n".join([server, str(options.protocol), *sorted(options.patterns)])
        self._fingerprint = hashlib.blake2s(described.encode(), digest_size=8).hexdigest()
        self._inherited = inherited

    def name(self, stream: str) -> str:
        """The descriptor's name in the store."""
        return f"redis.{stream}.{self._fingerprint}"

    def adopt(self) -> Adopted | None:
        """The socket of the process before, if our configuration asks for it; others are closed and forgotten.

        A dead one is adopted too: what the kernel still holds of it can be read before its end is met.
        """
        found: Adopted | None = None
        while self._inherited:
            name, descriptor = self._inherited.popitem()
            kind, _, rest = name.partition(".")
            stream, _, fingerprint = rest.partition(".")
            is_ours = kind == "redis" and fingerprint == self._fingerprint
            if is_ours and found is None and _is_tcp(descriptor):
                found = Adopted(socket.socket(fileno=descriptor), stream)
                continue
            log.info("inherited descriptor not used", name=name)
            os.close(descriptor)
            systemd.forget(name)
        return found

    def keep(self, sock: socket.socket, stream: str) -> bool:
        """Have the service manager hold a copy: if it is sent (the result), a SIGKILL finds it kept."""
        sent = systemd.store(sock.fileno(), self.name(stream))
        if sent:
            log.debug("socket kept for the next process", stream=stream)
        return sent

    def drop(self, stream: str) -> None:
        """Have the service manager let go of its copy: the connection is dead, or no longer at a boundary."""
        systemd.forget(self.name(stream))


def _is_tcp(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            return sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
    except OSError:
        return False
