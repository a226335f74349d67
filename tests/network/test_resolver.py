"""Our own lookups: once a name at a time, whoever asks; bounded; and nobody waits for a name of somebody else."""

import asyncio
import socket
import threading
from collections import Counter
from typing import Any

import httpcore
import pytest
import redis
from pydantic import SecretStr

from relay.config.settings import RedisOptions
from relay.network import resolver as module
from relay.network.backend import ResolvingBackend
from relay.network.resolver import MOST_UNDER_WAY, Resolver
from relay.subscription.client import client_of
from tests.support import eventually

HANG = 10.0


class Names:
    """A stand-in for the system's resolver: names that hang until `free`, and how often each was asked for."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.asked: Counter[str] = Counter()
        self.known = {"there.test": ["127.0.0.1"]}

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked[host] += 1
        if host.startswith("hanging"):
            self.free.wait(HANG)
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in self.known[host]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Names()
    monkeypatch.setattr(socket, "getaddrinfo", found.getaddrinfo)
    monkeypatch.setattr(module, "_lookups", {})
    yield found
    found.free.set()


async def test_all_who_ask_for_a_name_share_one_lookup(names: Names) -> None:
    names.known["hanging.test"] = ["10.0.0.1", "10.0.0.2"]
    one, other = Resolver(), Resolver()
    asking = [asyncio.create_task(each.addresses("hanging.test")) for each in (one, other, one)]
    await eventually(lambda: names.asked["hanging.test"] == 1, what="the lookup")
    names.free.set()
    assert await asyncio.gather(*asking) == [("10.0.0.1", "10.0.0.2")] * 3
    assert await one.addresses("hanging.test") == ("10.0.0.1", "10.0.0.2")  # it is kept
    assert names.asked["hanging.test"] == 1


async def test_other_names_are_found_while_as_many_hang_as_may(names: Names) -> None:
    busy, free = Resolver(), Resolver()
    hanging = [asyncio.create_task(busy.addresses(f"hanging-{number}.test")) for number in range(MOST_UNDER_WAY)]
    await eventually(lambda: names.asked.total() == MOST_UNDER_WAY, what="the lookups")
    with pytest.raises(OSError, match="8 other lookups are not answered"):
        await busy.addresses("there.test")
    assert await free.addresses("there.test") == ("127.0.0.1",)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_cancelled_question_leaves_nothing_behind_and_begins_no_second_lookup(names: Names) -> None:
    resolver = Resolver(max_age=0)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resolver.addresses("hanging.test"), 0.01)
    assert names.asked["hanging.test"] == 1
    assert not module._lookups["hanging.test"]._wakes


async def test_a_thread_waits_no_longer_than_it_wants_to(names: Names) -> None:
    resolver = Resolver()
    with pytest.raises(TimeoutError, match=r"the lookup of hanging.test was not answered within 0.01 s"):
        resolver.addresses_blocking("hanging.test", 0.01)
    assert resolver.addresses_blocking("there.test", HANG) == ("127.0.0.1",)
    assert names.asked == {"hanging.test": 1, "there.test": 1}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "api.localhost", "127.0.0.1", "::1", "[fd00::1]"])
async def test_what_needs_no_lookup_has_none(names: Names, host: str) -> None:
    assert await Resolver().addresses(host)
    assert not names.asked


@pytest.mark.parametrize("host", ["nowhere.test", "a" * 64 + ".test", "a..b"])
async def test_a_name_that_is_not_there_is_an_error_for_each_who_asks(names: Names, host: str) -> None:
    resolver = Resolver()
    for _ in range(2):
        with pytest.raises(OSError, match=r"\S"):
            await resolver.addresses(host)
    assert names.asked[host] == 1  # for a moment


async def test_without_keeping_each_question_is_a_lookup(names: Names) -> None:
    resolver = Resolver(max_age=0)
    assert await resolver.addresses("there.test") == ("127.0.0.1",)
    names.known["there.test"] = ["127.0.0.2"]
    assert await resolver.addresses("there.test") == ("127.0.0.2",)


async def test_what_is_kept_is_bounded(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 10)
    for number in range(50):
        names.known[f"n{number}.test"] = ["127.0.0.1"]
        await Resolver().addresses(f"n{number}.test")
    assert len(module._lookups) <= 10


async def test_the_first_address_that_takes_a_connection_is_used(names: Names) -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        names.known["two.test"] = ["127.0.0.9", "127.0.0.1"]  # nobody listens at the first
        stream = await ResolvingBackend(Resolver()).connect_tcp("two.test", port, timeout=HANG)
        assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
        await stream.aclose()


async def test_so_is_it_for_who_publishes_at_redis(names: Names) -> None:
    names.known["there.test"] = ["127.0.0.9", "127.0.0.1"]
    async with client_of(RedisOptions(url=SecretStr("redis://hanging.test:1/0")), 0.05) as client:
        with pytest.raises(redis.TimeoutError):
            await client.ping()
    async with client_of(RedisOptions(url=SecretStr("redis://there.test:1/0")), HANG) as client:
        with pytest.raises(redis.ConnectionError, match=r"there\.test:1"):
            await client.ping()
    assert names.asked == {"hanging.test": 1, "there.test": 1}


async def test_a_name_that_hangs_is_a_timeout_of_connecting(names: Names) -> None:
    with pytest.raises(httpcore.ConnectTimeout):
        await ResolvingBackend(Resolver()).connect_tcp("hanging.test", 80, timeout=0.01)
    assert names.asked["hanging.test"] == 1
