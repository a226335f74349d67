"""JSON as publishers really write it: what is made valid or unwrapped, and what is refused with its reason."""

import json
from typing import Any

import pytest

from relay.events import Event, Mark, decode, encode
from relay.normalize.normalize import Normalizer, Unreadable, UnreadableReason, depth_of
from tests.support.normalized import NOW, STAMPED, both_ways, event_of, take
from tests.support.shapes import oversized
from tickstock_simulator.malformed import malformed


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (b'{"event":"x","payload":{"v":NaN,"w":[Infinity]}}', {"v": None, "w": [None]}),
        (b'{"event":"x","payload":{"v":"\\ud800!"}}', {"v": "\ufffd!"}),
        (b'\xef\xbb\xbf{"event":"x","payload":{"v":1}}', {"v": 1}),
        (b'{"event":"x","payload":{"v":1},"payload":{"v":2}}', {"v": 2}),
        (b'{"event":"x","payload":\r\n{"v":\r1}\r\n}', {"v": 1}),
        (b'{"event":"x","payload":{"v":\n1}}', {"v": 1}),
        (b'{"event":"x","payload":{"v":\r1}}', {"v": 1}),
    ],
    ids=["NaN", "surrogate", "byte order mark", "twice", "line breaks", "line feed", "carriage return"],
)
def test_json_as_publishers_really_write_it_is_made_valid(data: bytes, payload: dict[str, Any]) -> None:
    for given_data in (data, data.replace(b'"event":"x"', b'"event":"x","timestamp":"2025-01-27T21:15:00Z"')):
        event = event_of(given_data)
        assert event.payload == payload
        line = encode(event)
        assert json.loads(line)["payload"] == payload
        assert len(line.splitlines()) == 1


@pytest.mark.parametrize(("channel", "data", "why"), malformed(), ids=[why for _, _, why in malformed()])
def test_what_is_no_json_object_is_refused_with_its_bytes(channel: str, data: bytes, why: str) -> None:
    read = take(data, channel)
    assert isinstance(read, Unreadable), why
    assert (read.channel, read.data, read.received, read.stream, read.offset) == (channel.encode(), data, NOW, "s1", 7)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", UnreadableReason.EMPTY),
        (b" \n", UnreadableReason.EMPTY),
        (b'{"a":"\xff"}', UnreadableReason.NOT_UTF8),
        (b"{", UnreadableReason.NOT_JSON),
        (b"[1]", UnreadableReason.NOT_AN_OBJECT),
        (b'{"a":' * 251 + b"1" + b"}" * 251, UnreadableReason.TOO_DEEP),
        (oversized(2_000_000)[1], UnreadableReason.TOO_LARGE),
    ],
)
def test_the_reason_is_named(data: bytes, reason: UnreadableReason) -> None:
    read = take(data, max_bytes=1_000_000)
    assert isinstance(read, Unreadable)
    assert read.reason is reason


def test_limits_are_inclusive_and_brackets_in_texts_do_not_count() -> None:
    assert isinstance(take(oversized(1000)[1], max_bytes=1000), Event)
    assert isinstance(take(oversized(1001)[1], max_bytes=1000), Unreadable)
    assert isinstance(take({"event": "x", "payload": {"text": "[" * 1000, "q": '"{'}}), Event)
    assert isinstance(take(b'{"a":' * 250 + b"1" + b"}" * 250), Event)


def test_looking_for_depth_in_a_large_text_stays_small() -> None:
    assert depth_of(b'{"a":"' + b'x\\"' * 5_000_000 + b'"}') == 1


ENDLESS = [b"9" * 4001, b"-" + b"9" * 4001, b"9" * 4200, b"9" * 4301, b"9" * 5000, b"1e999", b"-1e999"]


@pytest.mark.parametrize("number", ENDLESS)
@pytest.mark.parametrize("stamp", [b"", b'"timestamp":"2025-01-27T21:15:00Z",'])
def test_a_number_that_nobody_can_read_is_null_whichever_way(number: bytes, stamp: bytes) -> None:
    data = b'{"event":"processing_started",' + stamp + b'"payload":{"run_id":"a","n":' + number + b"}}"
    normalizer = Normalizer()
    channel = b"tickstock:processing:status"
    events, _ = normalizer.read_all([(channel, data, 1)], NOW, "s")
    for event in (normalizer.read(channel, data, NOW, "s", 1), *events):
        assert isinstance(event, Event)
        assert event.payload == {"run_id": "a", "n": None}
        if b"e" not in number:
            assert json.loads(event.raw) == event.payload, "so it stands in the archive"


@pytest.mark.parametrize("number", [b"9" * 4000, b"-" + b"9" * 4000])
@pytest.mark.parametrize("beside", [b"1", b"NaN"], ids=["strict", "lenient"])
def test_a_number_of_as_many_digits_as_may_be_is_read_whichever_way(number: bytes, beside: bytes) -> None:
    data = b'{"event":"x","timestamp":"2025-01-27T21:15:00Z","payload":{"n":' + number + b',"m":' + beside + b"}}"
    for event in both_ways("tickstock:a:b", data):
        assert isinstance(event, Event)
        assert event.payload["n"] == int(number)


def test_long_digits_in_a_text_are_a_text() -> None:
    event = event_of({"event": "x", **STAMPED, "payload": {"hash": "1" * 5000}})
    assert event.payload == {"hash": "1" * 5000}


WITHIN = {"event": "error", "timestamp": "2025-01-27T21:15:00Z", "source": "s", "payload": {"run_id": "r", "n": 1}}


def in_text(value: object) -> str:
    return json.dumps(value)


@pytest.mark.parametrize(
    "data",
    [
        in_text(in_text(WITHIN)),
        in_text(WITHIN | {"payload": in_text(WITHIN["payload"])}),
        in_text(in_text(WITHIN | {"payload": in_text(WITHIN["payload"])})),
        in_text(
            {"event": "error", "timestamp": "2025-01-27T21:15:00Z", "source": "s", "data": '\n {"run_id":"r","n":1} '}
        ),
        " " + in_text("\n" + in_text(WITHIN)),
    ],
    ids=["message", "payload", "both", "data", "blanks"],
)
def test_json_in_a_json_text_is_unwrapped_once_and_marked(data: str) -> None:
    for event in both_ways("tickstock:errors", data.encode()):
        assert isinstance(event, Event), event
        assert (event.event, event.source, event.run_id) == ("error", "s", "r")
        assert event.payload == {"run_id": "r", "n": 1}
        assert event.marks == Mark.UNWRAPPED
        assert event.original == data.encode()
        assert json.loads(encode(event))["unwrapped"] is True
        assert decode(encode(event)).marks == Mark.UNWRAPPED


@pytest.mark.parametrize(
    "data",
    [
        in_text(in_text(in_text(WITHIN))),
        in_text("hello"),
        in_text("[1]"),
        in_text("{"),
        in_text('{"a":' * 300 + "1" + "}" * 300),
    ],
    ids=["twice", "a text", "a list", "half of one", "too deep"],
)
def test_what_is_no_object_in_a_text_stays_unreadable(data: str) -> None:
    read = take(data.encode())
    assert isinstance(read, Unreadable)
    assert read.reason is UnreadableReason.NOT_AN_OBJECT


@pytest.mark.parametrize("payload", ["hello", "{", in_text(in_text({"a": 1})), "[1]", ""])
def test_a_payload_that_is_another_text_stays_a_text(payload: str) -> None:
    event = event_of({"event": "x", **STAMPED, "payload": payload})
    assert event.payload["payload"] == payload
    assert event.marks == Mark.NONE
