"""The service manager's copy of the socket is dropped when nobody could go on from it: dead, or within a message."""

import asyncio

import pytest

from relay.subscription.socket import PEEK_AT_MOST
from tests.support import TcpProxy, Valkey, eventually
from tests.support.listening import Listener, listening


class Store:
    """What a service manager keeps, in place of systemd's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept: set[str] = set()
        self.dropped: list[str] = []
        monkeypatch.setattr("relay.process.systemd.store", self._store)
        monkeypatch.setattr("relay.process.systemd.forget", self._forget)

    def _store(self, descriptor: int, name: str) -> bool:
        self.kept.add(name)
        return descriptor >= 0

    def _forget(self, name: str) -> bool:
        self.kept.discard(name)
        self.dropped.append(name)
        return True


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


def stream(listener: Listener) -> str:
    connection = listener.subscription._connection
    assert connection is not None
    return connection.stream


async def test_a_subscribed_socket_is_kept_and_its_copy_outlives_the_process(
    shared_valkey: Valkey, store: Store
) -> None:
    async with listening(url=shared_valkey.url) as listener:
        await listener.subscribed()
        assert [name.split(".")[1] for name in store.kept] == [stream(listener)]
    assert len(store.kept) == 1
    assert store.dropped == []


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_the_copy_of_a_dead_socket_is_dropped(proxy: TcpProxy, store: Store, *, reset: bool) -> None:
    async with listening(url=f"redis://127.0.0.1:{proxy.port}/0") as listener:
        await listener.subscribed()
        (dead,) = store.kept
        proxy.cut(reset=reset)
        await eventually(lambda: len(listener.links) == 3)
        assert store.dropped == [dead]
        assert [name.split(".")[1] for name in store.kept] == [stream(listener)]


async def test_the_copy_is_dropped_in_the_middle_of_a_message_and_kept_again_behind_it(
    shared_valkey: Valkey, proxy: TcpProxy, store: Store
) -> None:
    async with listening(url=f"redis://127.0.0.1:{proxy.port}/0") as listener:
        await listener.subscribed()
        (kept,) = store.kept
        proxy.rate = 4 * PEEK_AT_MOST
        await asyncio.to_thread(shared_valkey.publish, "tickstock:a:b", b"x" * (4 * PEEK_AT_MOST))
        await eventually(lambda: store.dropped == [kept], what="the copy dropped")
        proxy.rate = None
        await listener.received_all(1)
        await eventually(lambda: store.kept == {kept}, what="the copy kept again")
    assert store.dropped == [kept]


async def test_the_copy_of_a_server_that_is_not_the_right_one_is_dropped(shared_valkey: Valkey, store: Store) -> None:
    async with listening(url=shared_valkey.url) as listener:
        await listener.subscribed()
        (kept,) = store.kept
        listener.subscription.problem = "isolated"
        listener.subscription._settle()
        assert store.dropped == [kept]
        assert not listener.subscription.subscribed
