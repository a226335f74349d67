"""Every known shape becomes the event it should, unknown ones still become one, and no bytes ever raise."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.events import Event, Mark, Phase, Severity, decode, encode
from relay.normalize.normalize import Normalizer, Unreadable, UnreadableReason, depth_of
from relay.normalize.shapes import NESTED, Flat
from relay.runs.signals import Verb, signal_of
from tests.support.examples import examples
from tests.support.shapes import every_shape, oversized
from tickstock_simulator.malformed import malformed

NOW = datetime(2025, 1, 27, 21, 15, 30, tzinfo=UTC)
SHAPES = every_shape()
STAMPED = {"timestamp": "2025-01-27T21:15:00Z"}


def take(data: bytes | dict[str, Any], channel: str = "tickstock:import:progress", **limits: int) -> Event | Unreadable:
    """What becomes of a message on the daemon's own way."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    events, unreadable = Normalizer(**limits).read_all([(channel.encode(), raw, 7)], NOW, "s1")
    assert len(events) + len(unreadable) == 1
    return events[0] if events else unreadable[0]


def event_of(data: bytes | dict[str, Any], channel: str = "tickstock:import:progress") -> Event:
    read = take(data, channel)
    assert isinstance(read, Event), read
    return read


@pytest.mark.parametrize(("channel", "data", "what"), SHAPES, ids=[what for _, _, what in SHAPES])
def test_every_shape_comes_through_with_its_own_fields(channel: str, data: bytes, what: str) -> None:
    event = event_of(data, channel)
    body = json.loads(data)
    assert event.channel == channel
    assert event.event == event.event.lower() != ""
    assert event.original == data, what
    inner = next((body[name] for name in ("payload", "data", "detection", "calculation") if name in body), body)
    assert inner.items() <= event.payload.items()
    claimed = body.get("timestamp")
    assert (claimed is None) == bool(event.marks & Mark.UNDATED)
    assert event.timestamp.tzinfo is UTC


def test_all_18_channels_of_the_contract_have_their_domain_action_and_phase() -> None:
    seen = {}
    for channel, data, _ in SHAPES[:18]:
        event = event_of(data, channel)
        seen[channel.removeprefix("tickstock:")] = (event.domain, event.action, event.phase, event.event)
        assert event.run_id == json.loads(data)["payload"]["run_id"]
        assert event.source == json.loads(data)["source"]
        assert event.version == "1.0"
    phases = {"import": Phase.IMPORT, "cache": Phase.CACHE, "indicators": Phase.INDICATORS, "patterns": Phase.PATTERNS}
    assert len(seen) == 18
    for name, (domain, action, phase, event_name) in seen.items():
        assert f"{domain}:{action}".rstrip(":") == name
        assert phase == phases.get(domain)
        assert event_name
    assert seen["patterns:completed"][3] == "pattern_processing_completed"


@pytest.mark.parametrize(
    ("older", "name"),
    [
        ("daily_processing_started", "processing_started"),
        ("daily_processing_progress", "processing_progress"),
        ("daily_processing_completed", "processing_completed"),
        ("data_import_started", "import_started"),
        ("data_import_completed", "import_completed"),
    ],
)
def test_an_older_name_becomes_the_contracts_and_is_remembered(older: str, name: str) -> None:
    event = event_of({"event": older, **STAMPED, "payload": {}})
    assert (event.event, event.wire_event) == (name, older)


@pytest.mark.parametrize(
    ("body", "channel", "severity"),
    [
        ({"event": "error", "payload": {"severity": "warn"}}, "tickstock:errors", Severity.WARNING),
        ({"event": "error", "payload": {"severity": "CRITICAL"}}, "tickstock:errors", Severity.CRITICAL),
        ({"event": "error", "payload": {}}, "tickstock:errors", Severity.ERROR),
        ({"event": "error", "payload": {"severity": "odd"}}, "tickstock:errors", Severity.ERROR),
        ({"event": "critical_error", "payload": {"severity": "info"}}, "tickstock:errors", Severity.CRITICAL),
        ({"error_id": "e1", "severity": "warn", "message": "x"}, "tickstock:errors", Severity.WARNING),
        (
            {"event_type": "ALERT_TRIGGERED", "alert": {"level": "EMERGENCY"}},
            "tickstock:monitoring",
            Severity.EMERGENCY,
        ),
        ({"event_type": "ALERT_RESOLVED", "alert": {"level": "CRITICAL"}}, "tickstock:monitoring", Severity.INFO),
        ({"event": "streaming_health", "status": "critical"}, "tickstock:streaming:health", Severity.CRITICAL),
        ({"event": "job_failed", "payload": {}}, "tickstock:job:status", Severity.ERROR),
        ({"event": "x", "payload": {"status": "failed"}}, "tickstock:eod:completion", Severity.ERROR),
        ({"event": "x", "message": "m"}, "tickstock:alerts:critical", Severity.CRITICAL),
        ({"symbol": "AAPL", "price": 1}, "tickstock:market:ticks", Severity.DEBUG),
        ({"event": "x"}, "tickstock:brand:new", Severity.INFO),
    ],
)
def test_severity_is_what_is_stated_or_usual(body: dict[str, Any], channel: str, severity: Severity) -> None:
    assert event_of(body | STAMPED, channel).severity is severity


@pytest.mark.parametrize(
    ("channel", "name", "payload"),
    [
        ("tickstock:processing:status", "processing_completed", {"status": "failed"}),
        ("tickstock:processing:status", "daily_processing_completed", {"status": "error"}),
        ("tickstock:processing:status", "processing_failed", {}),
        ("tickstock:import:completed", "import_completed", {"status": "failed"}),
        ("tickstock:import:failed", "data_import_failed", {}),
        ("tickstock:patterns:completed", "pattern_processing_completed", {"status": "failed"}),
        ("tickstock.cache.completed", "cache_completed", {"status": "failed"}),
    ],
)
def test_the_end_of_a_run_or_phase_is_no_error_of_its_own(channel: str, name: str, payload: dict[str, Any]) -> None:
    found = event_of({"event": name, **STAMPED, "payload": payload}, channel)
    assert found.severity is Severity.WARNING
    signal = signal_of(found.kind)
    assert signal is not None
    assert signal.verb is Verb.ENDED
    stated = event_of({"event": name, **STAMPED, "payload": payload | {"severity": "critical"}}, channel)
    assert stated.severity is Severity.CRITICAL, "what the publisher states counts"


@pytest.mark.parametrize(
    ("claim", "read"),
    [
        ("2025-01-27T21:15:00Z", "2025-01-27T21:15:00+00:00"),
        ("2025-01-27T16:15:00-05:00", "2025-01-27T21:15:00+00:00"),
        ("2025-01-27T21:15:00.123456", "2025-01-27T21:15:00.123456+00:00"),
        ("2025-01-27 21:15:00", "2025-01-27T21:15:00+00:00"),
        ("2025-01-27", "2025-01-27T00:00:00+00:00"),
        (1738012500, "2025-01-27T21:15:00+00:00"),
        (1738012500.5, "2025-01-27T21:15:00.500000+00:00"),
        (1738012500123, "2025-01-27T21:15:00.123000+00:00"),
        (1738012500000000000, "2025-01-27T21:15:00+00:00"),
        ("1738012500", "2025-01-27T21:15:00+00:00"),
        ("1738012500123", "2025-01-27T21:15:00.123000+00:00"),
        (" 1738012500.5 ", "2025-01-27T21:15:00.500000+00:00"),
        ("1738012500000000000", "2025-01-27T21:15:00+00:00"),
        ("20250127", "2025-01-27T00:00:00+00:00"),
        ("20250127211500", "2025-01-27T21:15:00+00:00"),
        (20250127211500, "2025-01-27T21:15:00+00:00"),
        ("Mon, 27 Jan 2025 21:15:00 GMT", "2025-01-27T21:15:00+00:00"),
        ("Mon, 27 Jan 2025 16:15:00 -0500", "2025-01-27T21:15:00+00:00"),
        ("27 Jan 2025 16:15:00 EST", "2025-01-27T21:15:00+00:00"),
        ("Mon, 27 Jan 2025 21:15:00 -0000", "2025-01-27T21:15:00+00:00"),
        ("Mon Jan 27 21:15:00 2025", "2025-01-27T21:15:00+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2016-12-31T18:59:60.25-05:00", "2017-01-01T00:00:00.250000+00:00"),
        ("20161231T235960Z", "2017-01-01T00:00:00+00:00"),
        ("20161231235960", "2017-01-01T00:00:00+00:00"),
        ("Sat, 31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00+00:00"),
    ],
)
def test_a_claimed_time_of_any_kind_is_read(claim: object, read: str) -> None:
    event = event_of({"event": "x", "timestamp": claim, "payload": {}})
    assert event.timestamp.isoformat() == read
    assert not event.marks & Mark.UNDATED


@pytest.mark.parametrize(
    "claim",
    [
        *[
            None,
            "",
            "yesterday",
            True,
            -5,
            0,
            [],
            {},
            10**400,
            "0001-01-01T00:00:00+23:00",
            "9999-12-31T23:00:00-05:00",
        ],
        *["0", "-1738012500", "9" * 20, "9" * 5000, "1738012500 s", "Mon, 27 Jan 2025 21:15:00 CET", "may", "Jan 27"],
        *["Mon, 32 Jan 2025 21:15:00 GMT", "2016-12-31T23:60:00Z", "2016-12-31T23:59:61Z", "9999-12-31T23:59:60Z"],
    ],
)
def test_a_time_that_cannot_be_read_is_the_time_received_and_says_so(claim: object) -> None:
    event = event_of({"event": "x", "timestamp": claim, "payload": {}})
    assert event.timestamp == NOW
    assert event.marks & Mark.UNDATED


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN", b"Infinity", b"1" + b"0" * 300])
def test_an_endless_number_for_a_time_ends(number: bytes) -> None:
    event = event_of(b'{"event":"x","timestamp":' + number + b',"payload":{}}')
    assert event.marks & Mark.UNDATED


@pytest.mark.parametrize(
    ("off", "believed"), [(0, True), (-14 * 60, True), (4, True), (3600, False), (-5 * 3600, False)]
)
def test_a_claim_that_cannot_be_true_does_not_measure(off: float, *, believed: bool) -> None:
    claimed = NOW + timedelta(seconds=off)
    event = event_of({"event": "x", "timestamp": claimed.isoformat(), "payload": {}})
    assert event.timestamp == claimed
    assert event.time == (claimed if believed else NOW)


@pytest.mark.parametrize(
    ("payload", "run_id"),
    [
        ({"run_id": "r", "job_id": "j"}, "r"),
        ({"job_id": "j", "session_id": "s"}, "j"),
        ({"session_id": "s"}, "s"),
        ({"run_id": "", "job_id": "j"}, "j"),
        ({"run_id": 17}, "17"),
        ({"run_id": None}, None),
        ({}, None),
    ],
)
def test_correlation_is_by_what_is_there(payload: dict[str, Any], run_id: str | None) -> None:
    assert event_of({"event": "x", **STAMPED, "payload": payload}).run_id == run_id


def test_what_stands_beside_a_nested_object_moves_into_it() -> None:
    body = {"event": "pattern_detected", "session_id": "s1", "note": "n", "symbol": "A", **STAMPED}
    event = event_of(body | {"detection": {"symbol": "B", "confidence": 0.9}}, "tickstock:patterns:streaming")
    assert event.payload == {
        "session_id": "s1",
        "note": "n",
        "symbol": "B",
        "confidence": 0.9,
        "_outer": {"symbol": "A"},
    }
    assert event.run_id == "s1"
    assert event.phase is None, "streaming belongs to no run's phase"


@pytest.mark.parametrize(
    "body",
    [
        {"event": "test_event", "payload": {}},
        {"event": "x", "source": "smoke-test", "payload": {}},
        {"event": "x", "payload": {"test": True}},
        {"event": "x", "dry_run": True},
        {"event": "x", "payload": {}, "is_test": True},
    ],
)
def test_a_probe_is_marked(body: dict[str, Any]) -> None:
    assert event_of(body | STAMPED).marks & Mark.TEST


@pytest.mark.parametrize("name", ["latest_prices", "contest", "backtest_completed", "attestation"])
def test_a_word_with_test_in_it_is_no_probe(name: str) -> None:
    assert not event_of({"event": name, **STAMPED, "payload": {"test": "no"}}).marks & Mark.TEST


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


def facts(event: Event | Unreadable) -> dict[str, object]:
    """All that a sink can see of an event, the payload's bytes aside."""
    if isinstance(event, Unreadable):
        return {"unreadable": event.reason}
    line: dict[str, object] = json.loads(encode(event))
    return line | {"payload": repr(event.payload), "time": event.time}


def both_ways(channel: str, data: bytes) -> tuple[Event | Unreadable, Event | Unreadable]:
    normalizer = Normalizer()
    plain = normalizer.read(channel.encode(), data, NOW, "s", 1)
    events, unreadable = normalizer.read_all([(channel.encode(), data, 1)] * 2, NOW, "s")
    read = events or unreadable
    assert len(read) == 2
    assert facts(read[0]) == facts(read[1]), "the second time, the channel's shape is known"
    return plain, read[0]


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


def test_a_flood_of_invented_names_does_not_become_a_flood_of_memory() -> None:
    normalizer = Normalizer()
    for number in range(6000):
        data = b'{"event":"e%d","timestamp":"2025-01-27T21:15:00Z","source":"s%d","payload":{}}' % (number, number)
        events, _ = normalizer.read_all([(b"tickstock:c%d:x" % number, data, number)], NOW, "s")
        assert events[0].event == f"e{number}"
    assert len(normalizer._channels) <= 4096
