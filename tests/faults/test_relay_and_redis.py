"""The relay killed; Redis killed, frozen, cut off and slowed: nothing handed over is missing, nothing is twice."""

import random
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, ServiceManager, TcpProxy, Valkey, until
from tests.support.relay_process import drained
from tests.support.slow_relay import SlowRelay

pytestmark = pytest.mark.faults

IMPATIENT = {"redis": {"ping_interval": "500ms", "ping_timeout": "500ms", "connect_timeout": "1s"}}


def counters_add_up(relay: RelayProcess) -> None:
    """received = events + quarantined; and each sink: accepted = delivered + dropped + waiting."""
    received = relay.metric("relay_received_messages_total")
    of_ours = sum(
        value
        for labels, value in relay.metrics().get("tickstock_events_total", [])
        if not labels["channel"].startswith("relay:")
    )
    assert received == of_ours + relay.metric("relay_quarantined_messages_total")
    for sink in ("metrics", "archive"):
        settled = relay.metric("relay_delivered_events_total", sink=sink)
        settled += relay.metric("relay_dropped_events_total", sink=sink) + relay.metric("relay_lane_depth", sink=sink)
        assert relay.metric("relay_accepted_events_total", sink=sink) == settled


def missing(relay: RelayProcess, numbers: set[int]) -> int:
    return len(numbers - relay.numbers().keys())


def twice(relay: RelayProcess) -> int:
    return sum(count - 1 for count in relay.numbers().values())


@pytest.mark.parametrize("delay", [0, 20])
def test_a_killed_relay_loses_nothing_and_repeats_nothing(
    tmp_path: Path, valkey: Valkey, manager: ServiceManager, report: Report, delay: int
) -> None:
    relay = SlowRelay(tmp_path, valkey.url, delay, manager=manager)
    moments = random.Random(delay)
    slowest = 0.0
    with relay, Numbered(valkey.port, 2000) as traffic:
        for _ in range(6):
            time.sleep(moments.uniform(0.05, 0.5))
            relay.kill()
            begun = time.monotonic()
            relay.start()
            slowest = max(slowest, time.monotonic() - begun)
        traffic.stop()
        drained(relay)
        until(lambda: not missing(relay, traffic.taken), what="every message in the archive")
        assert len(traffic.taken) == traffic.sent
        assert twice(relay) == 0
        assert relay.archived("gap") == []
        report(
            f"relay killed, {delay} ms between commit and consume",
            injections=6,
            messages=traffic.sent,
            lost=missing(relay, traffic.taken),
            duplicated=twice(relay),
            seconds=slowest,
        )


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_redis_gone_is_a_gap_and_no_more(tmp_path: Path, valkey: Valkey, report: Report, how: str) -> None:
    with RelayProcess(tmp_path, valkey.url, config=IMPATIENT) as relay, Numbered(valkey.port, 1000) as traffic:
        until(lambda: len(traffic.taken) > 500)
        before = set(traffic.taken)
        until(lambda: not missing(relay, before))
        (valkey.kill if how == "killed" else valkey.freeze)()
        until(lambda: not relay.metric("relay_subscribed"), what="that the relay notices")
        (valkey.start if how == "killed" else valkey.thaw)()
        begun = time.monotonic()
        until(lambda: relay.metric("relay_subscribed"), what="the subscription")
        took = time.monotonic() - begun
        since = traffic.sent
        until(lambda: len(traffic.taken) and max(traffic.taken) > since + 500)
        traffic.stop()
        drained(relay)
        must = before | {number for number in traffic.taken if number > since}
        until(lambda: not missing(relay, must), what="every message in the archive")
        assert relay.alive
        assert took < 2
        assert twice(relay) == 0
        assert len(relay.archived("gap")) == 1
        counters_add_up(relay)
        report(f"Redis {how}", injections=1, messages=traffic.sent, lost=0, duplicated=twice(relay), seconds=took)


@pytest.mark.parametrize("how", ["cut", "reset", "cut in the middle of a message", "slowed"])
def test_a_bad_connection_is_a_gap_and_no_more(tmp_path: Path, valkey: Valkey, report: Report, how: str) -> None:
    with TcpProxy(valkey.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        with RelayProcess(tmp_path, url) as relay, Numbered(valkey.port, 1000) as traffic:
            until(lambda: len(traffic.taken) > 200)
            before = set(traffic.taken)
            until(lambda: not missing(relay, before))
            begun = time.monotonic()
            if how == "slowed":
                proxy.rate = 20_000
                until(lambda: traffic.sent > 1500)
                proxy.rate = None
            elif how == "cut in the middle of a message":
                proxy.cut_after(1001)
            else:
                proxy.cut(reset=how == "reset")
            if how != "slowed":
                until(lambda: relay.metric("relay_subscriptions_total") == 2, what="a new subscription")
            took = time.monotonic() - begun
            since = traffic.sent
            until(lambda: traffic.sent > since + 500)
            traffic.stop()
            must = traffic.taken if how == "slowed" else before | {n for n in traffic.taken if n > since}
            until(lambda: not missing(relay, must), what="every message in the archive")
            drained(relay)
            assert relay.alive
            assert twice(relay) == 0
            assert len(relay.archived("gap")) == (how != "slowed")
            counters_add_up(relay)
            report(f"connection {how}", injections=1, messages=traffic.sent, lost=0, duplicated=0, seconds=took)
