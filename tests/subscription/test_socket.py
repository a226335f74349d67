"""Peeking, consuming and counting on real sockets."""

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from relay.subscription.socket import PEEK_AT_MOST, PeekWire, WireClosedError
from tests.support import until

Pair = tuple[PeekWire, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A wire, and the socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        with theirs:
            yield PeekWire(ours), theirs


def arrived(wire: PeekWire, count: int) -> bytes:
    until(lambda: wire.unread() >= count)
    return bytes(wire.peek())


def test_what_was_looked_at_is_still_there(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"twelve bytes")
    assert arrived(wire, 12) == b"twelve bytes"
    assert bytes(wire.peek()) == b"twelve bytes"
    assert wire.unread() == 12
    assert wire.position() == 0


def test_exactly_what_is_consumed_is_gone(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"twelve bytes")
    arrived(wire, 12)
    wire.consume(7)
    assert bytes(wire.peek()) == b"bytes"
    assert wire.position() == 7
    wire.consume(5)
    with pytest.raises(BlockingIOError):
        wire.peek()
    assert wire.position() == 12


def test_more_than_one_look_shows_is_consumed_in_full(pair: Pair) -> None:
    wire, theirs = pair
    data = random.Random(1).randbytes(3 * PEEK_AT_MOST)
    sender = threading.Thread(target=theirs.sendall, args=(data,))
    sender.start()
    taken = bytearray()
    while len(taken) < len(data):
        until(wire.unread)
        seen = bytes(wire.peek())
        taken += seen
        wire.consume(len(seen))
    sender.join()
    assert bytes(taken) == data
    assert wire.position() == len(data)


def test_the_position_is_the_same_for_another_process(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"x" * 1000)
    arrived(wire, 1000)
    wire.consume(300)
    with socket.socket(fileno=socket.dup(wire.sock.fileno())) as copy:
        assert PeekWire(copy).position() == 300


def test_the_position_is_right_while_bytes_come(pair: Pair) -> None:
    """The kernel is asked twice for it; what comes between the two questions must not count."""
    wire, theirs = pair
    going = threading.Event()
    going.set()

    def flood() -> None:
        while going.is_set():
            theirs.send(b"x" * 900)

    sender = threading.Thread(target=flood)
    sender.start()
    try:
        consumed = 0
        for _ in range(3000):
            assert wire.position() == consumed
            if (there := wire.unread()) > 100_000:
                wire.consume(there)
                consumed += there
    finally:
        going.clear()
        until(lambda: _drained(wire, sender))


def _drained(wire: PeekWire, sender: threading.Thread) -> bool:
    if there := wire.unread():
        wire.consume(there)
    return not sender.is_alive()


def test_the_position_is_right_after_the_peer_has_closed(pair: Pair) -> None:
    """A FIN takes a place in TCP's count; an adopted socket may have got one."""
    wire, theirs = pair
    theirs.sendall(b"x" * 1000)
    arrived(wire, 1000)
    wire.consume(400)
    theirs.close()
    until(wire.closed_with_rest)
    assert wire.position() == 400
    assert wire.unread() == 600
    wire.consume(600)
    assert wire.position() == 1000


def test_an_end_is_told_only_after_the_last_byte(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"rest")
    theirs.close()
    until(wire.closed_with_rest)
    assert bytes(wire.peek()) == b"rest"
    wire.consume(4)
    with pytest.raises(WireClosedError):
        wire.peek()


def test_an_open_connection_is_not_taken_for_closed(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"half a mess")
    arrived(wire, 11)
    assert not wire.closed_with_rest()


def test_a_unix_socket_counts_for_itself_and_is_not_handed_over() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = PeekWire(ours)
        theirs.sendall(b"abcdef")
        assert bytes(wire.peek()) == b"abcdef"
        wire.consume(4)
        assert bytes(wire.peek()) == b"ef"
        assert wire.position() == 4
        assert not wire.durable
        assert not wire.closed_with_rest()
