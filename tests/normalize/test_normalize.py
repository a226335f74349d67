"""Every known shape becomes the event it should, and unknown ones still become one."""

import json
from datetime import UTC, timedelta
from typing import Any

import pytest

from relay.events import Mark, Phase, Severity
from relay.normalize.normalize import Normalizer
from relay.runs.signals import Verb, signal_of
from tests.support.normalized import NOW, SHAPES, STAMPED, event_of


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


def test_a_flood_of_invented_names_does_not_become_a_flood_of_memory() -> None:
    normalizer = Normalizer()
    for number in range(6000):
        data = b'{"event":"e%d","timestamp":"2025-01-27T21:15:00Z","source":"s%d","payload":{}}' % (number, number)
        events, _ = normalizer.read_all([(b"tickstock:c%d:x" % number, data, number)], NOW, "s")
        assert events[0].event == f"e{number}"
    assert len(normalizer._channels) <= 4096
