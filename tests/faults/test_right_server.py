"""Connected, and to the wrong server; refused, and by whom: what the relay says of it, and what it loses."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from relay.events import utc_text
from tests.faults.accounts import seconds_until
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, TcpProxy, Valkey, eventually, until
from tests.support.failover import failover, has_master, replica_of, setuser
from tests.support.listening import listening
from tests.support.relay_process import drained
from tests.support.scripted_redis import published, scripted_redis

pytestmark = pytest.mark.faults

WATCHFUL = {"redis": {"server_check_interval": "1s", "ping_interval": "300ms", "ping_timeout": "2s"}}


def now() -> str:
    return utc_text(datetime.now(UTC))


def url_of(port: int, user: str = "") -> str:
    return f"redis://{user}127.0.0.1:{port}/0"


def account(relay: RelayProcess, ticks: Numbered, report: Report, fault: str, seconds: float, gaps: int = 1) -> None:
    """Wait for the drain; each hole is at the head, where a gap covers it; note the line."""
    drained(relay)
    found = relay.numbers()
    lost, repeated = set(range(1, ticks.sent + 1)) - found.keys(), found.total() - len(found)
    gaps_announced = relay.archived("gap")
    report(
        fault,
        injections=1,
        messages=ticks.sent,
        lost=len(lost),
        duplicated=repeated,
        seconds=seconds,
        remark=f"gaps said: {len(gaps_announced)}",
    )
    assert repeated == 0
    assert len(gaps_announced) == gaps
    assert not lost or max(lost) == len(lost), "only what was published before the relay had come"


def test_sentinel_promotes_another_while_the_old_master_lives_on(tmp_path: Path, report: Report) -> None:
    with failover(tmp_path) as servers, RelayProcess(tmp_path, servers.url, config=WATCHFUL) as relay:
        servers.hide_old_master()
        promoted = now()
        with Numbered(servers.new.port, 500) as ticks:
            took = seconds_until(lambda: servers.new.listeners() == 1, 10, "the relay at the new master")
            until(relay.numbers)
            ticks.more(500)
        account(relay, ticks, report, "Sentinel promotes another, the old master lives", took)
        assert relay.archived("gap")[0]["payload"]["from"] <= promoted
        assert "Sentinel leads to" in relay.archived("gap")[0]["payload"]["reason"]


def test_a_replica_that_loses_its_master_is_not_ready_and_an_alert(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    with TcpProxy(valkey.port) as proxy:
        replicas = Valkey(*replica_of(proxy.port))
        with replicas as replica, RelayProcess(tmp_path, replica.url, config=WATCHFUL, ready=False) as relay:
            until(lambda: has_master(replica) and relay.answers("/readyz"))
            begun = now()
            proxy.refusing = True
            proxy.cut()
            until(lambda: not relay.answers("/readyz"), what="503")
            assert relay.answers("/healthz")
            assert relay.metric("relay_subscribed") == 0
            until(lambda: relay.archived("not_subscribed"), what="the alert")
            assert "no connection to its master" in relay.archived("not_subscribed")[0]["payload"]["message"]
            proxy.refusing = False
            took = seconds_until(lambda: relay.answers("/readyz"), 20, "the replica's link")
            with Numbered(valkey.port, 500) as ticks:
                ticks.more(500)
            account(relay, ticks, report, "replica without its master", took)
            until(lambda: len(relay.archived("not_subscribed")) == 2, 40, what="its end, for which the API is asked")
            assert relay.archived("gap")[0]["payload"]["from"] <= begun
            assert relay.subscriptions() == 2


def test_another_server_behind_the_same_address_is_followed(
    tmp_path: Path, valkey: Valkey, shared_valkey: Valkey, report: Report
) -> None:
    """A service of Kubernetes, a proxy: the old connection lives on at the old server."""
    with TcpProxy(valkey.port) as proxy, RelayProcess(tmp_path, url_of(proxy.port), config=WATCHFUL) as relay:
        before = relay.subscriptions()
        moved = now()
        proxy.upstream = shared_valkey.port
        with Numbered(shared_valkey.port, 500) as ticks:
            took = seconds_until(lambda: relay.subscriptions() > before, 15, "a new connection")
            ticks.more(500)
        account(relay, ticks, report, "another server behind the same address", took)
        assert relay.archived("gap")[0]["payload"]["from"] <= moved


def test_a_refusal_is_told_and_lasts_until_the_acl_is_mended(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    setuser(valkey, "relay", "on", ">x", "resetchannels", "&elsewhere", "+@all")
    with RelayProcess(tmp_path, url_of(valkey.port, "relay:x@"), config=WATCHFUL, ready=False) as relay:
        until(lambda: "Redis refuses: NOPERM No permissions to access a channel" in relay.log_text(), 10)
        assert not relay.answers("/readyz")
        logins = valkey.client.info("commandstats")["cmdstat_auth"]["calls"]
        time.sleep(3)  # as long as that, on purpose: it is not hurried
        assert valkey.client.info("commandstats")["cmdstat_auth"]["calls"] <= logins + 1
        setuser(valkey, "relay", "&tickstock:*")
        took = seconds_until(lambda: relay.answers("/readyz"), 15, "the subscription")
        with Numbered(valkey.port, 500) as ticks:
            ticks.more(500)
        account(relay, ticks, report, "refused: NOPERM, then allowed", took, gaps=0)


def test_a_busy_redis_is_waited_for_on_the_same_connection(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    valkey.client.config_set("busy-reply-threshold", 10)
    with RelayProcess(tmp_path, valkey.url, config=WATCHFUL) as relay, Valkey() as _:
        with Numbered(valkey.port, 500) as ticks:
            ticks.more(200)
            sock: Any = valkey.client.connection_pool.make_connection()
            sock.connect()
            sock.send_command("EVAL", "while true do end", 0)
            time.sleep(3)  # several probes are answered with BUSY
            begun = time.monotonic()
            valkey.client.script_kill()
            ticks.more(200)
            took = time.monotonic() - begun
        drained(relay)
        missing = ticks.taken - relay.numbers().keys()
        report(
            "passing: BUSY for 3 s",
            injections=1,
            messages=len(ticks.taken),
            lost=len(missing),
            seconds=took,
            remark=f"connections: {relay.subscriptions()}",
        )
        assert (missing, relay.subscriptions(), relay.archived("gap")) == (set(), 1, [])


def test_an_acl_of_least_privilege_keeps_a_quiet_connection(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    setuser(valkey, "least", "on", ">x", "resetchannels", "&tickstock:*", "+psubscribe")
    with RelayProcess(tmp_path, url_of(valkey.port, "least:x@"), config=WATCHFUL) as relay:
        time.sleep(4)  # a dozen quiet intervals
        with Numbered(valkey.port, 500) as ticks:
            ticks.more(500)
        account(relay, ticks, report, "ACL with PSUBSCRIBE alone, 4 s quiet", 0.0, gaps=0)
        assert relay.subscriptions() == 1
        assert relay.answers("/readyz")


@pytest.mark.parametrize("kind", ["moved", "passing", "another protocol", "refused while subscribed"])
async def test_each_kind_of_error_asks_for_something_else(valkey: Valkey, report: Report, kind: str) -> None:
    errors = {
        "moved": b"-MOVED 3999 127.0.0.1:%d\r\n" % valkey.port,
        "passing": b"-LOADING Redis is loading the dataset in memory\r\n",
        "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "refused while subscribed": published(b"1") + b"-NOAUTH Authentication required.\r\n",
    }
    async with scripted_redis(PSUBSCRIBE=[errors[kind]]) as redis:
        begun = time.monotonic()
        async with listening(url=url_of(redis.port)) as listener:
            if kind == "refused while subscribed":
                await eventually(lambda: "NOAUTH" in listener.subscription.reason)
                assert listener.received == [b"1"]
            else:
                await listener.subscribed()
        expected = {"moved": 1, "passing": 1, "another protocol": 2, "refused while subscribed": 1}
        assert redis.connections == expected[kind]
    report(f"Redis' error: {kind}", injections=1, messages=0, seconds=time.monotonic() - begun)
