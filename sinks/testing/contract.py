"""The contract that every sink keeps which posts over HTTP, as a suite of tests."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from relay.events import Event
from sinks.base import Outcome, QueuedSink, Reason, SinkError
from sinks.testing.fixtures import make_context, make_event
from sinks.testing.server import Fault, FaultyServer, Reply

DEADLINE = 120.0
"""Seconds after which a delivery to a loopback server is taken to hang: long, for the machine may be busy."""
PATIENT = "30s"
"""The sink's timeout where the place does answer: no test fails because the machine was slow."""


STATUS_REASONS = {
    400: Reason.REJECTED,
    401: Reason.UNAUTHORIZED,
    403: Reason.UNAUTHORIZED,
    404: Reason.REJECTED,
    408: Reason.TIMEOUT,
    410: Reason.REJECTED,
    413: Reason.TOO_LARGE,
    422: Reason.REJECTED,
    429: Reason.RATE_LIMITED,
    500: Reason.SERVER_ERROR,
    502: Reason.SERVER_ERROR,
    503: Reason.SERVER_ERROR,
    504: Reason.SERVER_ERROR,
}
"""What each status must come to."""


HOSTILE_TEXTS = (
    "<!channel> <@U012AB3CD> @here <https://evil.example|click>",
    "``` *bold* _it_ ~no~ `` ` ```",
    "\x00\x1b[31mred\x07\r\n\u202eesrever\u2028line\ufeff",
    "<script>alert(1)</script> &amp; &lt;",
    "\U0001f600" * 4000,
    "{{payload}} ${HOME} %s %n '; DROP TABLE events; --",
    "é" * 100 + "&" * 5000,
)


@pytest.mark.asyncio
class SinkContract(ABC):
    """What every sink that posts over HTTP must do. Subclass it as `TestMySink`, and pytest runs it."""

    sink_type: ClassVar[type[QueuedSink]]
    accepted: ClassVar[Reply] = Reply()
    """What the real place answers when it takes an event."""
    secrets: ClassVar[tuple[str, ...]]
    """Texts in `options` that no outcome, log or exception may show."""

    @abstractmethod
    def options(self, url: str) -> dict[str, Any]:
        """The sink's part of config.yaml, for a place at `url`; with a `timeout` of at most a second.

        That is for a place that never answers. In all other tests an option `timeout` is made long.
        """

    @pytest_asyncio.fixture
    async def server(self) -> AsyncIterator[FaultyServer]:
        """The place where events go; it accepts until a test says otherwise."""
        async with FaultyServer(self.accepted) as server:
            yield server

    @pytest_asyncio.fixture
    async def sink(self, server: FaultyServer) -> AsyncIterator[QueuedSink]:
        """The sink, started."""
        options = self.options(server.url)
        async with _started(self.sink_type, options | ({"timeout": PATIENT} if "timeout" in options else {})) as sink:
            yield sink

    @pytest_asyncio.fixture
    async def hasty_sink(self, server: FaultyServer) -> AsyncIterator[QueuedSink]:
        """The sink with its short timeout, for places that never answer."""
        async with _started(self.sink_type, self.options(server.url)) as sink:
            yield sink

    async def test_an_accepted_event_is_delivered_once(self, server: FaultyServer, sink: QueuedSink) -> None:
        """One event, one request, OK."""
        outcome = await _deliver(sink, make_event())
        assert outcome.reason is Reason.OK, outcome
        assert len(server.requests) == 1

    @pytest.mark.parametrize(("status", "reason"), STATUS_REASONS.items())
    async def test_each_status_has_its_reason(
        self, server: FaultyServer, sink: QueuedSink, status: int, reason: Reason
    ) -> None:
        """See `STATUS_REASONS`; what is final is tried once."""
        server.always = Reply(status, b"no")
        outcome = await _deliver(sink, make_event())
        assert outcome.reason is reason, outcome
        assert outcome.worth_retrying or len(server.requests) == 1, "a final answer was asked for again"

    @pytest.mark.parametrize("status", [429, 503])
    async def test_a_wished_wait_is_handed_on(self, server: FaultyServer, sink: QueuedSink, status: int) -> None:
        """`Retry-After` reaches the lane, and the sink does not sit it out itself."""
        server.always = Reply(status, b"", {"Retry-After": "3700"})
        outcome = await _deliver(sink, make_event())
        assert outcome.worth_retrying
        assert outcome.retry_after == 3700.0  # the header above
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (Fault.DROP, Reason.BAD_ANSWER),
            (Fault.GARBAGE, Reason.BAD_ANSWER),
        ],
    )
    async def test_a_fault_has_its_reason_and_heals(
        self, server: FaultyServer, sink: QueuedSink, fault: Fault, reason: Reason
    ) -> None:
        """After the fault the same sink delivers again."""
        server.always = Reply(fault=fault)
        outcome = await _deliver(sink, make_event())
        assert outcome.reason is reason, outcome
        server.always = self.accepted
        assert (await _deliver(sink, make_event())).delivered

    @pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIP])
    async def test_an_answer_that_never_ends_is_bounded_and_heals(
        self, server: FaultyServer, hasty_sink: QueuedSink, fault: Fault
    ) -> None:
        """After it the same sink delivers again, if need be at a later try.

        Where the status has come, the sink may go by it, or miss the rest of the answer.
        """
        server.always = Reply(fault=fault)
        outcome = await _deliver(hasty_sink, make_event())
        with_status = {Reason.OK, Reason.BAD_ANSWER} if fault is Fault.DRIP else set()
        assert outcome.reason in {Reason.TIMEOUT, *with_status}, outcome
        server.always = self.accepted
        async with asyncio.timeout(DEADLINE):
            while not (await _deliver(hasty_sink, make_event())).delivered:
                pass

    async def test_a_refused_connection_is_unreachable(self, server: FaultyServer, sink: QueuedSink) -> None:
        """Nobody listens any more."""
        await server.stop()
        outcome = await _deliver(sink, make_event())
        assert outcome.reason is Reason.UNREACHABLE, outcome

    async def test_an_endless_answer_ends(self, server: FaultyServer, hasty_sink: QueuedSink) -> None:
        """The body is read up to a limit, in memory and time."""
        server.always = Reply(500, b"", fault=Fault.ENDLESS)
        assert (await _deliver(hasty_sink, make_event())).reason in {Reason.SERVER_ERROR, Reason.TIMEOUT}

    async def test_a_redirect_is_not_followed(self, server: FaultyServer, sink: QueuedSink) -> None:
        """What it carries is for the configured place alone."""
        async with FaultyServer(self.accepted) as elsewhere:
            server.always = Reply(307, b"", {"Location": elsewhere.url})
            assert not (await _deliver(sink, make_event())).delivered
            assert elsewhere.requests == []

    async def test_the_same_delivery_has_the_same_id(self, server: FaultyServer, sink: QueuedSink) -> None:
        """The receiver can tell a repetition by it."""
        for _ in range(2):
            await _deliver(sink, make_event(), "delivery-42")
        assert all("delivery-42" in str(dict(request.headers)) + str(request.body) for request in server.requests)

    @pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
    async def test_hostile_text_is_delivered(self, server: FaultyServer, sink: QueuedSink, text: str) -> None:
        """Whatever stands in an event, the request is whole and is JSON."""
        payload = {
            "component": text,
            "error_code": text,
            "message": text,
            "traceback": text,
            text[:50]: {text[:50]: text},
        }
        event = make_event(payload, source=text, run_id=text)
        assert (await _deliver(sink, event)).delivered
        assert server.requests[0].json is not None

    async def test_a_large_event_is_delivered(self, sink: QueuedSink) -> None:
        """A message of a megabyte."""
        assert (await _deliver(sink, make_event({"message": "x" * (1 << 20)}))).delivered

    @pytest.mark.parametrize("status", [200, 400, 403, 429, 500])
    async def test_no_secret_is_shown(
        self, server: FaultyServer, sink: QueuedSink, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Even when the place sends everything back: not in outcomes, logs or exceptions."""
        caplog.set_level(logging.DEBUG)
        server.always = Reply(status, fault=Fault.ECHO)
        with capture_logs() as logs:
            texts = [str(await _deliver(sink, make_event()))]
            texts += [await _checked(sink)]
            await server.stop()
            texts += [str(await _deliver(sink, make_event())), await _checked(sink)]
        texts += [repr(sink.options), str(logs), caplog.text]
        for secret in self.secrets:
            assert all(secret not in text for text in texts), texts


@asynccontextmanager
async def _started(sink_type: type[QueuedSink], options: dict[str, Any]) -> AsyncIterator[QueuedSink]:
    sink = sink_type(sink_type.Options.model_validate(options), make_context())
    await sink.start()
    yield sink
    await sink.close()


async def _deliver(sink: QueuedSink, event: Event, delivery_id: str = "delivery-1") -> Outcome:
    async with asyncio.timeout(DEADLINE):
        return await sink.deliver([event], delivery_id)


async def _checked(sink: QueuedSink) -> str:
    try:
        return await sink.check()
    except SinkError as error:
        return f"{error!r} {error.__cause__!r}"
