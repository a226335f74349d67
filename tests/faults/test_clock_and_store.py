"""The clock set back and forth; a store that is read-only or damaged while in use."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.accounts import assert_counters_add_up, missing_and_repeated, seconds_until
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, Valkey, eventually
from tests.support.disks import small_disk
from tests.support.relay_process import Json, drained
from tests.support.stepped_relay import SteppedRelay
from tickstock_simulator.webhook import WebhookStandIn

pytestmark = pytest.mark.faults

ERRORS = "tickstock:errors"
TO_APP = {"name": "errors", "match": {"channel": ERRORS}, "to": ["app"]}
QUICK = {"retry_first": "200ms", "retry_most": "1s", "breaker_rest": "1s", "breaker_failures": 2}
HOUR, DAY = 3600.0, 86400.0


async def test_a_clock_set_back_and_forth_keeps_nothing_waiting_and_expires_nothing(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    """While deliveries wait for their next attempt, whose time is told by that clock."""
    steps = [-2 * HOUR, 5 * HOUR, -30 * DAY, 40 * DAY, 0.0]
    async with WebhookStandIn() as place:
        app = {"type": "webhook", "url": place.url, "timeout": "1s", "attempts": 1}
        config: Json = {"sinks": {"app": app}, "routes": [TO_APP], "outbox": QUICK}
        relay = SteppedRelay(tmp_path, valkey.url, config=config)
        relay.set_clock(0.0)
        with relay, Numbered(valkey.port, 20, channel=ERRORS) as errors:
            place.trouble.fail_rate(1.0)
            slowest = 0.0
            for step in steps:
                await _attempted(place, 1)
                relay.set_clock(step)
                slowest = max(slowest, await _attempted(place, 2))
            place.trouble.clear()
            errors.stop()
            await eventually(lambda: relay.metric("relay_lane_depth", sink="app") == 0, what="delivery")
            drained(relay)
            lost, repeated = missing_and_repeated(errors, relay.numbers(ERRORS))
            assert_counters_add_up(relay)
            assert relay.metric("relay_dropped_events_total") == 0
    arrived = Counter(json.loads(delivery.body)["payload"]["n"] for delivery in place.accepted)
    report(
        "clock set: -2 h, +5 h, -30 d, +40 d, right",
        injections=len(steps),
        messages=errors.sent,
        lost=len(lost | (errors.taken - arrived.keys())),
        duplicated=repeated,
        seconds=slowest,
    )
    assert (lost, repeated) == (set(), 0)
    assert arrived.keys() == set(range(1, errors.sent + 1))


async def _attempted(place: WebhookStandIn, times: int) -> float:
    """Seconds until so many more deliveries have been tried."""
    begun, goal = time.monotonic(), len(place.deliveries) + times
    await eventually(lambda: len(place.deliveries) >= goal, what="the next attempt")
    return time.monotonic() - begun


def test_a_read_only_store_is_memory_until_it_can_be_written(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        config: Json = {
            "state_dir": str(disk.path / "state"),
            "quarantine": {"directory": str(tmp_path / "quarantine")},
        }
        with RelayProcess(tmp_path, valkey.url, config=config) as relay, Numbered(valkey.port, 500) as ticks:
            ticks.more(200)
            relay.terminate()
            disk.remount("ro")
            relay.start()
            assert relay.metric("relay_store_in_memory") == 1
            ticks.more(500)
            disk.remount("rw")
            recovered = seconds_until(lambda: relay.metric("relay_store_in_memory") == 0, 120, "the store on disk")
            ticks.more(200)
            ticks.stop()
            drained(relay)
            found = relay.numbers()
            assert_counters_add_up(relay)
            gaps = relay.archived("gap")
    report(
        "store read-only",
        injections=1,
        messages=ticks.sent,
        lost=0,
        duplicated=found.total() - len(found),
        seconds=recovered,
        remark="the stop's gap is not the fault's",
    )
    assert found.total() == len(found)
    assert len(gaps) <= 1


async def test_a_store_damaged_while_in_use_costs_only_what_it_held(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    async with WebhookStandIn() as place:
        place.trouble.fail_rate(1.0)
        app = {"type": "webhook", "url": place.url, "timeout": "1s", "attempts": 1}
        config: Json = {"sinks": {"app": app}, "routes": [TO_APP], "outbox": QUICK}
        with RelayProcess(tmp_path, valkey.url, config=config) as relay:
            with Numbered(valkey.port, 200, channel=ERRORS, pad=2000) as before:
                await eventually(lambda: before.sent >= 1000)
            await eventually(lambda: relay.metric("relay_accepted_events_total", sink="app") >= before.sent)
            damage(relay.state / "relay.db")
            place.trouble.clear()
            with Numbered(valkey.port, 100, channel="tickstock:errors:after") as after:
                await eventually(lambda: after.sent >= 100)
            await eventually(lambda: relay.metric("relay_lane_depth", sink="app") == 0, what="an empty lane")
            recovered = seconds_until(lambda: relay.metric("relay_store_in_memory") == 0, 120, "a store on disk")
            drained(relay)
            assert_counters_add_up(relay)
            lost, repeated = missing_and_repeated(before, relay.numbers(ERRORS))
            given_up = relay.metric("relay_dropped_events_total", sink="app")
            delivered = relay.metric("relay_delivered_events_total", sink="app")
            assert given_up + delivered == relay.metric("relay_accepted_events_total", sink="app")
    report(
        "store damaged while in use",
        injections=1,
        messages=before.sent,
        lost=int(given_up),
        duplicated=repeated,
        seconds=recovered,
        remark="lost by the lane, and counted; the archive has all",
    )
    assert (lost, repeated) == (set(), 0)


def damage(path: Path) -> None:
    """Overwrite all pages but the first, in the file and in its log."""
    for file in (path, path.with_name("relay.db-wal")):
        size = file.stat().st_size
        with file.open("r+b") as out:
            out.seek(4096)
            out.write(b"\xff" * max(0, size - 4096))
