"""The Slack sink with the stand-in's bot, and incidents shown there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sinks.slack import SlackOptions, SlackSink
from sinks.testing import MemoryState, make_context
from tests.support import incidents
from tickstock_simulator.slack_messages import SlackMessage

Json = dict[str, Any]
TIMES = incidents.TIMES
CHANNEL = {"critical": "<!channel>"}


@asynccontextmanager
async def started(url: str, state: MemoryState | None = None, **more: Any) -> AsyncIterator[SlackSink]:
    """The sink as a bot; what is critical calls the channel."""
    given = {"token": "xoxb-stand-in", "channel": "#ops", "base_url": url, "mentions": CHANNEL, "timeout": "30s"}
    sink = SlackSink(SlackOptions.model_validate(given | more), make_context("ops", state=state))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


async def show(sink: SlackSink, *states: Json) -> None:
    """Deliver these states of an incident, each of which is taken."""
    for state in states:
        outcome = await sink.deliver([incidents.as_event(state)], "kit")
        assert outcome.delivered, outcome


def calls(message: SlackMessage) -> int:
    """How often a message, as it was posted, calls somebody: in a block, which is what rings."""
    first = message.edits[0] if message.edits else message.payload
    return str(first["blocks"]).count("<!channel>")
