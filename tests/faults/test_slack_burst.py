"""Thousands of errors within a run, and a Slack that takes one message a second: one incident, every count exact."""

import asyncio
import json
import random
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.accounts import assert_counters_add_up
from tests.faults.conftest import Report
from tests.support import RelayProcess, Valkey, eventually
from tests.support.relay_process import Json
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.slack_messages import SlackMessage

pytestmark = pytest.mark.faults

ERRORS = 5000
CODES = [f"VENDOR_ERROR_{letter}" for letter in "ABCDEFG"]
RUN = "5d0c3a34-8c8e-4f0e-9d5e-0d3a86fd0c11"
BURST_SECONDS = 8.0
ROUTES = [
    {"name": "alerts", "match": {"channel": "relay:alert:*"}, "to": ["ops"]},
    {"name": "errors", "match": {"severity": ">=error", "not": {"domain": "alert"}}, "to": ["ops"]},
]
"""As in the sample configuration."""


def envelope(event: str, payload: Json) -> str:
    body = {"event": event, "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z")}
    return json.dumps({**body, "source": "daily_job", "version": "1.0", "payload": payload})


def start_run(valkey: Valkey) -> None:
    payload = {"run_id": RUN, "trigger_type": "manual", "run_date": f"{datetime.now(UTC):%Y-%m-%d}"}
    valkey.publish("tickstock:processing:status", envelope("processing_started", payload))


async def burst(valkey: Valkey) -> Counter[str]:
    """The errors, shuffled and evenly over some seconds, each with numbers of its own."""
    dice = random.Random(26)
    sent = Counter(dice.choices(CODES, weights=range(1, 8), k=ERRORS))
    codes = list(sent.elements())
    dice.shuffle(codes)
    begun = time.monotonic()
    for first in range(0, ERRORS, 100):
        await asyncio.sleep(max(0.0, begun + BURST_SECONDS * first / ERRORS - time.monotonic()))
        pipe = valkey.client.pipeline(transaction=False)
        for number, code in enumerate(codes[first : first + 100], first):
            message = f"vendor refused request {number} of job {number * 7}"
            payload = {"severity": "error", "component": "data_import", "error_code": code, "message": message}
            pipe.publish("tickstock:errors", envelope("error", payload | {"run_id": RUN}))
        pipe.execute()
    return sent


def counts(replies: list[SlackMessage]) -> Counter[str]:
    """What the replies say in the end: `714 x VENDOR_ERROR_A in data_import`."""
    found: Counter[str] = Counter()
    for reply in replies:
        words = reply.text.split(" ")
        code = next((word for word in words if word.startswith("VENDOR_ERROR_")), None)
        if code is not None:
            found[code] = int(words[0].replace(",", "")) if words[0][0].isdigit() else 1
    return found


async def test_a_burst_of_errors_is_one_incident_with_exact_counts(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    async with SlackStandIn(rate=1.0, burst=1) as slack:
        ops = {"type": "slack", "token": slack.token, "channel": "#ops", "base_url": slack.api_url}
        config: Json = {"sinks": {"ops": ops | {"mentions": {"critical": "<!channel>"}}}, "routes": ROUTES}
        with RelayProcess(tmp_path, valkey.url, config=config) as relay:
            start_run(valkey)
            sent = await burst(valkey)
            published = time.monotonic()
            await eventually(lambda: counts(slack.messages[1:]) == sent, 120, what="exact counts")
            took = time.monotonic() - published
            assert_counters_add_up(relay)
            archived = Counter(error["payload"]["error_code"] for error in relay.archived("error"))
            dead = relay.metric("relay_dead_letters", sink="ops")
    message, *replies = slack.messages
    report(
        f"{ERRORS} errors of {len(CODES)} kinds, Slack takes one a second",
        injections=1,
        messages=ERRORS,
        lost=ERRORS - sum(counts(replies).values()),
        seconds=took,
        remark=f"{len(slack.attempts)} requests",
    )
    assert archived == sent
    assert dead == 0
    assert {reply.thread for reply in replies} == {message.ts}
    assert len([reply for reply in replies if "VENDOR_ERROR_" in reply.text]) == len(CODES)
    assert [reply for reply in replies if reply.is_broadcast] == []
    assert len(slack.attempts) <= 60, Counter((attempt.path, attempt.status) for attempt in slack.attempts)


@pytest.mark.parametrize("run_id", [RUN, None], ids=["of a run", "outside runs"])
async def test_a_relay_that_was_killed_goes_on_in_the_same_message(
    tmp_path: Path, valkey: Valkey, report: Report, run_id: str | None
) -> None:
    """It posted the incident once more: the row was forgotten at once, the message's place with the next tick."""

    def error(number: int) -> None:
        payload = {"severity": "error", "component": "db", "error_code": CODES[0], "message": f"refused {number}"}
        valkey.publish("tickstock:errors", envelope("error", payload | ({"run_id": run_id} if run_id else {})))

    async with SlackStandIn(rate=None) as slack:
        ops = {"type": "slack", "token": slack.token, "channel": "#ops", "base_url": slack.api_url}
        config: Json = {"sinks": {"ops": ops | {"mentions": {"error": "<!here>"}}}, "routes": ROUTES}
        with RelayProcess(tmp_path, valkey.url, config=config) as relay:
            if run_id:
                start_run(valkey)
            error(1)
            await eventually(lambda: counts(slack.messages[-1:]) == {CODES[0]: 1}, what="the first message")
            await eventually(lambda: relay.metric("relay_lane_depth", sink="ops") == 0, what="that Slack's answer came")
            relay.kill()
            relay.start()
            error(2)
            await eventually(lambda: counts(slack.messages[-1:]) == {CODES[0]: 2}, what="the edited message")
    posts = [message for message in slack.messages if CODES[0] in message.text]
    report("SIGKILL within an incident", injections=1, messages=2, duplicated=len(posts) - (2 if run_id else 1))
    assert [message.thread for message in posts] == [None, posts[0].ts][: len(posts)]
    assert len(posts) == (2 if run_id else 1)
    assert posts[0].edits[0]["text"].startswith("<!here> ")
    assert "<!here>" not in posts[0].text
