"""The bytes of one Redis connection: peek at what is there, consume it only when asked to.

On plain TCP and Unix sockets `peek` leaves the bytes there, so the kernel's buffer is the redo log: what was not
consumed is still there for the next process. TLS cannot be peeked; its wire reads into memory and has the same methods.
Nothing here knows RESP.
"""

import fcntl
import socket
import ssl
import struct
import termios
from typing import Protocol

PEEK_AT_MOST = 1 << 17
"""Bytes peeked at in one batch: large enough that a flood costs few system calls, small enough that a batch's events
stay in the processor's cache (docs/performance.md)."""
_BYTES_RECEIVED = slice(128, 136)
"""`tcpi_bytes_received` in `struct tcp_info` (linux/tcp.h)."""
_TCP_ESTABLISHED = 1


class WireClosedError(ConnectionError):
    """The other side has closed, and everything that it sent has been taken."""


class Wire(Protocol):
    """What the subscription asks of a connection."""

    sock: socket.socket
    durable: bool
    """Whether another process can take the connection over with nothing lost."""

    def peek(self) -> memoryview:
        """All unread bytes (up to a limit), from the first one not consumed.

        Raises:
            BlockingIOError: nothing is there now.
            OSError: the connection is gone.
        """
        ...

    def consume(self, count: int) -> None:
        """Take exactly `count` of the bytes peeked at."""
        ...

    def position(self) -> int:
        """How many bytes of this connection were ever consumed: the same number in the next process, too."""
        ...

    def unread(self) -> int:
        """Bytes that wait in the kernel."""
        ...

    def want(self, count: int) -> None:
        """Be readable only when `count` bytes are there (or the peer has gone)."""
        ...


class PeekWire:
    """A plain socket, read with MSG_PEEK."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.durable = sock.family in (socket.AF_INET, socket.AF_INET6)
        self._buffer = bytearray(PEEK_AT_MOST)
        self._view = memoryview(self._buffer)
        self._low_water = 1
        self._consumed = 0
        sock.setblocking(False)

    def peek(self) -> memoryview:
        """Peek. A closed connection is known by an empty read: after the last byte, or with half a message left."""
        count = self.sock.recv_into(self._buffer, 0, socket.MSG_PEEK)
        if count == 0:
            raise WireClosedError("closed by the other side")
        return self._view[:count]

    def closed_with_rest(self) -> bool:
        """Whether the peer has sent its last byte: a peek at half a message would never come up empty."""
        if not self.durable:
            return False
        return self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _TCP_ESTABLISHED

    def consume(self, count: int) -> None:
        """Drop `count` bytes; TCP can do that without copying them."""
        flags = socket.MSG_TRUNC if self.durable else 0
        self._consumed += count
        while count:
            count -= self.sock.recv_into(self._buffer, min(count, PEEK_AT_MOST), flags)

    def position(self) -> int:
        """From the kernel's own count, so that it survives this process (docs/decisions/peek-and-handover.md)."""
        if not self.durable:
            return self._consumed
        while (received := self._received()) is not None:
            unread = self.unread()
            if received == self._received():  # else bytes came between the two questions
                return received - unread
        return self._consumed

    def _received(self) -> int | None:
        """Bytes that the kernel has ever received; None on a kernel older than 4.1."""
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.stop)
        if len(info) < _BYTES_RECEIVED.stop:
            return None
        received: int = struct.unpack("=Q", info[_BYTES_RECEIVED])[0]
        return received - (info[0] != _TCP_ESTABLISHED)  # the peer's FIN counts as a byte there

    def unread(self) -> int:
        """FIONREAD."""
        return unread_bytes(self.sock)

    def want(self, count: int) -> None:
        """SO_RCVLOWAT: half a message must not keep the socket readable, or the loop would spin on it."""
        if count != self._low_water:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
            self._low_water = count


class TlsWire:
    """A TLS connection: read as it comes, kept here until consumed. It cannot be handed over."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock: socket.socket = sock
        self.durable = False
        self._held = bytearray()
        self._consumed = 0
        sock.setblocking(False)

    def peek(self) -> memoryview:
        """Read what there is; the records' own buffering is emptied, so that readiness can be trusted."""
        before = len(self._held)
        while len(self._held) < PEEK_AT_MOST:
            try:
                chunk = self.sock.recv(1 << 16)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not chunk:
                if len(self._held) == before:
                    raise WireClosedError("closed by the other side")
                break
            self._held += chunk
        if len(self._held) == before:
            raise BlockingIOError
        return memoryview(bytes(self._held))

    def closed_with_rest(self) -> bool:
        """A TLS read says itself when it is over."""
        return False

    def consume(self, count: int) -> None:
        """Forget `count` bytes."""
        del self._held[:count]
        self._consumed += count

    def position(self) -> int:
        """Counted here, from the first byte."""
        return self._consumed

    def unread(self) -> int:
        """What the kernel holds, still encrypted."""
        return unread_bytes(self.sock)

    def want(self, count: int) -> None:
        """Nothing to do: reading takes the bytes, so half a message does not keep the socket readable."""


def unread_bytes(sock: socket.socket) -> int:
    """FIONREAD: what waits in the kernel's receive buffer."""
    answer = fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0\0\0\0")
    count: int = struct.unpack("i", answer)[0]
    return count
