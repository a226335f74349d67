"""The sink `socketio` on fakeredis: what it publishes, when, and what Redis' refusals come to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import fakeredis
import msgspec
import pytest
import redis
from pydantic import ValidationError

from relay.events import Event, Mark, Phase
from relay.normalize.normalize import Normalizer
from relay.runs.run import PhaseRun
from relay.runs.signals import Verb, signal_of
from sinks.base import Reason, SinkError
from sinks.socketio import SocketIoSink
from sinks.socketio.emits import RESERVED, TABLE, emit_of, message
from sinks.socketio.options import SocketIoOptions
from sinks.socketio.run_state import SILENT
from sinks.socketio.sink import STALE
from sinks.testing import NOON, make_context, make_event
from tests.support.shapes import every_shape, run_messages
from tickstock_simulator.flow import Run

CHANNEL = "flask-socketio"


class Queue:
    """The web app's message queue: what came there, decoded."""

    def __init__(self, server: fakeredis.FakeServer) -> None:
        self._subscription = fakeredis.FakeRedis(server=server).pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._subscription.subscribe(CHANNEL)
        self._subscription.get_message()

    def raw(self) -> list[dict[str, Any]]:
        """What has come since it was last asked, whole."""
        found = iter(self._subscription.get_message, None)
        return [json.loads(each["data"], parse_constant=_no_constant) for each in found]

    def emits(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and data."""
        return [(each["event"], each["data"]) for each in self.raw()]

    def close(self) -> None:
        self._subscription.close()


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON: it would disconnect every browser")


@asynccontextmanager
async def started(
    server: fakeredis.FakeServer, now: Callable[[], datetime] = lambda: NOON, **options: Any
) -> AsyncIterator[SocketIoSink]:
    """The sink on this fake server; its `every` is short but where a test says otherwise."""
    context = make_context(redis=lambda _, __: fakeredis.FakeAsyncRedis(server=server))
    object.__setattr__(context, "now", now)
    sink = SocketIoSink(SocketIoOptions.model_validate({"every": "50ms"} | options), context)
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
async def queue(server: fakeredis.FakeServer) -> AsyncIterator[Queue]:
    queue = Queue(server)
    yield queue
    queue.close()


def normalized(channel: str, body: object, *, at: datetime = NOON) -> Event:
    """As the relay makes it of a message."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    event = Normalizer().read(channel.encode(), data, at, "s", 1)
    assert isinstance(event, Event)
    return event


def progress(percent: object = 49.5, *, channel: str = "tickstock:import:progress", **more: Any) -> Event:
    payload = {"run_id": "r1", "percent_complete": percent, "current_symbol": "GOOGL", "eta_seconds": 300} | more
    return normalized(channel, {"event": "import_progress", "payload": payload})


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


async def test_single_results_are_sent_only_when_asked_for(server: fakeredis.FakeServer, queue: Queue) -> None:
    event = normalized("tickstock:patterns:detected", {"event": "pattern_detected", "payload": {"symbol": "AAPL"}})
    async with started(server) as sink:
        assert sink.select([event]) == []
        assert (await sink.deliver([event], "d1")).delivered
        assert queue.emits() == []
    async with started(server, results=True) as sink:
        await sink.deliver([event], "d1")
    assert [name for name, _ in queue.emits()] == ["pattern_detected"]


async def test_of_several_progress_events_the_newest_of_each_phase_and_run_wins(
    server: fakeredis.FakeServer, queue: Queue
) -> None:
    other = progress(channel="tickstock:patterns:progress")
    async with started(server) as sink:
        events = [progress(1), other, progress(run_id="r2"), progress(2), make_event(), progress(3)]
        await sink.deliver(events, "d1")
    sent = [(name, data.get("run_id"), data.get("percent")) for name, data in queue.emits()]
    assert [each for each in sent if each[0] != "processing_error"] == [
        ("patterns_progress", "r1", 49.5),
        ("import_progress", "r2", 49.5),
        ("import_progress", "r1", 3.0),
    ]


async def test_progress_is_sent_at_most_once_in_every(server: fakeredis.FakeServer, queue: Queue) -> None:
    async with started(server, every="10s") as sink:
        await sink.deliver([progress(1)], "d1")
        waiting = asyncio.create_task(sink.deliver([progress(2)], "d2"))
        await sink.deliver([make_event()], "d3")  # an error does not wait
        assert [name for name, _ in queue.emits()] == ["import_progress", "processing_error"]
        waiting.cancel()


async def test_old_progress_is_not_shown_but_old_errors_are(server: fakeredis.FakeServer, queue: Queue) -> None:
    async with started(server, now=lambda: NOON + STALE + timedelta(seconds=1)) as sink:
        assert (await sink.deliver([progress(), make_event()], "d1")).delivered
    assert [name for name, _ in queue.emits()] == ["processing_error"]


async def test_replayed_events_are_not_sent(server: fakeredis.FakeServer, queue: Queue) -> None:
    async with started(server) as sink:
        assert sink.select([make_event(marks=Mark.REPLAYED)]) == []
        await sink.deliver([make_event(marks=Mark.REPLAYED)], "d1")
    assert queue.emits() == []


async def test_a_late_page_gets_the_state_of_the_run_until_it_ends(server: fakeredis.FakeServer, queue: Queue) -> None:
    messages = list(run_messages(Run(run_id="r1", symbols=40, items=0)))
    half = next(i for i, each in enumerate(messages) if each.channel == "tickstock:indicators:progress") + 5
    alert = make_event({"alert": "slow:r1", "state": "firing"}, channel="relay:alert:slow", event="slow")
    async with started(server) as sink:
        events = [normalized(each.channel, each.body) for each in messages]
        await sink.deliver([*events[:half], alert, make_event(run_id="r1")], "d1")
        queue.emits()
        await sink.repeat_states()
        ((name, state),) = queue.emits()
        assert name == "run_state"
        assert {phase: its["status"] for phase, its in state["phases"].items()} == {
            "import": "completed",
            "cache": "completed",
            "indicators": "running",
        }
        assert state["phases"]["import"]["percent"] == 100.0
        assert 0 < state["phases"]["indicators"]["percent"] < 100
        assert (state["run_id"], state["status"], state["errors"]) == ("r1", "running", 1)
        assert [each["alert"] for each in state["alerts"]] == ["slow:r1"]
        await sink.deliver(events[half:], "d2")
        last = queue.emits()[-1]
        assert (last[0], last[1]["status"]) == ("run_state", "completed")
        await sink.repeat_states()
    assert queue.emits() == []


async def test_a_run_whose_end_was_missed_is_not_repeated_for_ever(server: fakeredis.FakeServer, queue: Queue) -> None:
    clock = [NOON]
    async with started(server, now=lambda: clock[0]) as sink:
        await sink.deliver([progress()], "d1")
        queue.emits()
        clock[0] += SILENT
        await sink.repeat_states()
    assert queue.emits() == []


async def test_what_the_relay_found_out_changes_the_state(server: fakeredis.FakeServer, queue: Queue) -> None:
    found = {"state": "failed", "phases": {"cache": {"state": "failed", "percent": 12.0}, "other": 1}}
    phase = make_event(found, channel="relay:run:phase_failed", event="phase_failed", run_id="r1")
    ended = make_event(found, channel="relay:run:failed", event="run_failed", run_id="r1")
    async with started(server) as sink:
        await sink.deliver([progress(), phase, ended], "d1")
    emits = queue.emits()
    assert [name for name, _ in emits] == ["import_progress", "run_state"]
    assert emits[1][1]["status"] == "failed"
    assert emits[1][1]["phases"]["cache"] == {"status": "failed", "percent": 12.0}


async def test_a_repeated_delivery_counts_an_error_once(server: fakeredis.FakeServer, queue: Queue) -> None:
    async with started(server) as sink:
        await sink.deliver([progress()], "d0")
        for _ in range(2):
            await sink.deliver([make_event(run_id="r1")], "d1")
        queue.emits()
        await sink.repeat_states()
    assert queue.emits()[0][1]["errors"] == 1


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


async def test_check_tells_how_many_listen(server: fakeredis.FakeServer) -> None:
    async with started(server) as sink:
        assert "no web process listens on flask-socketio yet" in await sink.check()
        queue = Queue(server)
        assert await sink.check() == "answers; 1 web process on flask-socketio"
        queue.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (redis.ConnectionError("Connection refused"), Reason.UNREACHABLE),
        (OSError("no route"), Reason.UNREACHABLE),
        (redis.TimeoutError("timed out"), Reason.TIMEOUT),
        (redis.AuthenticationError("invalid username-password pair"), Reason.UNAUTHORIZED),
        (redis.ResponseError("NOAUTH Authentication required."), Reason.UNAUTHORIZED),
        (redis.exceptions.NoPermissionError("User relay has no permissions"), Reason.UNAUTHORIZED),
        (redis.exceptions.OutOfMemoryError("command not allowed"), Reason.SERVER_ERROR),
        (redis.exceptions.ReadOnlyError("You can't write"), Reason.SERVER_ERROR),
        (redis.exceptions.BusyLoadingError("loading"), Reason.SERVER_ERROR),
        (redis.ResponseError("MISCONF Redis is configured"), Reason.SERVER_ERROR),
        (redis.ConnectionError("max number of clients reached"), Reason.SERVER_ERROR),
        (redis.InvalidResponse("Protocol Error"), Reason.BAD_ANSWER),
        (redis.ResponseError("unknown command 'PUBLISH'"), Reason.REJECTED),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["the pipeline", "one command"])
async def test_errors_of_redis_have_their_reasons(
    server: fakeredis.FakeServer,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: Reason,
    whole: bool,
) -> None:
    async with started(server) as sink:
        with monkeypatch.context() as patched:
            pipeline = type(sink._connected.pipeline())
            execute = pipeline.execute

            async def fail(self: Any, raise_on_error: bool = True) -> list[Any]:
                if whole:
                    raise error
                return [*(await execute(self, raise_on_error))[1:], error]

            patched.setattr(pipeline, "execute", fail)
            outcome = await sink.deliver([make_event()], "d1")
            assert outcome.reason is reason, outcome
            await sink.repeat_states()
        assert (await sink.deliver([make_event()], "d1")).delivered
    assert queue.emits()


async def test_without_a_url_the_relays_own_redis_is_needed() -> None:
    sink = SocketIoSink(SocketIoOptions(), make_context())
    with pytest.raises(SinkError, match="give a url"):
        await sink.start()
    await sink.close()


@pytest.mark.parametrize(
    "options", [{"url": "http://x"}, {"namespace": "admin"}, {"channel": ""}, {"every": "0s"}, {"room": ""}]
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SocketIoOptions.model_validate(options)
