"""Subscribed is not receiving: the server that was the right one is looked at again, by real servers."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import TcpProxy, Valkey, eventually
from tests.support.failover import Failover, failover, has_master, replica_of, role, setuser
from tests.support.listening import Listener, listening
from tests.support.waiting import HANG

OFTEN: dict[str, Any] = {"server_check_interval": "100ms"}


async def received_from(valkey: Valkey, listener: Listener, data: bytes) -> None:
    """Publish there until it arrives: how soon a subscription sits is not for us to say."""

    async def arrives() -> bool:
        await asyncio.to_thread(valkey.publish, "tickstock:a:b", data)
        await asyncio.sleep(0.02)
        return data in listener.received

    async with asyncio.timeout(HANG):
        while not await arrives():
            pass


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Failover]:
    with failover(tmp_path) as servers:
        yield servers


async def test_another_master_is_followed_though_the_old_one_lives_on(servers: Failover) -> None:
    async with listening(url=servers.url, **OFTEN) as listener:
        await listener.subscribed()
        before = datetime.now(UTC)
        await received_from(servers.old, listener, b"old")
        await asyncio.to_thread(servers.hide_old_master)
        await received_from(servers.new, listener, b"new")
        assert servers.old.listeners() == 0
        assert role(servers.old) == "master", "it lives on, and takes itself for the master"
    lost = listener.links[1]
    assert [link.subscribed for link in listener.links[:3]] == [True, False, True]
    assert f"Sentinel leads to 127.0.0.1:{servers.new.port} now" in lost.reason
    assert lost.known_until is not None
    assert lost.known_until < datetime.now(UTC)
    assert lost.known_until > before


async def test_a_sentinel_of_an_older_failover_is_not_believed(
    servers: Failover, valkey: Valkey, tmp_path: Path
) -> None:
    """One that is cut off along with the old master takes it for alive and well."""
    config = tmp_path / "cut_off.conf"
    config.write_text(f"dir {tmp_path}\nsentinel monitor ticks 127.0.0.1 {valkey.port} 1\n")
    with Valkey(str(config), sentinel=True) as cut_off:
        await asyncio.to_thread(servers.hide_old_master)
        url = f"redis+sentinel://127.0.0.1:{cut_off.port},127.0.0.1:{servers.sentinel.port}/ticks/0"
        async with listening(url=url, **OFTEN) as listener:
            await received_from(servers.new, listener, b"new")
        assert valkey.listeners() == 0


async def test_sentinels_that_are_gone_leave_it_open_and_then_it_does_not_count(
    servers: Failover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.subscription.subscription.UNKNOWN_FOR", 0.5)
    async with listening(url=servers.url, **OFTEN) as listener:
        await listener.subscribed()
        servers.sentinel.kill()
        await eventually(lambda: not listener.subscription.subscribed)
        assert "no longer known" in listener.subscription.reason
        await received_from(servers.old, listener, b"still read")
        servers.sentinel.start()
        await listener.subscribed()
    assert [link.subscribed for link in listener.links] == [True, False, True]
    assert listener.subscription.connects == 2, "on the same connection"
    assert len({batch.stream for batch in listener.batches}) == 1


@pytest.mark.parametrize("at_start", [False, True])
async def test_a_replica_without_its_master_does_not_count(valkey: Valkey, *, at_start: bool) -> None:
    with TcpProxy(valkey.port) as proxy:
        proxy.refusing = at_start
        with Valkey(*replica_of(proxy.port)) as replica:
            if not at_start:
                await eventually(lambda: has_master(replica), what="replication")
            async with listening(url=replica.url, **OFTEN) as listener:
                if not at_start:
                    await listener.subscribed()
                    await received_from(valkey, listener, b"by way of the replica")
                    assert listener.subscription.descriptor()
                    proxy.refusing = True
                    proxy.cut()
                await eventually(lambda: "no connection to its master" in listener.subscription.reason)
                assert not listener.subscription.subscribed
                assert not listener.subscription.descriptor(), "whoever adopts it would not know of the loss"
                proxy.refusing = False
                await listener.subscribed()
                await received_from(valkey, listener, b"again")
    assert [link.subscribed for link in listener.links] == ([True] if at_start else [True, False, True])
    assert not any(link.adopted for link in listener.links)


async def test_a_replica_may_be_listened_to_and_become_the_master(valkey: Valkey) -> None:
    with Valkey(*replica_of(valkey.port)) as replica:
        await eventually(lambda: has_master(replica), what="replication")
        async with listening(url=replica.url, **OFTEN) as listener:
            await listener.subscribed()
            replica.client.slaveof()
            checks = replica.client.info("commandstats")["cmdstat_role"]["calls"]
            await eventually(lambda: replica.client.info("commandstats")["cmdstat_role"]["calls"] > checks + 2)
            await received_from(replica, listener, b"x")
    assert len(listener.links) == 1


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of `redis.test`."""
    addresses = ["127.0.0.1"]
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host != "redis.test":
            return real(host, port, *rest, **options)
        return [answer for address in addresses for answer in real(address, port, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return addresses


@pytest.mark.parametrize("may_ask", [True, False], ids=["by process", "by address"])
async def test_a_name_that_moves_is_followed_while_the_old_server_lives(
    valkey: Valkey, name: list[str], *, may_ask: bool
) -> None:
    with Valkey(port=valkey.port, host="127.0.0.2") as other:
        user = ""
        for server in (valkey, other):
            setuser(server, "least", "on", ">x", "resetchannels", "&tickstock:*", "+psubscribe")
        if not may_ask:
            user = "least:x@"
        async with listening(url=f"redis://{user}redis.test:{valkey.port}/0", **OFTEN) as listener:
            await listener.subscribed()
            await received_from(valkey, listener, b"old")
            name[:] = ["127.0.0.2"]
            await received_from(other, listener, b"new")
            assert valkey.listeners() == 0
    assert f"leads to 127.0.0.2:{valkey.port} now" in listener.links[1].reason


async def test_a_name_with_several_addresses_that_come_in_another_order_is_none_that_moved(
    valkey: Valkey, name: list[str]
) -> None:
    with Valkey(port=valkey.port, host="127.0.0.2") as other:
        name[:] = ["127.0.0.1", "127.0.0.2"]
        async with listening(url=f"redis://redis.test:{valkey.port}/0", **OFTEN) as listener:
            await listener.subscribed()
            name.reverse()
            other.client.role()
            checks = other.client.info("commandstats")["cmdstat_role"]["calls"]
            await eventually(lambda: other.client.info("commandstats")["cmdstat_role"]["calls"] > checks + 5)
            await received_from(valkey, listener, b"x")
    assert len(listener.links) == 1


async def test_another_server_behind_the_same_address_is_noticed(valkey: Valkey, shared_valkey: Valkey) -> None:
    """As behind a proxy, or a service of Kubernetes: what is connected stays with the old one."""
    with TcpProxy(valkey.port) as proxy:
        async with listening(url=f"redis://127.0.0.1:{proxy.port}/0", **OFTEN) as listener:
            await listener.subscribed()
            await received_from(valkey, listener, b"old")
            proxy.upstream = shared_valkey.port
            await received_from(shared_valkey, listener, b"new")
            await eventually(lambda: valkey.listeners() == 0)
    assert [link.subscribed for link in listener.links] == [True, False, True]


async def test_what_is_taken_over_is_looked_at_at_once(servers: Failover) -> None:
    """The process before was gone when the master changed: it was right when that process last looked."""
    async with listening(url=servers.url, server_check_interval="1h") as first:
        await first.subscribed()
        inherited = first.hand_over()
    await asyncio.to_thread(servers.hide_old_master)
    async with listening(inherited, url=servers.url, server_check_interval="1h") as second:
        await received_from(servers.new, second, b"new")
    assert [(link.subscribed, link.adopted) for link in second.links if link.subscribed] in (
        [(True, True), (True, False)],
        [(True, False)],
    )
    assert [link.known_until for link in second.links if not link.subscribed] in ([None], [])
