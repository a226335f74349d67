"""Days with a fault on the real daemon: what stands in Slack in the end, and who was called. Two days at a time."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support import Valkey, eventually
from tests.support.relay_process import Json
from tests.support.scene import MONDAY, Scene, scene
from tests.support.waiting import HANG
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.slack_messages import SlackMessage

pytestmark = pytest.mark.faults

SPEED = 120.0
WATCHDOG = {"poll_interval": "1s", "silent_after": "1h"}
"""Two minutes between two answers of the API look as if it were ahead of the events, were silence looked for too."""
ROUTES = [
    {"name": "alerts", "match": {"channel": "relay:alert:*"}, "to": ["ops"]},
    {"name": "errors", "match": {"severity": ">=error", "not": {"domain": "alert"}}, "to": ["ops"]},
]
"""As in the sample configuration."""
GAP = "gap"
EXPECTED = {
    "fails-at:import": (1, 1, ":red_circle: *Run of Mon 27 Jan failed in import*"),
    "never-starts": (1, 1, ":red_circle: *Run of Mon 27 Jan has not started*"),
    "stall:import:600": (1, 0, ":large_green_circle: ~Run of Mon 27 Jan is stalled in import~"),
    "zero-results": (1, 1, ":red_circle: *Run of Mon 27 Jan completed without results*"),
    "error-burst:50": (1, 0, ":large_green_circle: ~Run of Mon 27 Jan: high error rate~"),
    GAP: (1, 0, ":large_yellow_circle: *Gap of {}: events were not received*"),
}
"""Fault: messages, mentions, and how the message begins in the end."""
PAIRS = list(zip(list(EXPECTED)[::2], list(EXPECTED)[1::2], strict=True))


def calls(message: SlackMessage) -> int:
    posted = message.edits[0] if message.edits else message.payload
    return str(posted["blocks"]).count("<!channel>")


def first_line(message: SlackMessage) -> str:
    """Without a gap's length, which is a fast clock's."""
    line = str(message.payload["blocks"][0]["text"]["text"]).partition("\n")[0]
    return re.sub("Gap of [^:]+", "Gap of {}", line)


def posts(slack: SlackStandIn) -> list[SlackMessage]:
    """The messages of the day, without their threads."""
    return [each for each in slack.messages if each.thread is None]


async def is_over(day: Scene, valkey: Valkey, fault: str) -> None:
    """Wait for the end of the day's run, where it has one."""
    if fault == "never-starts":
        return
    if fault == GAP:
        await slowly(lambda: day.relay.archived("phase_started"), "the run")
        valkey.client.client_kill_filter(_type="pubsub")
        await slowly(lambda: day.relay.archived("gap"), "the gap")
    await day.simulator.wait_for_runs(1)


async def slowly(condition: Callable[[], object], what: str) -> None:
    """Wait for what costs something to be asked."""
    for _ in range(int(HANG / 0.3)):
        if condition():
            return
        await asyncio.sleep(0.3)
    pytest.fail(f"{what} did not come")


async def play(directory: Path, fault: str) -> tuple[int, int, str]:
    """A day with the fault; what Slack has of it."""
    faults = () if fault == GAP else (fault,)
    messages, _, last = EXPECTED[fault]
    async with SlackStandIn(rate=None) as slack:
        ops = {"type": "slack", "token": slack.token, "channel": "#ops", "base_url": slack.api_url}
        config: Json = {"sinks": {"ops": ops | {"mentions": {"critical": "<!channel>"}}}, "routes": ROUTES}
        config["watchdog"] = WATCHDOG
        starts = MONDAY - timedelta(minutes=10)
        with Valkey() as valkey:
            async with scene(directory, valkey, starts=starts, speed=SPEED, faults=faults, more=config) as day:
                await is_over(day, valkey, fault)
                if messages:
                    await eventually(lambda: last in map(first_line, posts(slack)), what=last)
                await slowly(lambda: day.relay.metric("relay_lane_depth", sink="ops") == 0, "all of it")
    return len(posts(slack)), sum(map(calls, slack.messages)), "; ".join(map(first_line, posts(slack)))


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
async def test_a_day_with_a_fault_is_one_message(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[str, str], report: Report
) -> None:
    days = await asyncio.gather(*(play(tmp_path_factory.mktemp("day"), fault) for fault in pair))
    assert dict(zip(pair, days, strict=True)) == {fault: EXPECTED[fault] for fault in pair}
    for fault, (messages, mentions, _) in zip(pair, days, strict=True):
        report(f"Slack's day with {fault}", injections=1, messages=messages, remark=f"{mentions} mentions")
