"""An incident by an incoming webhook, which cannot edit: single messages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sinks.slack import SlackOptions, SlackSink
from sinks.testing import MemoryState, make_context
from tests.support import incidents
from tests.support.slack_incidents import CHANNEL, TIMES, calls, show
from tickstock_simulator.slack import SlackStandIn


@asynccontextmanager
async def by_webhook(url: str, state: MemoryState | None = None) -> AsyncIterator[SlackSink]:
    options = SlackOptions.model_validate({"webhook_url": url, "mentions": CHANNEL, "timeout": "30s"})
    sink = SlackSink(options, make_context("ops", state=state))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


async def test_a_webhook_tells_when_it_begins_gets_worse_and_ends(slack: SlackStandIn) -> None:
    async with by_webhook(slack.webhook_url) as sink:
        await show(sink, *incidents.life(), incidents.is_over())
    first, worse, over = slack.messages
    assert [each.payload.keys() & {"channel", "ts", "thread_ts"} for each in slack.messages] == [set()] * 3
    assert first.text.startswith("Run of Mon 27 Jan is stalled")
    assert worse.text.startswith("<!channel> Run of Mon 27 Jan failed")
    assert len(worse.payload["blocks"]) == 5
    assert over.payload["blocks"][0]["text"]["text"].startswith(":large_green_circle: *Cleared: <")
    assert sum(map(calls, slack.messages)) == 1


async def test_a_webhook_tells_the_count_of_errors_outside_runs_once(slack: SlackStandIn) -> None:
    async with by_webhook(slack.webhook_url) as sink:
        await show(sink, incidents.lone_error(), incidents.lone_error(50, number=50))
        await show(sink, incidents.lone_error(50, number=51, is_over=True))
        other = {"incident": "error:other"}
        await show(sink, incidents.lone_error() | other, incidents.lone_error(1, number=2, is_over=True) | other)
    texts = [each.text[:20] for each in slack.messages]
    assert texts == ["BAD_RESPONSE in data", f"50 {TIMES} BAD_RESPONSE in", "BAD_RESPONSE in data"]
