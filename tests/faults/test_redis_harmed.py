"""Redis dies, freezes, or its connection is cut: the relay lives, is soon back, and says what it may have missed.

What Redis had taken and not yet handed over when it died, nobody can know: so each hole in the numbers must be
covered by a gap that the relay has said, and nothing may come twice.
"""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.accounts import assert_counters_add_up, holes, missing_and_repeated, seconds_until
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, TcpProxy, Valkey, until
from tests.support.relay_process import drained

pytestmark = pytest.mark.faults

AWAY = float(os.environ.get("FAULT_REDIS_SECONDS", "5"))
"""Seconds that Redis stays away."""
WATCHFUL = {"redis": {"ping_interval": "500ms", "ping_timeout": "500ms", "connect_timeout": "500ms"}}


def url_of(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


def is_lost(relay: RelayProcess) -> bool:
    return relay.metric("relay_subscribed") == 0


def finish(relay: RelayProcess, ticks: Numbered, report: Report, fault: str, recovered: list[float]) -> None:
    """Wait for the drain, hold holes against gaps, note the line."""
    drained(relay)
    lost, repeated = missing_and_repeated(ticks, relay.numbers())
    gaps = relay.archived("gap")
    report(
        fault,
        injections=len(recovered),
        messages=ticks.sent,
        lost=len(lost),
        duplicated=repeated,
        seconds=max(recovered),
        remark=f"gaps said: {len(gaps)}",
    )
    assert repeated == 0
    assert len(gaps) == len(recovered)
    assert holes(lost) <= len(gaps)
    assert relay.alive
    assert_counters_add_up(relay)


def _until_subscribed_again(relay: RelayProcess, times: int) -> float:
    return seconds_until(lambda: relay.subscriptions() > times, 120, "the subscription")


def test_redis_killed_for_a_while_is_heard_again_within_two_seconds(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    with RelayProcess(tmp_path, valkey.url) as relay, Numbered(valkey.port, 2000) as ticks:
        ticks.more(1000)
        valkey.kill()
        until(lambda: is_lost(relay))
        assert not relay.answers("/readyz")
        assert relay.answers("/healthz")
        time.sleep(AWAY)  # as long as that, on purpose
        valkey.start()
        recovered = seconds_until(lambda: relay.answers("/readyz"), 120, "the subscription")
        assert recovered <= 2.0
        ticks.more(1000)
        ticks.stop()
        finish(relay, ticks, report, f"Redis killed, back after {AWAY:g} s", [recovered])
        gap = relay.archived("gap")[0]
        assert gap["channel"] == "relay:gap"
        assert gap["severity"] == "warning"
        assert AWAY - 0.5 <= gap["payload"]["seconds"] <= AWAY + 4


def test_redis_restarted_again_and_again(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    recovered = []
    with RelayProcess(tmp_path, valkey.url) as relay, Numbered(valkey.port, 2000) as ticks:
        for _ in range(3):
            ticks.more(500)
            valkey.stop()
            until(lambda: is_lost(relay))
            valkey.start()
            recovered.append(seconds_until(lambda: relay.answers("/readyz"), 120, "the subscription"))
        ticks.stop()
        finish(relay, ticks, report, "Redis restarted", recovered)


def test_redis_down_at_the_start_is_waited_for(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    valkey.kill()
    with RelayProcess(tmp_path, valkey.url, ready=False) as relay:
        assert not relay.answers("/readyz")
        until(lambda: "not subscribed" in relay.log_text(), what="its first attempt")
        valkey.start()
        recovered = seconds_until(lambda: relay.answers("/readyz"), 120, "the subscription")
        with Numbered(valkey.port, 2000) as ticks:
            ticks.more(500)
        drained(relay)
        lost, repeated = missing_and_repeated(ticks, relay.numbers())
    report(
        "Redis down at the start",
        injections=1,
        messages=ticks.sent,
        lost=len(lost),
        duplicated=repeated,
        seconds=recovered,
    )
    assert (lost, repeated, recovered <= 2.0) == (set(), 0, True)


def test_a_frozen_redis_is_noticed_and_heard_again(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    with RelayProcess(tmp_path, valkey.url, config=WATCHFUL) as relay, Numbered(valkey.port, 2000) as ticks:
        ticks.more(1000)
        valkey.freeze()
        until(lambda: is_lost(relay), what="the loss of a frozen Redis")
        valkey.thaw()
        recovered = seconds_until(lambda: relay.answers("/readyz"), 120, "the subscription")
        ticks.more(1000)
        ticks.stop()
        finish(relay, ticks, report, "Redis frozen (SIGSTOP)", [recovered])
        assert "no answer for" in relay.archived("gap")[0]["payload"]["reason"]


@pytest.mark.parametrize("how", ["closed", "reset", "in the middle of a message"])
def test_a_connection_that_is_cut_is_replaced(tmp_path: Path, valkey: Valkey, report: Report, how: str) -> None:
    recovered = []
    with TcpProxy(valkey.port) as proxy, RelayProcess(tmp_path, url_of(proxy.port)) as relay:
        with Numbered(valkey.port, 2000, pad=200) as ticks:
            for number in range(1, 5):
                ticks.more(300)
                if how == "in the middle of a message":
                    proxy.cut_after(10_001 + number)
                else:
                    proxy.cut(reset=how == "reset")
                recovered.append(_until_subscribed_again(relay, number))
        finish(relay, ticks, report, f"connection cut: {how}", recovered)


def test_a_slow_connection_loses_nothing(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    # what is on its way takes longer than any silence that is borne
    config = {"redis": {"ping_interval": "1s", "ping_timeout": "1s"}}
    with TcpProxy(valkey.port) as proxy, RelayProcess(tmp_path, url_of(proxy.port), config=config) as relay:
        proxy.rate = 150_000
        with Numbered(valkey.port, 1000, pad=100) as ticks:
            ticks.more(2500)
            valkey.publish("tickstock:a:b", b'{"event":"large","payload":{"x":"%b"}}' % (b"y" * 300_000))
        proxy.rate = None
        recovered = seconds_until(lambda: relay.archived("large"), 120, "the end of the backlog")
        drained(relay)
        lost, repeated = missing_and_repeated(ticks, relay.numbers())
        assert relay.archived("gap") == []
        assert_counters_add_up(relay)
    report(
        "connection slowed to 150 kB/s",
        injections=1,
        messages=ticks.sent,
        lost=len(lost),
        duplicated=repeated,
        seconds=recovered,
    )
    assert (lost, repeated) == (set(), 0)


def test_a_connection_that_is_held_is_given_up_and_replaced(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    with TcpProxy(valkey.port) as proxy, RelayProcess(tmp_path, url_of(proxy.port), config=WATCHFUL) as relay:
        with Numbered(valkey.port, 1000) as ticks:
            ticks.more(500)
            proxy.hold()
            until(lambda: is_lost(relay), what="the loss of a connection that says nothing")
            proxy.release()
            recovered = seconds_until(lambda: relay.answers("/readyz"), 120, "the subscription")
        finish(relay, ticks, report, "connection held, nothing passes", [recovered])


def test_a_relay_that_redis_cuts_off_for_its_backlog_says_what_it_missed(tmp_path: Path, report: Report) -> None:
    """A reader that is too slow for `client-output-buffer-limit pubsub`: here one that is frozen."""
    limit = ("--client-output-buffer-limit", "pubsub 1mb 1mb 1")
    with Valkey(*limit) as valkey, RelayProcess(tmp_path, valkey.url) as relay:
        with Numbered(valkey.port, 2000, pad=2000) as ticks:
            ticks.more(500)
            relay.send(signal.SIGSTOP)
            until(lambda: valkey.listeners() == 0, what="the cut")
            ticks.more(500)
            relay.send(signal.SIGCONT)
            recovered = seconds_until(lambda: relay.archived("gap"), 120, "the gap")
            ticks.more(500)
        drained(relay)
        found = relay.numbers()
        missing = set(range(1, ticks.sent + 1)) - found.keys()
        gaps = relay.archived("gap")
        assert_counters_add_up(relay)
    report(
        "Redis cuts off a slow reader (1 MB limit)",
        injections=1,
        messages=ticks.sent,
        lost=len(missing),
        duplicated=found.total() - len(found),
        seconds=recovered,
        remark=f"gaps said: {len(gaps)}",
    )
    assert found.total() == len(found)
    assert len(gaps) == 1
    assert holes(missing) == 1
