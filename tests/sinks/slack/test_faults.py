"""What Slack shows of each fault of the stand-in TickStockPL: docs/alerts.md says it, and this holds that table.

The stand-in's runs go through the real runs, watchdog and incidents on an injected clock, and their states through the
real sink into the Slack stand-in. The day after the fault is good.
"""

import re
from pathlib import Path

import pytest

from sinks.slack import SlackOptions, SlackSink
from sinks.testing import make_context
from tests.support.stand_in import day_of
from tests.support.world import World
from tickstock_simulator.faults import FAULTS
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.slack_messages import CIRCLES, SlackMessage

PAGE = Path(__file__).parents[3] / "docs" / "alerts.md"
WORDS = {"red_circle": "red", "large_yellow_circle": "amber", "large_green_circle": "green"}
ROW = re.compile(
    r"\| `(?P<fault>[^`]+)` \| (?P<posts>\d+) \| (?P<mentions>\d+) \| (?P<edits>\d+) \| (?P<replies>\d+)"
    r" \| (?P<last>[^|]+) \|"
)


def expected() -> dict[str, tuple[int, int, int, int, str]]:
    """The table of the page."""
    part = PAGE.read_text().partition("## In Slack")[2]
    return {
        row["fault"]: (int(row["posts"]), int(row["mentions"]), int(row["edits"]), int(row["replies"]), row["last"])
        for row in ROW.finditer(part)
    }


async def messages_of(around: World) -> list[SlackMessage]:
    """What stands in Slack at last."""
    async with SlackStandIn(rate=None) as slack:
        given = {"token": slack.token, "channel": "#ops", "base_url": slack.api_url, "timeout": "30s"}
        sink = SlackSink(SlackOptions.model_validate(given | {"mentions": {"critical": "<!channel>"}}), make_context())
        await sink.start()
        for number, (at, announcement) in enumerate(around.incident_events):
            assert (await sink.deliver([announcement.as_event("day", number, at)], f"day-{number}")).delivered
        await sink.close()
    return slack.messages


def shown(message: SlackMessage) -> str:
    """Its circle and its headline, struck or not."""
    text = str(message.payload["blocks"][0]["text"]["text"]).partition("\n")[0]
    circle, headline = text.split(" ", 1)
    assert circle.strip(":") in CIRCLES
    return f"{WORDS[circle.strip(':')]}: {headline}"


def calls(message: SlackMessage) -> int:
    posted = message.edits[0] if message.edits else message.payload
    return str(posted["blocks"]).count("<!channel>")


@pytest.mark.thorough
@pytest.mark.parametrize("fault", expected())
async def test_slack_shows_of_a_fault_what_the_page_says(fault: str) -> None:
    messages = await messages_of(day_of(fault))
    posts = [each for each in messages if each.thread is None]
    in_thread = [each for each in messages if each.thread is not None and not each.is_broadcast]
    row = (
        len(posts),
        sum(map(calls, messages)),
        sum(len(each.edits) for each in posts),
        len(in_thread),
        "; ".join(map(shown, posts)) or "nothing",
    )
    assert row == expected()[fault]


def test_every_fault_of_the_stand_in_is_in_the_table() -> None:
    assert {fault.split(":")[0] for fault in expected()} == set(FAULTS)
