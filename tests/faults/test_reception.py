"""The relay receives nothing, and the one sink that would say so is failing: people learn of both through another one.

On a clock of its own, a minute of which is a second.
"""

import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Report
from tests.support import RelayProcess, Valkey, eventually
from tests.support.failover import setuser
from tests.support.warped_relay import WarpedRelay
from tickstock_simulator.slack import SlackStandIn

pytestmark = pytest.mark.faults

SPEED = 60.0


def slack(stand_in: SlackStandIn, **more: str) -> dict[str, Any]:
    sink = {"type": "slack", "token": stand_in.token, "channel": "#ops", "base_url": stand_in.api_url}
    return sink | more


def alerts(relay: RelayProcess, name: str) -> list[dict[str, Any]]:
    return [each["payload"] for each in relay.archived(name) if each["channel"] == f"relay:alert:{name}"]


def is_told(stand_in: SlackStandIn, words: str) -> bool:
    return any(words in message.plain() for message in stand_in.messages)


async def test_that_nothing_is_received_is_told_and_what_was_missed_when_it_is_over(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    setuser(valkey, "relay", "on", ">x", "resetchannels", "&tickstock:*", "+@all")
    async with SlackStandIn(rate=None) as ops, SlackStandIn(rate=None) as boss:
        config = {
            "redis": {"username": "relay", "password": "x"},
            "sinks": {"ops": slack(ops, token="xoxb-wrong"), "boss": slack(boss)},  # noqa: S106 - opens nothing
            "routes": [{"name": "alerts", "match": {"channel": "relay:alert:*"}, "to": ["ops"]}],
        }
        relay = WarpedRelay(tmp_path, valkey.url, config=config)
        relay.set_clock(datetime(2025, 1, 27, 14, 0, tzinfo=UTC), SPEED)
        with relay:
            begun = time.monotonic()
            setuser(valkey, "relay", "resetchannels", "&elsewhere")  # which ends its connection
            await eventually(lambda: alerts(relay, "not_subscribed"), what="the alert")
            (firing,) = alerts(relay, "not_subscribed")
            assert firing["state"] == "firing"
            assert "NOPERM" in firing["message"]
            assert "ACL SETUSER" in firing["message"]
            for words in ("Sink ops has lost", "Sink ops is failing"):
                await eventually(partial(is_told, boss, words), what=f"that the other sink is told: {words}")
            assert not is_told(boss, "not subscribed"), "no route says so"
            setuser(valkey, "relay", "&tickstock:*")
            await eventually(lambda: len(alerts(relay, "not_subscribed")) == 2, what="its end")
            end = alerts(relay, "not_subscribed")[-1]
            (gap,) = [each["payload"] for each in relay.archived("gap")]
            assert end["state"] == "resolved"
            assert "Subscribed again since Mon 27 Jan" in end["message"]
            assert "What runs did in that time is not known." in end["message"]
            assert relay.archived("gap_notice") == [], "the gap is told once"
            assert gap["seconds"] > 60
    report("not allowed to subscribe", injections=1, messages=0, seconds=time.monotonic() - begun)
