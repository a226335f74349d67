"""One call of a sink's `deliver`, redacted and bounded in time; whatever it does, there is an outcome."""

import asyncio
from collections.abc import Sequence

import structlog

from relay.events import Event
from relay.lanes.redacted import RedactedRows
from relay.store.outbox import Row
from sinks.base import Outcome, QueuedSink, Reason

HANG_SECONDS = 60.0
"""A delivery that takes longer is taken for hanging; sinks have shorter timeouts of their own."""

log = structlog.get_logger(__name__)


async def attempt(
    sink: QueuedSink, redacted: RedactedRows, rows: Sequence[Row], events: list[Event], delivery: str
) -> Outcome:
    """Have `sink` deliver the events of `rows`, without secrets if it sends them off the machine."""
    try:
        if sink.remote:
            events = [await redacted.event(row.id, event) for row, event in zip(rows, events, strict=True)]
        async with asyncio.timeout(HANG_SECONDS):
            return await sink.deliver(events, delivery)
    except TimeoutError:
        return Outcome(Reason.TIMEOUT, f"no result within {HANG_SECONDS:.0f} s")
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise  # the lane stops
        return Outcome(Reason.FAILED, "cancelled in the sink")
    except OSError as error:  # TLS errors among them: the network's trouble, not a bug
        return Outcome(Reason.UNREACHABLE, error.strerror or type(error).__name__)
    except Exception as error:  # a sink's bug is this lane's trouble alone
        log.exception("sink raised", sink=sink.context.name)
        return Outcome(Reason.FAILED, f"{type(error).__name__} in the sink")
