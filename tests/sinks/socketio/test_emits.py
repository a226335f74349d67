"""What an event becomes for a page: the contract's emits with the contract's values, small and valid whatever comes."""

import json
from datetime import timedelta
from typing import Any

import fakeredis
import pytest

from relay.events import Phase
from relay.runs.run import PhaseRun
from relay.runs.signals import Verb, signal_of
from sinks.base import Reason
from sinks.socketio.emits import RESERVED, TABLE, emit_of, message
from sinks.testing import NOON, make_event
from tests.support.shapes import every_shape, run_messages
from tests.support.socketio_sink import Queue, normalized, progress, started
from tickstock_simulator.flow import Run


async def test_the_message_is_that_of_a_socketio_manager(server: fakeredis.FakeServer, queue: Queue) -> None:
    async with started(server, room="ops") as sink:
        assert (await sink.deliver([progress()], "d1")).reason is Reason.OK
    (sent,) = queue.raw()
    data = sent.pop("data")
    assert sent == {
        "method": "emit",
        "event": "import_progress",
        "binary": False,
        "namespace": "/admin",
        "room": "ops",
        "skip_sid": None,
        "callback": None,
        "host_id": "tickstock-relay",
    }
    assert {"percent": 49.5, "current": "GOOGL", "eta": 300.0}.items() <= data.items()


class _Emitted(list[tuple[str, dict[str, Any]]]):
    """A Flask-SocketIO for the contract's own subscriber: it keeps what is emitted."""

    def emit(self, name: str, data: dict[str, Any], *, namespace: str) -> None:
        assert namespace == "/admin"
        self.append((name, data))


def contract_emits(events: list[tuple[str, dict[str, Any]]]) -> _Emitted:
    """The contract's "Complete Redis Subscriber", its two handlers that emit."""
    emitted = _Emitted()
    for channel, event in events:
        name, payload = event.get("event"), event.get("payload", {})
        if "processing:status" in channel:
            data = {"type": name} | {key: payload.get(key) for key in ("run_id", "status", "phases")}
            emitted.emit("processing_status", data, namespace="/admin")
        elif "import:" in channel and name == "import_progress":
            keys = {"percent": "percent_complete", "current": "current_symbol", "eta": "eta_seconds"}
            emitted.emit(name, {to: payload.get(key) for to, key in keys.items()}, namespace="/admin")
        elif "import:" in channel and name == "import_completed":
            data = {"symbols": payload.get("successful_symbols"), "duration": payload.get("duration_seconds")}
            emitted.emit("import_complete", data, namespace="/admin")
    return emitted


async def test_a_run_gives_the_contracts_emits_with_the_contracts_values(
    server: fakeredis.FakeServer, queue: Queue
) -> None:
    messages = list(run_messages(Run(run_id="r1", symbols=40, items=0.01)))
    expected = contract_emits([(each.channel, json.loads(each.body)) for each in messages])
    async with started(server) as sink:
        sink._pace = _at_once  # type: ignore[method-assign]
        for number, each in enumerate(messages):
            await sink.deliver([normalized(each.channel, each.body)], str(number))
    names = {row.name for row in TABLE.values() if row.is_contract}
    ours = [(name, data) for name, data in queue.emits() if name in names]
    assert len(expected) > 20
    assert [name for name, _ in ours] == [name for name, _ in expected]
    for (_, given), (name, wanted) in zip(ours, expected, strict=True):
        assert {key: given[key] for key in wanted} == wanted, name


async def _at_once() -> None:
    """In place of waiting for the next moment in which progress may be sent."""


async def test_every_row_of_the_table_has_its_keys(server: fakeredis.FakeServer, queue: Queue) -> None:
    events = [normalized(channel, body) for channel, body, _ in every_shape()]
    events += [normalized(f"tickstock:{p}:{v}", {"event": f"{p}_{v}"}) for p in Phase for v in ("started", "completed")]
    events += [progress(channel=f"tickstock:{phase}:progress") for phase in Phase]
    events += [make_event({"alert": "a", "state": "firing"}, channel="relay:alert:a", event="a")]
    async with started(server, results=True) as sink:
        for number, event in enumerate(events):
            sink._pace = _at_once  # type: ignore[method-assign]
            assert (await sink.deliver([event], str(number))).delivered
    seen: dict[str, set[str]] = {}
    for name, data in queue.emits():
        assert set(TABLE[name].keys) <= data.keys(), name
        seen.setdefault(name, set()).update(data)
    assert seen.keys() == TABLE.keys()


@pytest.mark.parametrize("published", [49.5, "49.5", "49.5%", 0.495])
async def test_a_percentage_is_the_same_in_every_dialect(
    server: fakeredis.FakeServer, queue: Queue, published: object
) -> None:
    async with started(server) as sink:
        await sink.deliver([progress(published)], "d1")
    assert queue.emits()[0][1]["percent"] == 49.5


def test_the_numbers_are_those_that_the_relay_itself_works_with() -> None:
    compared = 0
    for channel, body, what in every_shape():
        event = normalized(channel, body)
        signal, emit = signal_of(event.kind), emit_of(event.kind, results=False)
        if signal is None or signal.phase is None or signal.verb is not Verb.PROGRESS:
            continue
        its = PhaseRun(first_seen=NOON, last_seen=NOON, moved_at=NOON)
        its.advance(event.payload, NOON)
        assert emit is not None, what
        data = emit.data(event)
        assert (data["percent"], data["done"], data["total"]) == (
            its.percent,
            its.symbols_processed,
            its.symbols_total,
        ), what
        compared += 1
    assert compared > 8


@pytest.mark.parametrize(
    ("channel", "body", "name", "facts"),
    [
        (
            "tickstock:processing:status",
            {"event": "daily_processing_completed", "payload": {"run_id": "r", "status": "success"}},
            "processing_status",
            {"type": "processing_completed", "run_id": "r", "status": "completed", "phases": None},
        ),
        (
            "tickstock:processing:status",
            {"event": "daily_processing_progress", "payload": {"phase": "cache_sync", "percent_complete": "7"}},
            "cache_progress",
            {"percent": 7.0},
        ),
        (
            "tickstock:import:completed",
            {"event": "data_import_completed", "payload": {"total_symbols": 10, "failed_symbols": ["A", "B"]}},
            "import_complete",
            {"symbols": 8, "failed": 2, "status": "completed"},
        ),
        (
            "tickstock:monitoring",
            {
                "event": "job_progress_update",
                "timestamp": NOON.isoformat(),
                "phase": "pattern_detection",
                "percentage": 12.5,
                "completed": 63,
                "remaining": 442,
                "estimated_completion": (NOON + timedelta(seconds=90)).isoformat(),
            },
            "patterns_progress",
            {"percent": 12.5, "eta": 90.0, "done": 63, "total": 505},
        ),
        (
            "tickstock:errors",
            {"error_id": "e", "severity": "warn", "category": "network", "message": "m", "context": {"symbol": "A"}},
            "processing_error",
            {"severity": "warning", "error_code": "network", "symbol": "A", "message": "m"},
        ),
        ("tickstock:indicators:failed", {"event": "indicators_failed"}, "indicators_complete", {"status": "failed"}),
    ],
)
async def test_dialects_become_the_same_emits(
    server: fakeredis.FakeServer, queue: Queue, channel: str, body: object, name: str, facts: dict[str, Any]
) -> None:
    async with started(server) as sink:
        await sink.deliver([normalized(channel, body)], "d1")
    found, data = queue.emits()[0]
    assert found == name
    assert facts.items() <= data.items()


@pytest.mark.parametrize("odd", [b"NaN", b"Infinity", b"1e999", b'"NaN"'])
async def test_what_is_no_number_is_null(server: fakeredis.FakeServer, queue: Queue, odd: bytes) -> None:
    body = b'{"event": "import_progress", "payload": {"percent_complete": %b, "eta_seconds": %b}}' % (odd, odd)
    async with started(server) as sink:
        await sink.deliver([normalized("tickstock:import:progress", body)], "d1")
    data = queue.emits()[0][1]
    assert (data["percent"], data["eta"]) == (None, None)


async def test_an_emit_is_small_whatever_the_event_holds(server: fakeredis.FakeServer, queue: Queue) -> None:
    huge = {"message": "x" * 2_000_000, "component": "\x00" * 1_000_000, "symbol": "A", "phases": ["p" * 900] * 900}
    events = [make_event(huge)]
    events += [normalized("tickstock:processing:status", {"event": "processing_started", "payload": huge})]
    async with started(server) as sink:
        assert (await sink.deliver(events, "d1")).delivered
    assert all(len(json.dumps(each)) < 50_000 for each in queue.raw())


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        message(name, {}, namespace="/admin", room=None)


def test_no_emit_has_a_reserved_name() -> None:
    assert not RESERVED & TABLE.keys()
