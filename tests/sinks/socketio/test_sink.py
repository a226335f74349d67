"""The sink `socketio` on fakeredis: which events it sends and when, and what Redis' refusals come to."""

import asyncio
from datetime import timedelta
from typing import Any

import fakeredis
import pytest
import redis
from pydantic import ValidationError

from relay.events import Mark
from sinks.base import Reason, SinkError
from sinks.socketio import SocketIoSink
from sinks.socketio.options import SocketIoOptions
from sinks.socketio.sink import STALE
from sinks.testing import NOON, make_context, make_event
from tests.support.socketio_sink import Queue, normalized, progress, started


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
