"""The sink `socketio` keeps the kit's contract, with Redis' words for its statuses, and works with a real Valkey."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import hiredis
import pytest
import pytest_asyncio
import redis

from sinks.base import QueuedSink, Reason, SinkError
from sinks.socketio import SocketIoSink
from sinks.socketio.options import SocketIoOptions
from sinks.testing import Fault, FaultyServer, Reply, Request, SinkContract, make_context, make_event
from sinks.testing.contract import _deliver
from tests.support import Valkey

PASSWORD = "hidden-password"  # noqa: S105 - opens nothing
OK, SERVER_ERROR = 200, 500
ERRORS = {
    "-NOAUTH Authentication required.": Reason.UNAUTHORIZED,
    "-WRONGPASS invalid username-password pair or user is disabled.": Reason.UNAUTHORIZED,
    "-NOPERM this user has no permissions to access one of the channels": Reason.UNAUTHORIZED,
    "-OOM command not allowed when used memory > 'maxmemory'.": Reason.SERVER_ERROR,
    "-READONLY You can't write against a read only replica.": Reason.SERVER_ERROR,
    "-LOADING Redis is loading the dataset in memory": Reason.SERVER_ERROR,
    "-BUSY Redis is busy running a script.": Reason.SERVER_ERROR,
    "-MASTERDOWN Link with MASTER is down": Reason.SERVER_ERROR,
    "-MISCONF Redis is configured to save RDB snapshots": Reason.SERVER_ERROR,
    "-ERR max number of clients reached": Reason.SERVER_ERROR,
    "-ERR unknown command 'PUBLISH'": Reason.REJECTED,
}
"""What each refusal must come to."""


class FaultyRedis:
    """`FaultyServer` in RESP: it answers PUBLISH as told. The body of a `Reply` is the error line."""

    def __init__(self) -> None:
        self.always = Reply()
        self.replies: deque[Reply] = deque()
        self.requests: list[Request] = []
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=64 << 20)
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """From now on it refuses connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        parser = hiredis.Reader()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(1 << 16):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    await self._answer(cast("list[bytes]", command), writer)
        writer.close()

    async def _answer(self, command: list[bytes], writer: asyncio.StreamWriter) -> None:
        if command[0].upper() != b"PUBLISH":
            writer.write(b"+OK\r\n")
            return
        self.requests.append(Request("PUBLISH", command[1].decode(), {}, command[2]))
        reply = self.replies.popleft() if self.replies else self.always
        if reply.fault is Fault.HANG:
            await asyncio.Event().wait()
        if reply.fault is Fault.DROP:
            raise ConnectionResetError
        if reply.fault is Fault.GARBAGE:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        elif reply.fault in {Fault.ENDLESS, Fault.DRIP}:
            await _without_end(writer, slowly=reply.fault is Fault.DRIP)
        elif reply.fault is Fault.ECHO:
            writer.write(b"-ERR %b %b\r\n" % (PASSWORD.encode(), command[2].replace(b"\r\n", b"")))
        else:
            writer.write(b":1\r\n" if reply.status == OK else reply.body + b"\r\n")
        await writer.drain()


async def _without_end(writer: asyncio.StreamWriter, *, slowly: bool) -> None:
    writer.write(b"$1000000000\r\n")
    while True:
        writer.write(b"x" * (1 if slowly else 65536))
        await writer.drain()
        await asyncio.sleep(0.05 if slowly else 0)


class TestSocketIo(SinkContract):
    sink_type = SocketIoSink
    secrets = (PASSWORD,)

    def options(self, url: str) -> dict[str, Any]:
        return {"url": url, "timeout": "300ms", "every": "50ms"}

    @pytest_asyncio.fixture
    async def server(self) -> AsyncIterator[FaultyServer]:
        async with FaultyRedis() as server:
            yield cast("FaultyServer", server)

    @pytest.mark.parametrize(("status", "reason"), ERRORS.items())
    async def test_each_status_has_its_reason(  # type: ignore[override]  # Redis has words, not numbers
        self, server: FaultyServer, sink: QueuedSink, status: str, reason: Reason
    ) -> None:
        server.always = Reply(SERVER_ERROR, status.encode())
        outcome = await _deliver(sink, make_event())
        assert outcome.reason is reason, outcome
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", ["-LOADING", "-BUSY"])
    async def test_a_wished_wait_is_handed_on(  # type: ignore[override]
        self, server: FaultyServer, sink: QueuedSink, status: str
    ) -> None:
        """Redis names no time: the lane's own waits it is."""
        server.always = Reply(SERVER_ERROR, status.encode())
        outcome = await _deliver(sink, make_event())
        assert outcome.worth_retrying
        assert outcome.retry_after is None
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("fault", "reason"), [(Fault.DROP, Reason.UNREACHABLE), (Fault.GARBAGE, Reason.BAD_ANSWER)]
    )
    async def test_a_fault_has_its_reason_and_heals(
        self, server: FaultyServer, sink: QueuedSink, fault: Fault, reason: Reason
    ) -> None:
        server.always = Reply(fault=fault)
        outcome = await _deliver(sink, make_event())
        assert outcome.reason is reason, outcome
        server.always = self.accepted
        assert (await _deliver(sink, make_event())).delivered

    async def test_an_endless_answer_ends(self, server: FaultyServer, hasty_sink: QueuedSink) -> None:
        server.always = Reply(fault=Fault.ENDLESS)
        assert (await _deliver(hasty_sink, make_event())).reason is Reason.TIMEOUT

    async def test_a_redirect_is_not_followed(self, server: FaultyServer, sink: QueuedSink) -> None:
        async with FaultyRedis() as elsewhere:
            server.always = Reply(SERVER_ERROR, b"-MOVED 3999 " + elsewhere.url.rpartition("@")[2][:-2].encode())
            assert not (await _deliver(sink, make_event())).delivered
            assert elsewhere.requests == []

    async def test_the_same_delivery_has_the_same_id(self, server: FaultyServer, sink: QueuedSink) -> None:
        """An emit has the event's own id, also when it comes by another delivery."""
        for number in range(2):
            await _deliver(sink, make_event(), f"delivery-{number}")
        assert [request.json["data"]["id"] for request in server.requests] == [make_event().id] * 2


@asynccontextmanager
async def _with_user(valkey: Valkey, user: str) -> AsyncIterator[SocketIoSink]:
    url = valkey.url.replace("://", f"://{user}:{PASSWORD}@")
    sink = SocketIoSink(SocketIoOptions.model_validate({"url": url, "every": "50ms"}), make_context())
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


async def test_the_documented_acl_is_enough_and_less_is_named(valkey: Valkey) -> None:
    rules = ("on", f">{PASSWORD}", "resetchannels", "&flask-socketio", "-@all", "+publish", "+pubsub", "+ping")
    for user, given in {"web": (*rules, "+hello", "+auth", "+client"), "mute": ("on", f">{PASSWORD}", "-@all")}.items():
        valkey.client.execute_command("ACL", "SETUSER", user, *given)  # type: ignore[no-untyped-call]
    async with _with_user(valkey, "web") as sink:
        assert "no web process" in await sink.check()
        assert (await sink.deliver([make_event()], "d1")).delivered
    async with _with_user(valkey, "mute") as sink:
        assert "+pubsub" in await sink.check()
        outcome = await sink.deliver([make_event()], "d1")
        assert outcome.reason is Reason.UNAUTHORIZED
        assert PASSWORD not in outcome.detail
    async with _with_user(valkey, "nobody") as sink:
        with pytest.raises(SinkError, match="wrong user or password"):
            await sink.check()


async def test_a_frozen_and_a_restarted_server(valkey: Valkey) -> None:
    given = {"url": valkey.url, "timeout": "1s", "every": "50ms"}
    sink = SocketIoSink(SocketIoOptions.model_validate(given), make_context())
    await sink.start()
    try:
        assert (await sink.deliver([make_event()], "d1")).delivered
        valkey.freeze()
        assert (await sink.deliver([make_event()], "d2")).reason is Reason.TIMEOUT
        valkey.thaw()
        valkey.kill()
        assert (await sink.deliver([make_event()], "d3")).reason is Reason.UNREACHABLE
        valkey.start()
        with contextlib.suppress(redis.ConnectionError):
            valkey.client.ping()
        assert (await sink.deliver([make_event()], "d4")).delivered
    finally:
        await sink.close()
