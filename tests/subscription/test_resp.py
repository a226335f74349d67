"""Frames of a pub/sub connection, cut anywhere: every message once, and where it ends to the byte."""

from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Message
from relay.subscription.resp import FEED, FrameParser, ProtocolViolationError, reply_length


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def frame(*parts: bytes | int, push: bool = False) -> bytes:
    """An array, or a push of RESP3."""
    encoded = [b":%d\r\n" % part if isinstance(part, int) else bulk(part) for part in parts]
    return (b">%d\r\n" if push else b"*%d\r\n") % len(parts) + b"".join(encoded)


def message(channel: bytes, data: bytes, pattern: bytes = b"t:*", *, push: bool = False) -> bytes:
    return frame(b"pmessage", pattern, channel, data, push=push)


def parse_in_pieces(data: bytes, cuts: list[int], start: int = 0) -> tuple[list[Message], FrameParser]:
    """As the subscription does it: shown all that is unread each time, consuming up to the boundary."""
    parser, found, position = FrameParser(start), [], start
    for end in [*sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]:
        found += parser.parse(memoryview(data)[position - start : end], position)
        position = parser.boundary
    return found, parser


controls = st.sampled_from(
    [
        frame(b"psubscribe", b"t:*", 1),
        frame(b"psubscribe", b"t:*", 12345),
        frame(b"pong", b""),
        b"+PONG\r\n",
        b"*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n",
        frame(b"message", b"t:a", b"plain"),
    ]
)
data_of = (
    st.binary(max_size=40)
    | st.integers(4000, 4200).map(lambda size: b"y" * size)
    | st.just(b"*4\r\n$8\r\npmessage\r\n")
)
messages = st.tuples(st.sampled_from([b"t:a", b"t:bb", b""]) | st.binary(max_size=9), data_of)
wholes = st.lists(controls | messages, max_size=12)


@given(parts=wholes, cuts=st.lists(st.integers(0, 3000), max_size=8), start=st.integers(0, 2**40), push=st.booleans())
def test_every_message_once_with_its_exact_end_wherever_it_is_cut(
    parts: list[bytes | tuple[bytes, bytes]], cuts: list[int], start: int, *, push: bool
) -> None:
    data, expected = b"", []
    for part in parts:
        if isinstance(part, bytes):
            data += part.replace(b"*", b">", 1) if push else part
        else:
            data += message(*part, push=push)
            expected.append((*part, start + len(data)))
    found, parser = parse_in_pieces(data, cuts, start)
    assert found == expected
    assert parser.boundary == parser.seen == start + len(data)
    assert len(parser.control) == len(parts) - len(expected)


@given(size=st.sampled_from([0, 1, 9, 10, 99, 100, 4095, 4096, 9999, 10_000, FEED - 1, FEED, FEED + 1, 1_000_000]))
def test_lengths_are_right_around_every_edge(size: int) -> None:
    data = message(b"t:a", b"x" * size)
    found, parser = parse_in_pieces(data, [])
    assert found == [(b"t:a", b"x" * size, len(data))]
    assert parser.boundary == len(data)


@given(st.recursive(st.binary(max_size=12) | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=3)))
def test_the_length_of_any_reply_is_what_it_takes_on_the_wire(reply: Any) -> None:
    def encode(value: Any) -> bytes:
        if isinstance(value, list):
            return b"*%d\r\n" % len(value) + b"".join(map(encode, value))
        if value is None:
            return b"$-1\r\n"
        return b":%d\r\n" % value if isinstance(value, int) else bulk(value)

    assert reply_length(reply) == len(encode(reply))


def test_half_a_message_is_none_and_the_boundary_stays_before_it() -> None:
    whole, half = message(b"t:a", b"one"), message(b"t:a", b"two")[:-3]
    parser = FrameParser(100)
    assert parser.parse(memoryview(whole + half), 100) == [(b"t:a", b"one", 100 + len(whole))]
    assert parser.boundary == 100 + len(whole)
    assert parser.seen == 100 + len(whole) + len(half)


def test_what_was_seen_is_not_parsed_twice() -> None:
    data = message(b"t:a", b"one") + message(b"t:a", b"two")
    parser = FrameParser(0)
    assert len(parser.parse(memoryview(data[:-1]), 0)) == 1
    assert [found[1] for found in parser.parse(memoryview(data), 0)] == [b"two"]


def test_a_message_by_two_patterns_is_passed_on_once() -> None:
    data = b""
    for number in range(3):
        data += message(b"t:a", b"%d" % number, b"t:*") + message(b"t:a", b"%d" % number, b"*")
    data += message(b"other", b"x", b"*")
    found, parser = parse_in_pieces(data, [10, 50, 90])
    assert [text for _, text, _ in found] == [b"0", b"1", b"2", b"x"]
    assert parser.duplicates == 3
    assert parser.boundary == len(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not RESP"),
        (b"\x15\x03\x01\x00\x02\x02", "not RESP"),
        (b"-NOPERM User caf\xe9 has no permissions\r\n", "unreadable error reply"),
        (b",1.5\r\n", "unexpected reply"),
        (b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n:1\r\n", "not what a subscription sends"),
        (b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$-1\r\n", "not what a subscription sends"),
        (b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n*0\r\n$1\r\nx\r\n", "not what a subscription sends"),
    ],
)
def test_what_no_subscription_sends_is_refused(data: bytes, error: str) -> None:
    parser = FrameParser(0)
    with pytest.raises(ProtocolViolationError, match=error):
        parser.parse(memoryview(data), 0)


@pytest.mark.parametrize("text", ["NOPERM No permissions to access a channel", "ERR caf\u00e9", "LOADING"])
def test_an_error_reply_is_kept_apart_and_counts_to_its_last_byte(text: str) -> None:
    before, after = message(b"t:a", b"before"), message(b"t:a", b"after")
    data = before + b"-%b\r\n" % text.encode() + after
    found, parser = parse_in_pieces(data, [len(before) + 4])
    assert [each[1] for each in found] == [b"before", b"after"]
    assert parser.errors == [text]
    assert parser.boundary == len(data)


def test_a_parser_that_was_short_of_memory_reads_the_same_again() -> None:
    data = message(b"t:a", b"1", b"t:*") + message(b"t:a", b"1", b"*") + message(b"t:a", b"2", b"t:*")
    parser = FrameParser(0)
    first = len(message(b"t:a", b"1", b"t:*"))
    assert len(parser.parse(memoryview(data[:first]), 0)) == 1
    parser._reader = _NoMemory()  # type: ignore[assignment]
    with pytest.raises(MemoryError):
        parser.parse(memoryview(data[first:]), first)
    parser.restart(first)
    assert [each[1] for each in parser.parse(memoryview(data[first:]), first)] == [b"2"], (
        "the repetition is known still"
    )
    assert parser.boundary == len(data)


class _NoMemory:
    """hiredis when malloc fails: it calls that a protocol error."""

    def feed(self, _: memoryview) -> None:
        pass

    def gets(self) -> None:
        raise hiredis.ProtocolError("Out of memory")


def test_a_flood_of_channels_is_not_remembered_for_ever() -> None:
    data = b"".join(message(b"t:%d" % number, b"x") for number in range(6000))
    found, parser = parse_in_pieces(data, [])
    assert len(found) == 6000
    assert len(parser._heads) <= 4096
    assert parser.boundary == len(data)
