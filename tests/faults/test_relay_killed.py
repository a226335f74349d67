"""The relay dies at random moments; with its socket handed over nothing is missing and nothing is there twice."""

import asyncio
import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.accounts import assert_counters_add_up, missing_and_repeated, seconds_until
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, ServiceManager, Valkey, eventually
from tests.support.relay_process import drained
from tests.support.slow_relay import SlowRelay
from tickstock_simulator.webhook import WebhookStandIn

pytestmark = pytest.mark.faults

KILLS = 8
ERRORS = "tickstock:errors"
TO_APP = {"name": "errors", "match": {"channel": ERRORS}, "to": ["app"]}
QUICK_RETRIES = {"retry_first": "100ms", "retry_most": "500ms", "breaker_rest": "300ms"}


def kill_at_random_moments(relay: RelayProcess, times: int, how: signal.Signals, dice: random.Random) -> list[float]:
    """Seconds from each death until it was subscribed again."""
    recovered = []
    for _ in range(times):
        time.sleep(dice.uniform(0.05, 0.5))  # the moment is the fault
        begun = time.monotonic()
        relay.send(how)
        relay.wait()
        relay.start()
        recovered.append(time.monotonic() - begun)
    return recovered


@pytest.mark.parametrize("delay", [0, 20])
async def test_sigkill_with_handover_loses_and_repeats_nothing(
    tmp_path: Path, valkey: Valkey, manager: ServiceManager, report: Report, delay: int
) -> None:
    """Also with a delay (ms) between commit and consume, and a webhook whose receiver fails half the time."""
    async with WebhookStandIn() as app:
        app.trouble.fail_rate(0.5)
        config = {
            "sinks": {"app": {"type": "webhook", "url": app.url, "attempts": 1}},
            "routes": [TO_APP],
            "outbox": QUICK_RETRIES,
        }
        with SlowRelay(tmp_path, valkey.url, delay, config=config, manager=manager) as relay:
            with Numbered(valkey.port, 3000) as ticks, Numbered(valkey.port, 40, channel=ERRORS) as errors:
                dice = random.Random(delay)
                recovered = await asyncio.to_thread(kill_at_random_moments, relay, KILLS, signal.SIGKILL, dice)
            await asyncio.to_thread(drained, relay)
            lost, repeated = missing_and_repeated(ticks, relay.numbers())
            lost_errors, repeated_errors = missing_and_repeated(errors, relay.numbers(ERRORS))
            app.trouble.clear()
            await eventually(lambda: len({d.headers["webhook-id"] for d in app.accepted}) >= errors.sent)
            assert_counters_add_up(relay)
            assert relay.archived("gap") == []
    report(
        f"relay SIGKILL, handover, {delay} ms between commit and consume",
        injections=KILLS,
        messages=ticks.sent + errors.sent,
        lost=len(lost | lost_errors),
        duplicated=repeated + repeated_errors,
        seconds=max(recovered),
    )
    assert (lost, repeated, lost_errors, repeated_errors) == (set(), 0, set(), 0)
    assert ticks.taken == set(range(1, ticks.sent + 1)), "there was always somebody subscribed"
    contents: dict[str, set[int]] = {}
    for delivery in app.deliveries:
        contents.setdefault(delivery.headers["webhook-id"], set()).add(json.loads(delivery.body)["payload"]["n"])
    assert all(len(numbers) == 1 for numbers in contents.values()), "an id is one event's for ever"
    assert Counter(n for numbers in contents.values() for n in numbers) == Counter(range(1, errors.sent + 1))


async def test_sigterm_with_handover_loses_and_repeats_nothing(
    tmp_path: Path, valkey: Valkey, manager: ServiceManager, report: Report
) -> None:
    with RelayProcess(tmp_path, valkey.url, manager=manager) as relay:
        with Numbered(valkey.port, 3000) as ticks:
            recovered = kill_at_random_moments(relay, 4, signal.SIGTERM, random.Random(1))
        drained(relay)
        lost, repeated = missing_and_repeated(ticks, relay.numbers())
        assert relay.archived("gap") == []
    report(
        "relay SIGTERM, handover",
        injections=4,
        messages=ticks.sent,
        lost=len(lost),
        duplicated=repeated,
        seconds=max(recovered),
    )
    assert (lost, repeated) == (set(), 0)


def _until_subscribed(relay: RelayProcess, times: int) -> float:
    return seconds_until(lambda: relay.subscriptions() >= times, 120, "the new process")


def test_becoming_a_new_process_needs_no_service_manager(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    recovered = []
    with RelayProcess(tmp_path, valkey.url) as relay:
        with Numbered(valkey.port, 3000) as ticks:
            for number in range(2, 6):
                relay.send(signal.SIGUSR2)
                recovered.append(_until_subscribed(relay, number))
        drained(relay)
        lost, repeated = missing_and_repeated(ticks, relay.numbers())
        assert relay.archived("gap") == []
        assert relay.alive
    report(
        "relay SIGUSR2 (re-executes itself)",
        injections=4,
        messages=ticks.sent,
        lost=len(lost),
        duplicated=repeated,
        seconds=max(recovered),
    )
    assert (lost, repeated) == (set(), 0)


def test_sigkill_without_handover_is_a_gap_that_is_said(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    with RelayProcess(tmp_path, valkey.url) as relay:
        with Numbered(valkey.port, 3000) as ticks:
            recovered = kill_at_random_moments(relay, 3, signal.SIGKILL, random.Random(2))
        drained(relay)
        found = relay.numbers()
        gaps = relay.archived("gap")
    report(
        "relay SIGKILL, no handover",
        injections=3,
        messages=ticks.sent,
        lost=ticks.sent - len(found),
        duplicated=found.total() - len(found),
        seconds=max(recovered),
        remark=f"gaps said: {len(gaps)}",
    )
    assert found.total() == len(found), "nothing twice"
    assert len(gaps) == 3
    assert all("the relay was not running" in gap["payload"]["message"] for gap in gaps)


async def test_a_frozen_relay_goes_on_where_it_was(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    with RelayProcess(tmp_path, valkey.url) as relay, Numbered(valkey.port, 3000) as ticks:
        relay.send(signal.SIGSTOP)
        at = ticks.sent
        await eventually(lambda: ticks.sent > at + 6000)
        relay.send(signal.SIGCONT)
        recovered = seconds_until(lambda: relay.numbers().keys() >= set(range(1, at + 6001)), 120, "the backlog")
        ticks.stop()
        drained(relay)
        lost, repeated = missing_and_repeated(ticks, relay.numbers())
        assert relay.archived("gap") == []
        assert_counters_add_up(relay)
    report(
        "relay frozen (SIGSTOP) for 2 s",
        injections=1,
        messages=ticks.sent,
        lost=len(lost),
        duplicated=repeated,
        seconds=recovered,
    )
    assert (lost, repeated) == (set(), 0)
