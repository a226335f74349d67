"""The quick readers and the plain one agree on every message, and no bytes ever raise."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.events import Event, encode
from relay.normalize.normalize import Normalizer
from relay.normalize.shapes import NESTED, Flat
from tests.support.examples import examples
from tests.support.normalized import NOW, SHAPES, STAMPED, both_ways, facts

NAMES = [*Flat.__struct_fields__, "x"]
names = st.sampled_from(NAMES) | st.text(max_size=4)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2025-01-27T21:15:00Z", "2025-01-27T21:15:00", "error", "critical", "import", "AAPL", "test_x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(names, json_values, max_size=8)
usual = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["import_progress", "pattern_detected", ""]),
        "timestamp": st.just("2025-01-27T21:15:00Z"),
    },
    optional={
        "source": st.sampled_from(["a", "smoke-test"]) | json_values,
        "version": st.just("1.0"),
        "session_id": st.sampled_from(["s", "", None]) | json_values,
        **dict.fromkeys(NESTED, objects),
    },
)
channels = st.sampled_from([channel for channel, _, _ in SHAPES])


@examples(300)
@given(channels, objects | usual, st.sampled_from([None, (",", ":")]))
@example("tickstock:monitoring", {"alert": {"level": "CRITICAL"}, "event_type": "ALERT_TRIGGERED"}, (",", ":"))
@example("tickstock:a:b", {"event": "x", **STAMPED, "data": {}, "session_id": None}, None)
@example("tickstock:a:b", {"payload": {"payload": {}}, "event": "x", **STAMPED}, (",", ":"))
def test_the_fast_way_and_the_plain_way_agree(
    channel: str, body: dict[str, Any], separators: tuple[str, str] | None
) -> None:
    data = json.dumps(body, separators=separators, ensure_ascii=False).encode(errors="surrogatepass")
    plain, fast = both_ways(channel, data)
    assert facts(plain) == facts(fast)


@pytest.mark.parametrize(
    "body",
    [
        b'{"event":"x","timestamp":"2025-01-27T21:15:00Z","session_id":""}',
        b'{"event":"x","timestamp":"2025-01-27T21:15:00Z","payload":{"session_id":""}}',
        b'{"event":"x","timestamp":"2025-01-27T21:15:00Z","detection":{"session_id":null,"a":1},"session_id":"q"}',
        b'{"event":"x","timestamp":"2025-01-27T21:15:00Z","session_id":"q","detection":{ }}',
        rb'{"event":"x","timestamp":"2025-01-27T21:15:00Z","session_id":"a\"b\\","detection":{"symbol":"A"}}',
        rb'{"event":"x","timestamp":"2025-01-27T21:15:00Z","session_id":"q","detection":{"\u0073ession_id":"b"}}',
        rb'{"event":"x","timestamp":"2025-01-27T21:15:00Z","p\u0061yload":{"payload":{"a":1}}}',
    ],
)
def test_an_odd_session_is_the_same_whichever_way(body: bytes) -> None:
    plain, fast = both_ways("tickstock:patterns:streaming", body)
    assert facts(plain) == facts(fast)


@pytest.mark.parametrize(
    "text",
    [
        b"\n",
        b"\r",
        b"\0",
        rb"\"\\",
        rb"\q",
        rb"\u12",
        rb"\uzzzz",
        rb"\ud800",
        rb"\udc00",
        rb"\ud83d\ude00",
        b"\\",
        rb"\n",
        "é".encode(),
        b"\xff",
        b"\xc3",
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "where", [b'"payload":{"v":"%b"}', b'"v":"%b"', b'"payload":{"%b":1}'], ids=["in", "flat", "key"]
)
def test_what_the_quick_readers_do_not_look_at_is_looked_at(text: bytes, where: bytes) -> None:
    """Escapes and letters in what they skip: an archive line with a wrong one could be read by nobody."""
    data = b'{"event":"x","timestamp":"2025-01-27T21:15:00Z",' + where % text + b"}"
    usual = b'{"event":"x","timestamp":"2025-01-27T21:15:00Z","payload":{}}'
    plain, fast = both_ways("tickstock:a:b", data)
    assert facts(plain) == facts(fast)
    in_company, unreadable = Normalizer().read_all([(b"c", one, 1) for one in (usual, data, usual)], NOW, "s")
    assert len(in_company) + len(unreadable) == 3
    for event in in_company:
        json.loads(encode(event))


@examples(300)
@given(
    channel=st.binary(max_size=30) | channels.map(str.encode), data=st.binary(max_size=60) | st.text().map(str.encode)
)
def test_no_bytes_ever_raise(channel: bytes, data: bytes) -> None:
    events, unreadable = Normalizer().read_all([(channel, data, 1)], NOW, "s")
    assert len(events) + len(unreadable) == 1
    for event in events:
        assert isinstance(event.payload, dict)
        assert json.loads(encode(event))["id"] == "s-1"


@examples(300)
@given(shape=st.sampled_from(SHAPES), data=st.data())
def test_a_damaged_message_never_raises_and_both_ways_agree(shape: tuple[str, bytes, str], data: st.DataObject) -> None:
    """Bytes changed, removed, doubled and put in: most are no JSON any more, some are other JSON."""
    channel, message, _ = shape
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        until = data.draw(st.integers(at, min(len(damaged), at + 40)))
        damaged[at:until] = data.draw(st.binary(max_size=3) | st.just(bytes(damaged[at:until] * 2)))
    plain, fast = both_ways(channel, bytes(damaged))
    assert facts(plain) == facts(fast)
    if isinstance(fast, Event):
        line = encode(fast)
        json.loads(line)
        assert len(line.splitlines()) == 1
