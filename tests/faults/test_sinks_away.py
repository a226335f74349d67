"""A place that is away for a while: connections refused, Slack down. Everything arrives in the end, in Slack once."""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.accounts import assert_counters_add_up
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, Valkey, eventually
from tests.support.relay_process import Json
from tickstock_simulator.served import Served
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.webhook import WebhookStandIn

pytestmark = pytest.mark.faults

ERRORS = "tickstock:errors"
SLACK_DOWN = float(os.environ.get("FAULT_SLACK_SECONDS", "10"))
"""Seconds that Slack is away; two minutes are for a run by hand."""
TO_APP = {"name": "errors", "match": {"channel": ERRORS}, "to": ["app"]}
QUICK = {"retry_first": "100ms", "retry_most": "1s", "breaker_rest": "1s", "breaker_failures": 3}


async def publish_while_away(place: Served, relay: RelayProcess, valkey: Valkey, seconds: float) -> Numbered:
    """Errors at a steady trickle while the place refuses connections, all of them in the archive at once."""
    await place.down()
    with Numbered(valkey.port, 30 / seconds, channel=ERRORS) as errors:
        await asyncio.sleep(seconds)  # as long as that, on purpose
        assert relay.metric("relay_sink_failing", sink="app") == 1
        assert relay.metric("relay_breaker_open", sink="app") == 1
    assert errors.sent >= 25
    await eventually(lambda: relay.numbers(ERRORS).keys() >= errors.taken, what="the archive")
    return errors


async def until_delivered(relay: RelayProcess, count: int, seconds: float) -> float:
    """How long it took until so many events had arrived."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await eventually(
        lambda: relay.metric("relay_delivered_events_total", sink="app") >= count, seconds, what="delivery"
    )
    return loop.time() - begun


async def test_a_webhook_that_refuses_connections_gets_everything_later(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    async with WebhookStandIn() as place:
        app = {"type": "webhook", "url": place.url, "timeout": "1s", "attempts": 1}
        config: Json = {"sinks": {"app": app}, "routes": [TO_APP], "outbox": QUICK}
        with RelayProcess(tmp_path, valkey.url, config=config) as relay:
            errors = await publish_while_away(place, relay, valkey, 3.0)
            await place.resume()
            recovered = await until_delivered(relay, errors.sent, 20)
            assert_counters_add_up(relay)
            assert relay.metric("relay_sink_failing", sink="app") == 0
    arrived = Counter(json.loads(delivery.body)["payload"]["n"] for delivery in place.accepted)
    report(
        "webhook refuses connections",
        injections=1,
        messages=errors.sent,
        lost=len(errors.taken - arrived.keys()),
        duplicated=arrived.total() - len(arrived),
        seconds=recovered,
    )
    assert arrived == Counter(range(1, errors.sent + 1))


async def test_slack_down_for_a_while_gets_every_alert_once(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    async with SlackStandIn(rate=20.0, burst=10) as slack:
        app = {"type": "slack", "token": slack.token, "channel": "#ops", "base_url": slack.api_url, "repeat_window": 0}
        config: Json = {"sinks": {"app": app}, "routes": [TO_APP], "outbox": QUICK}
        with RelayProcess(tmp_path, valkey.url, config=config) as relay:
            with Numbered(valkey.port, 20, channel="tickstock:patterns:detected"):
                errors = await publish_while_away(slack, relay, valkey, SLACK_DOWN)
            await slack.resume()
            recovered = await until_delivered(relay, errors.sent, 30)
            assert_counters_add_up(relay)
            events = [each for each in relay.archive() if each["channel"] == ERRORS]
    shown = [json.dumps(message.payload) for message in slack.messages]
    times_shown = [sum(f"{each['id']}" in text for text in shown) for each in events]
    report(
        f"Slack down for {SLACK_DOWN:g} s",
        injections=1,
        messages=errors.sent,
        lost=errors.sent - len(slack.messages),
        duplicated=max(0, len(slack.messages) - errors.sent),
        seconds=recovered,
    )
    assert len(slack.messages) == errors.sent == len(events)
    assert times_shown == [1] * errors.sent, shown[:2]
