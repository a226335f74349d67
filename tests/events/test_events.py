"""The written form of an event, and back."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import relay.events.kind
from relay.events import (
    MARK_KEYS,
    Announcement,
    Event,
    Kind,
    KindFacts,
    Mark,
    PerKind,
    Phase,
    Record,
    Severity,
    decode,
    encode,
    encode_lines,
    kind_of,
    payload_reader,
    split_channel,
    utc_text,
)

NOW = datetime(2025, 1, 27, 21, 15, tzinfo=UTC)

times = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is beside
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
payloads = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts, max_size=4)
events = st.builds(
    lambda kind, offset, received, timestamp, payload, run_id, marks: Event(
        kind, "s19a", offset, received, timestamp, msgspec.json.encode(payload), b"as it came", run_id, marks
    ),
    kind=st.builds(
        KindFacts,
        channel=texts,
        event=texts,
        phase=st.none() | st.sampled_from(Phase),
        severity=st.sampled_from(Severity),
        source=st.none() | texts,
        version=st.none() | texts,
        wire_event=st.none() | texts,
    ).map(Kind),
    offset=st.integers(0, 2**63),
    received=times,
    timestamp=times,
    payload=payloads,
    run_id=st.none() | texts,
    marks=st.sets(st.sampled_from(list(MARK_KEYS))).map(lambda found: sum(found, Mark.NONE)),
)


def record_of(event: Event) -> Record:
    """The written form as its type says it."""
    return Record(
        id=event.id,
        received=utc_text(event.received),
        timestamp=utc_text(event.timestamp),
        channel=event.channel,
        domain=event.domain,
        action=event.action,
        event=event.event,
        phase=event.phase,
        severity=event.severity.label,
        source=event.source,
        version=event.version,
        wire_event=event.wire_event,
        run_id=event.run_id,
        payload=msgspec.Raw(event.raw),
        **{key: bool(event.marks & mark) for mark, key in MARK_KEYS.items()},
    )


@given(events)
def test_what_is_written_can_be_read_back(event: Event) -> None:
    again = decode(encode(event))
    assert encode(again) == encode(event)
    assert (again.id, again.received, again.timestamp, again.marks) == (
        event.id,
        event.received,
        event.timestamp,
        event.marks,
    )
    assert again.payload == event.payload
    assert (again.channel, again.event, again.phase, again.severity) == (
        event.channel,
        event.event,
        event.phase,
        event.severity,
    )
    assert (again.source, again.version, again.wire_event, again.run_id) == (
        event.source,
        event.version,
        event.wire_event,
        event.run_id,
    )


@given(events)
def test_the_bytes_put_together_by_hand_are_the_record(event: Event) -> None:
    written, recorded = json.loads(encode(event)), json.loads(msgspec.json.encode(record_of(event)))
    always = {"domain": event.domain, "action": event.action, "phase": event.phase, "source": event.source}
    always |= {"version": event.version, "run_id": event.run_id, "payload": json.loads(event.raw)}
    assert written == always | recorded
    assert msgspec.json.decode(encode(event), type=Record) == msgspec.json.decode(
        msgspec.json.encode(record_of(event)), type=Record
    )


@given(st.lists(events, max_size=5))
def test_a_batch_is_its_events_one_line_each(batch: list[Event]) -> None:
    assert encode_lines(batch) == b"".join(encode(event) + b"\n" for event in batch)
    assert encode_lines(batch).count(b"\n") == len(batch)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b'{"id":"s-x","received":"2025-01-27T21:15:00Z","timestamp":"2025-01-27T21:15:00Z","channel":"c","event":"e","severity":"info"}',
        b'{"id":"s-1","received":"soon","timestamp":"2025-01-27T21:15:00Z","channel":"c","event":"e","severity":"info"}',
        b'{"id":"s-1","received":"2025-01-27T21:15:00Z","timestamp":"2025-01-27T21:15:00Z","channel":"c","event":"e","severity":"info","phase":"lunch"}',
        b'{"id":"s-1","received":"2025-01-27T21:15:00Z","timestamp":"2025-01-27T21:15:00Z","channel":"c","event":"e","severity":"so-so"}',
        encode(Announcement(channel="relay:x", event="x").as_event("r", 1, NOW))[:-5],
    ],
)
def test_a_line_that_is_no_event_is_refused_by_the_named_errors(line: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        decode(line)


@pytest.mark.parametrize(
    ("channel", "domain", "action"),
    [
        ("tickstock:processing:status", "processing", "status"),
        ("tickstock:errors", "errors", ""),
        ("tickstock:data:import:status", "data", "import:status"),
        ("tickstock.patterns.detected", "patterns", "detected"),
        ("relay:gap", "gap", ""),
        ("plain", "plain", ""),
        ("", "", ""),
        (":", ":", ""),
    ],
)
def test_a_channel_is_split_into_domain_and_action(channel: str, domain: str, action: str) -> None:
    assert split_channel(channel) == (domain, action)


def test_a_kind_is_made_once_and_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.events.kind._kinds", {})
    assert kind_of(KindFacts("tickstock:a:b", "e")) is kind_of(KindFacts("tickstock:a:b", "e"))
    assert kind_of(KindFacts("tickstock:a:b", "e", severity=Severity.ERROR)) is not kind_of(
        KindFacts("tickstock:a:b", "e")
    )
    for number in range(5000):
        assert kind_of(KindFacts("tickstock:a:b", f"invented-{number}")).event == f"invented-{number}"
    assert len(relay.events.kind._kinds) < 5000, "when there are too many, all begin anew"
    assert kind_of(KindFacts("tickstock:a:b", "e")) is kind_of(KindFacts("tickstock:a:b", "e")), (
        "those of today are remembered again"
    )


@pytest.mark.parametrize("place", range(5))
def test_a_kind_with_a_text_too_long_for_a_label_is_remembered_nowhere(place: int) -> None:
    def kind(length: int) -> Kind:
        texts = ["tickstock:a:b", "e", "source", "1.0", "E"]
        texts[place] = "x" * length
        channel, event, source, version, wire_event = texts
        return kind_of(KindFacts(channel, event, None, None, source, version, wire_event))

    answers: PerKind[int] = PerKind(lambda kind: len(kind.event))
    assert kind(120) is kind(120)
    assert kind(121) is not kind(121)
    assert answers[kind(121)] == len(kind(121).event)
    assert not answers


def test_kinds_are_remembered_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.events.kind._kinds", {})
    monkeypatch.setattr("relay.events.kind.KNOWN_KINDS_BYTES", 100_000)
    for number in range(1000):
        kind_of(KindFacts(f"tickstock:a:{number:0100}", "e"))
        assert sum(kind.size for kind in relay.events.kind._kinds.values()) < 102_000


def test_what_the_relay_says_is_an_event_like_any_other() -> None:
    announcement = Announcement(
        channel="relay:gap", event="gap", severity=Severity.WARNING, payload={"seconds": 1}, run_id="r"
    )
    event = announcement.as_event("r1", 3, NOW)
    assert (event.id, event.channel, event.domain, event.severity) == ("r1-3", "relay:gap", "gap", Severity.WARNING)
    assert decode(encode(event)).payload == {"seconds": 1}


def test_times_are_written_in_utc() -> None:
    eastern = timezone(timedelta(hours=-5))
    assert utc_text(datetime(2025, 1, 27, 16, 10, tzinfo=eastern)) == "2025-01-27T21:10:00Z"
    assert utc_text(NOW.replace(microsecond=5)) == "2025-01-27T21:15:00.000005Z"


EDGES = (datetime.min.replace(tzinfo=UTC), NOW, datetime.max.replace(tzinfo=UTC))
"""What an archive line or a publisher may claim: no time can be added to the last, or taken from the first."""


@pytest.mark.parametrize("received", EDGES)
@pytest.mark.parametrize("claimed", EDGES)
@pytest.mark.parametrize("marks", [Mark.NONE, Mark.REPLAYED])
def test_every_time_can_be_measured_with_and_written(received: datetime, claimed: datetime, marks: Mark) -> None:
    event = Event(kind_of(KindFacts("tickstock:x:y", "z")), "s1", 1, received, claimed, b"{}", b"{}", marks=marks)
    assert event.time == (claimed if marks else received)
    again = decode(encode(event))
    assert (again.received, again.timestamp) == (received, claimed)


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2025-01-27T21:15:00", "2025-01-27"]
)
@pytest.mark.parametrize("field", ["received", "timestamp"])
def test_a_line_whose_time_cannot_be_had_in_utc_is_refused(time: str, field: str) -> None:
    line = json.loads(encode(Announcement(channel="relay:x", event="x").as_event("r", 1, NOW)))
    with pytest.raises(ValueError, match="UTC"):
        decode(json.dumps(line | {field: time}).encode())


def of_payload(raw: bytes) -> Event:
    return Event(kind_of(KindFacts("tickstock:x:y", "z")), "s1", 1, NOW, NOW, raw, raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),  # lone surrogates, NaN and all
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELD_NAMES = st.sampled_from(["symbol", "confidence", "values", "class", "ü", "a b", '"'])


@example({"": 1}, frozenset(["ü", "symbol"]))
@given(payload=st.dictionaries(FIELD_NAMES | st.text(max_size=3), JSON), names=st.frozensets(FIELD_NAMES))
def test_fields_read_alone_are_what_the_whole_payload_has(payload: dict[str, Any], names: frozenset[str]) -> None:
    raw = json.dumps(payload, ensure_ascii=True).encode()
    event, whole = of_payload(raw), of_payload(raw).payload
    read = payload_reader(names)(event)
    assert {name: repr(read.get(name)) for name in names} == {name: repr(whole.get(name)) for name in names}


@pytest.mark.parametrize("raw", [b'{"n":1,"n":2}', b'{"n":%b}' % (b"9" * 5000), b'{"n":1e999}', b'{"n":"\\ud800"}'])
def test_odd_fields_read_alone_are_what_the_whole_payload_has(raw: bytes) -> None:
    assert payload_reader(frozenset("n"))(of_payload(raw))["n"] == of_payload(raw).payload["n"]
