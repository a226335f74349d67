"""Redis' words are understood: each kind of error is reported in them, and handled as it needs."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.subscription.errors import ErrorKind, kind_of, place_in, remedy
from tests.support import Valkey, eventually
from tests.support.failover import setuser
from tests.support.listening import listening
from tests.support.scripted_redis import CONFIRMED, published, scripted_redis

QUICK: dict[str, Any] = {"ping_interval": "50ms", "ping_timeout": "2s", "server_check_interval": "50ms"}


def url_of(port: int, user: str = "") -> str:
    return f"redis://{user}127.0.0.1:{port}/0"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.subscription.commands.PASSING_WAIT", 0.05)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NOAUTH Authentication required.", ErrorKind.REFUSED),
        ("WRONGPASS invalid username-password pair or user is disabled.", ErrorKind.REFUSED),
        ("NOPERM No permissions to access a channel", ErrorKind.REFUSED),
        ("DENIED Redis is running in protected mode", ErrorKind.REFUSED),
        ("ERR something that nobody knew when this was written", ErrorKind.REFUSED),
        ("LOADING Redis is loading the dataset in memory", ErrorKind.PASSING),
        ("BUSY Redis is busy running a script.", ErrorKind.PASSING),
        ("MASTERDOWN Link with MASTER is down", ErrorKind.PASSING),
        ("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind.PASSING),
        ("ERR max number of clients reached", ErrorKind.PASSING),
        ("ERR max number of clients + cluster connections reached", ErrorKind.PASSING),
        ("MOVED 3999 127.0.0.1:6381", ErrorKind.MOVED),
        ("REDIRECT 127.0.0.1:6381", ErrorKind.MOVED),
        ("READONLY You can't write against a read only replica.", ErrorKind.MOVED),
    ],
)
def test_errors_are_of_four_kinds(text: str, kind: ErrorKind) -> None:
    assert kind_of(text) is kind


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("MOVED 3999 127.0.0.1:6381", ("127.0.0.1", 6381)),
        ("ASK 3999 redis.example:6381", ("redis.example", 6381)),
        ("REDIRECT [fd00::1]:6379", ("fd00::1", 6379)),
        ("MOVED 3999 :6381", None),
        ("MOVED 3999 127.0.0.1:6381 and more", None),
        ("READONLY You can't write against a read only replica.", None),
    ],
)
def test_where_the_right_one_is_is_read_from_the_words(text: str, place: tuple[str, int] | None) -> None:
    assert place_in(text) == place


def test_a_remedy_goes_with_the_words() -> None:
    assert "ACL SETUSER" in remedy("Redis refuses: NOPERM No permissions to access a channel")
    assert "Is Redis up?" in remedy("no connection: refused")


@pytest.mark.parametrize(
    "text",
    [
        "NOPERM No permissions to access a channel",
        "NOAUTH Authentication required.",
        "ERR unknown command 'PSUBSCRIBE', with args beginning with: 'tickstock:*'",
    ],
)
async def test_a_refusal_is_told_in_the_server_s_words_and_tried_again_slowly(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(min(seconds, 0.02))

    async with scripted_redis(PSUBSCRIBE=[b"-%b\r\n" % text.encode()] * 2) as redis:
        monkeypatch.setattr(asyncio, "sleep", sleep)
        with capture_logs() as logs:
            async with listening(url=url_of(redis.port), server_check_interval="1h") as listener:
                await listener.subscribed()
    assert [line["reason"] for line in logs if line["event"] == "not subscribed"] == [f"Redis refuses: {text}"]
    assert sum(5 <= seconds <= 10 for seconds in waits) == 2
    assert listener.links[0].subscribed


@pytest.mark.parametrize(
    "text", ["LOADING Redis is loading the dataset in memory", "BUSY Redis is busy", "MASTERDOWN Link is down", "OOM x"]
)
async def test_a_passing_error_is_waited_for_on_the_same_connection(text: str) -> None:
    async with scripted_redis(PSUBSCRIBE=[b"-%b\r\n" % text.encode()] * 3) as redis:
        async with listening(url=url_of(redis.port), server_check_interval="1h") as listener:
            await eventually(lambda: text in listener.subscription.reason)
            await listener.subscribed()
            redis.send(published(b"x"))
            await listener.received_all(1)
        assert (redis.connections, redis.count("PSUBSCRIBE")) == (1, 4)


@pytest.mark.parametrize("text", ["LOADING reading", "BUSY script", "MASTERDOWN Link is down"])
async def test_a_passing_answer_to_a_probe_is_an_answer(text: str) -> None:
    """What is unread behind it stays readable."""
    error = b"-%b\r\n" % text.encode()
    async with scripted_redis(PING=[error + published(b"1"), error, published(b"2") + error]) as redis:
        async with listening(url=url_of(redis.port), **QUICK | {"server_check_interval": "1h"}) as listener:
            await listener.received_all(2)
        assert redis.connections == 1
    assert listener.received == [b"1", b"2"]
    assert len(listener.links) == 1


@pytest.mark.parametrize("text", ["MOVED 3999 127.0.0.1:{port}", "REDIRECT 127.0.0.1:{port}"])
async def test_a_server_that_names_another_is_followed(valkey: Valkey, text: str) -> None:
    error = b"-%b\r\n" % text.format(port=valkey.port).encode()
    async with scripted_redis(PSUBSCRIBE=[error]) as redis, listening(url=url_of(redis.port), **QUICK) as listener:
        await listener.subscribed()
        await asyncio.to_thread(valkey.publish, "tickstock:a:b", b"x")
        await listener.received_all(1)
        looks = valkey.client.info("commandstats")["cmdstat_role"]["calls"]
        await eventually(lambda: valkey.client.info("commandstats")["cmdstat_role"]["calls"] > looks + 3)
        assert len(listener.links) == 1, "it stays there"
        valkey.kill()
        await eventually(lambda: redis.count("PSUBSCRIBE") == 2)
        await listener.subscribed()


async def test_read_only_means_to_ask_again_where_to_connect() -> None:
    async with scripted_redis(PSUBSCRIBE=[b"-READONLY You can't write against a read only replica.\r\n"]) as redis:
        with capture_logs() as logs:
            async with listening(url=url_of(redis.port)) as listener:
                await listener.subscribed()
        assert redis.connections == 2
    assert "Redis names another server: READONLY" in str(logs)


@pytest.mark.parametrize("rubbish", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b",1.5\r\n", b"\x15\x03\x01\x00\x02\x02"])
async def test_what_is_no_resp_ends_the_connection(rubbish: bytes) -> None:
    async with scripted_redis() as redis, listening(url=url_of(redis.port)) as listener:
        await listener.subscribed()
        redis.send(rubbish)
        await eventually(lambda: len(listener.links) == 3)
    assert "Redis speaks another protocol" in listener.links[1].reason


async def test_messages_before_an_error_are_handed_out() -> None:
    batch = CONFIRMED + published(b"1") + b"-NOAUTH Authentication required.\r\n"
    async with scripted_redis(PSUBSCRIBE=[batch]) as redis, listening(url=url_of(redis.port)) as listener:
        await eventually(lambda: len(listener.links) == 2)
    assert listener.received == [b"1"]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("rules", [["+psubscribe"], ["+psubscribe", "+role"], ["+psubscribe", "+info", "+ping"]])
async def test_an_acl_of_least_privilege_is_enough(shared_valkey: Valkey, protocol: int, rules: list[str]) -> None:
    """Without PING a quiet connection stays all the same, and what is not allowed is not asked for again and again."""
    setuser(shared_valkey, "least", "reset", "on", ">x", "&tickstock:*", *rules)
    shared_valkey.client.acl_log_reset()
    options: dict[str, Any] = QUICK | {"protocol": protocol, "url": url_of(shared_valkey.port, "least:x@")}
    async with listening(**options) as listener:
        await listener.subscribed()
        connection = listener.subscription._connection
        assert connection is not None
        probes = 0
        before = connection.received_at
        while probes < 5:
            await eventually(lambda: connection.received_at > before)  # noqa: B023 - it is awaited here
            before, probes = connection.received_at, probes + 1
        await asyncio.to_thread(shared_valkey.publish, "tickstock:a:b", b"x")
        await listener.received_all(1)
    assert len(listener.links) == 1
    denied: Any = shared_valkey.client.acl_log()
    assert sum(entry["count"] for entry in denied) <= 4, "each once: CLIENT, INFO, ROLE, PING"


async def test_too_many_clients_are_told_as_such_and_waited_for(valkey: Valkey) -> None:
    valkey.client.config_set("maxclients", 1)
    with capture_logs() as logs:
        async with listening(url=valkey.url) as listener:
            await eventually(lambda: "max number of clients" in listener.subscription.reason)
            valkey.client.config_set("maxclients", 100)
            await listener.subscribed()
    assert "Redis cannot answer now: ERR max number of clients reached" in str(logs)


async def test_a_login_that_is_refused_only_now_leaves_a_living_subscription_alone(valkey: Valkey) -> None:
    """Its password was changed: what is subscribed stays, and is read."""
    setuser(valkey, "relay", "on", ">x", "+@all", "allchannels")
    with capture_logs() as logs:
        async with listening(url=url_of(valkey.port, "relay:x@"), **QUICK) as listener:
            await listener.subscribed()
            setuser(valkey, "relay", "resetpass", ">y")
            refused = valkey.client.info("stats")["acl_access_denied_auth"]
            await eventually(lambda: valkey.client.info("stats")["acl_access_denied_auth"] > refused + 3)
            await asyncio.to_thread(valkey.publish, "tickstock:a:b", b"x")
            await listener.received_all(1)
    assert len(listener.links) == 1
    warnings = [line for line in logs if line["event"] == "subscribed, but a new connection would fail"]
    assert [line["reason"] for line in warnings] == ["WRONGPASS invalid username-password pair or user is disabled."]


async def test_too_little_memory_is_ours_and_loses_nothing(
    shared_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.subscription.connection.MEMORY_WAIT", 0.01)
    async with listening(url=shared_valkey.url) as listener:
        await listener.subscribed()
        connection = listener.subscription._connection
        assert connection is not None
        parse, failures = connection._parser.parse, 0

        def fails(unread: memoryview, start: int) -> Any:
            nonlocal failures
            failures += 1
            if failures <= 3:
                parse(unread, start)  # it has got somewhere before it fails
                raise MemoryError
            return parse(unread, start)

        monkeypatch.setattr(connection._parser, "parse", fails)
        await asyncio.to_thread(shared_valkey.publish, "tickstock:a:b", b"1")
        await listener.received_all(1)
        await asyncio.to_thread(shared_valkey.publish, "tickstock:a:b", b"2")
        await listener.received_all(2)
    assert failures >= 4
    assert listener.received == [b"1", b"2"]
    assert len(listener.links) == 1


def test_hiredis_without_memory_is_told_apart_from_another_protocol() -> None:
    program = """
from relay.subscription.resp import FrameParser
import resource
data = b"*4\\r\\n$8\\r\\npmessage\\r\\n$1\\r\\nt\\r\\n$1\\r\\nt\\r\\n$400000000\\r\\n"
parser, part, position = FrameParser(0), bytes(1 << 22), 0
parser.parse(memoryview(data), 0)
resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
position = len(data)
try:
    for _ in range(100):
        parser.parse(memoryview(part), position)
        position += len(part)
except MemoryError:
    print("memory")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout == "memory\n", ended.stderr
