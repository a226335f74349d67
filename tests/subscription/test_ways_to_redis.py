"""Ways to a Redis: as a user, by a Unix socket, TLS or Sentinel, and what is said where it refuses."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from relay.check import connections
from relay.config.settings import RedisOptions
from relay.subscription.client import client_of
from relay.subscription.connect import ConnectError, connect
from tests.support import Valkey, eventually, free_port
from tests.support.certificates import certificate
from tests.support.listening import MEGABYTE, listening, publish
from tests.support.waiting import HANG

NO_PEM = "it holds no certificate in PEM form"
TLS = Path(__file__).parents[1] / "testdata" / "tls"


def allow(valkey: Valkey, user: str, *rules: str) -> None:
    """Make a user of Redis' access control."""
    valkey.client.execute_command("ACL", "SETUSER", user, *rules)  # type: ignore[no-untyped-call]


async def test_an_acl_user_logs_in(shared_valkey: Valkey) -> None:
    shared_valkey.client.execute_command(  # type: ignore[no-untyped-call]
        "ACL",
        "SETUSER",
        "relay",
        "on",
        ">p@ss:w/rd",
        "&tickstock:*",
        "+@pubsub",
        "+ping",
        "+hello",
        "+client",
        "+select",
    )
    encoded = "p%40ss%3Aw%2Frd"
    both: list[dict[str, Any]] = [
        {"url": f"redis://relay:{encoded}@127.0.0.1:{shared_valkey.port}/0"},
        {"url": shared_valkey.url, "username": "relay", "password": "p@ss:w/rd"},
    ]
    for options in both:
        async with listening(**options) as listener:
            await listener.subscribed()
            await publish(shared_valkey, b"x")
            await listener.received_all(1)


@pytest.mark.parametrize("form", ["url", "options"])
async def test_a_wrong_password_is_said_without_the_password(shared_valkey: Valkey, form: str) -> None:
    allow(shared_valkey, "other", "on", ">right", "+@all", "allchannels")
    in_url = {"url": f"redis://other:hunter%402@127.0.0.1:{shared_valkey.port}/0"}
    given = {"url": shared_valkey.url, "username": "other", "password": "hunter@2"}
    options: dict[str, Any] = in_url if form == "url" else given
    with capture_logs() as logs:
        async with listening(**options) as listener:
            await eventually(lambda: logs)
    assert "invalid username-password pair" in str(logs)
    assert "hunter" not in str(logs)
    assert listener.links == []


async def test_a_user_who_may_not_subscribe_is_told_so(shared_valkey: Valkey) -> None:
    allow(shared_valkey, "deaf", "on", ">x", "+@all", "resetchannels", "&elsewhere")
    with capture_logs() as logs:
        async with listening(url=f"redis://deaf:x@127.0.0.1:{shared_valkey.port}/0"):
            await eventually(lambda: logs)
    assert "NOPERM" in str(logs)


async def test_a_unix_socket_is_listened_to(tmp_path: Path) -> None:
    path = tmp_path / "valkey.sock"
    with Valkey("--unixsocket", str(path)) as valkey:
        async with listening(url=f"unix://{path}") as listener:
            await listener.subscribed()
            await publish(valkey, b"small", b"x" * 3 * MEGABYTE, b"after")
            await listener.received_all(3)
            assert listener.subscription.descriptor() == {}, "it cannot be handed over"
        assert [len(data) for data in listener.received] == [5, 3 * MEGABYTE, 5]


async def test_tls_is_listened_to_and_its_certificate_checked(shared_valkey: Valkey) -> None:
    async with _tls_in_front_of(shared_valkey) as port:
        async with listening(url=f"rediss://localhost:{port}/0", tls={"ca_file": str(TLS / "ca.pem")}) as listener:
            await listener.subscribed()
            await publish(shared_valkey, b"small", b"x" * 3 * MEGABYTE, b"after")
            await listener.received_all(3)
            assert listener.subscription.descriptor() == {}, "it cannot be handed over"
        assert [len(data) for data in listener.received] == [5, 3 * MEGABYTE, 5]
        unknown = RedisOptions.model_validate({"url": f"rediss://localhost:{port}/0"})
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await asyncio.to_thread(connect, unknown)


async def test_sentinel_says_where_the_master_is(shared_valkey: Valkey, tmp_path: Path) -> None:
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor ticks 127.0.0.1 {shared_valkey.port} 1\n")
    with Valkey(str(config), sentinel=True) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}/ticks/0"
        async with listening(url=url) as listener:
            await listener.subscribed()
            await publish(shared_valkey, b"x")
            await listener.received_all(1)


async def test_a_sentinel_that_takes_its_master_for_down_is_passed_over(shared_valkey: Valkey, tmp_path: Path) -> None:
    cut_off, knowing = tmp_path / "cut_off.conf", tmp_path / "knowing.conf"
    cut_off.write_text(
        f"sentinel monitor ticks 127.0.0.1 {free_port()} 2\nsentinel down-after-milliseconds ticks 100\n"
    )
    knowing.write_text(f"sentinel monitor ticks 127.0.0.1 {shared_valkey.port} 1\n")
    with Valkey(str(cut_off), sentinel=True) as first, Valkey(str(knowing), sentinel=True) as second:
        alone = RedisOptions.model_validate({"url": f"redis+sentinel://127.0.0.1:{first.port}/ticks/0"})

        def takes_it_for_down() -> bool:
            try:
                connect(alone)
            except ConnectError as error:
                return "considers the master down" in str(error)
            return False

        await eventually(takes_it_for_down, what="the Sentinel's verdict")
        url = f"redis+sentinel://127.0.0.1:{first.port},127.0.0.1:{second.port}/ticks/0"
        async with listening(url=url) as listener:
            await listener.subscribed()


async def test_sentinels_with_a_password_of_their_own_are_logged_in_to(shared_valkey: Valkey, tmp_path: Path) -> None:
    config = tmp_path / "sentinel.conf"
    config.write_text(f"requirepass watch\nsentinel monitor ticks 127.0.0.1 {shared_valkey.port} 1\n")
    with Valkey(str(config), sentinel=True, password="watch") as sentinel:  # noqa: S106 - the test's own
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/ticks/0"
        async with listening(url=url, sentinel={"password": "watch"}) as listener:
            await listener.subscribed()
        refused = RedisOptions.model_validate({"url": url, "sentinel": {"password": "guess"}})
        with pytest.raises(ConnectError, match=r"no Sentinel knows where 'ticks' is: .* invalid username") as caught:
            await asyncio.to_thread(connect, refused)
        assert "guess" not in str(caught.value)
        assert len(str(caught.value)) < 200, "nothing of the client's inside"
        unknown = RedisOptions.model_validate({"url": f"{url[:-8]}/other/0", "sentinel": {"password": "watch"}})
        with pytest.raises(ConnectError, match="No such master with that name"):
            await asyncio.to_thread(connect, unknown)


async def test_a_client_of_the_same_redis_checks_the_certificate_by_the_name(shared_valkey: Valkey) -> None:
    async with _tls_in_front_of(shared_valkey) as port:
        options = {"url": f"rediss://localhost:{port}/0", "tls": {"ca_file": str(TLS / "ca.pem")}}
        async with client_of(RedisOptions.model_validate(options), HANG) as client:
            assert await client.ping()
        async with client_of(RedisOptions.model_validate({"url": options["url"]}), HANG) as client:
            with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
                await client.ping()


@pytest.fixture(params=["file", "directory"])
def named_authority(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment names the authority of our server's certificate; what it trusts."""
    if request.param == "file":
        monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "ca.pem"))
    else:
        shutil.copy(TLS / "ca.pem", tmp_path)
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("named_authority")
async def test_without_a_ca_file_the_authorities_of_the_environment_are_trusted(shared_valkey: Valkey) -> None:
    """By the subscription, by `check`, and by who publishes."""
    async with _tls_in_front_of(shared_valkey) as port:
        options = RedisOptions.model_validate({"url": f"rediss://localhost:{port}/0"})
        async with listening(url=f"rediss://localhost:{port}/0") as listener:
            await listener.subscribed()
        assert (await asyncio.to_thread(connections._try_redis, options)).startswith("answers")
        async with client_of(options, HANG) as client:
            assert await client.ping()


@pytest.mark.parametrize("how", ["ca_file", "SSL_CERT_FILE"])
async def test_nobody_is_trusted_beside_the_authorities_that_are_named(
    shared_valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The server's is among the system's here; another one is named."""
    other, _ = await certificate(tmp_path, "other")
    tls: dict[str, str] = {}
    if how == "ca_file":
        monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "ca.pem"))
        tls = {"ca_file": str(other)}
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
    async with _tls_in_front_of(shared_valkey) as port:
        options = RedisOptions.model_validate({"url": f"rediss://localhost:{port}/0", "tls": tls})
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await asyncio.to_thread(connect, options)
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await asyncio.to_thread(connections._try_redis, options)
        async with client_of(options, HANG) as client:
            with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
                await client.ping()


async def test_a_client_by_sentinels_trusts_the_authorities_of_the_environment(
    shared_valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "sentinel.conf"
    async with _tls_in_front_of(shared_valkey) as port:
        config.write_text(f"sentinel monitor ticks 127.0.0.1 {port} 1\n")
        with Valkey(str(config), sentinel=True) as sentinel:
            async with _tls_in_front_of(sentinel) as asked:
                url = f"rediss+sentinel://localhost:{asked}/ticks/0"
                options = RedisOptions.model_validate({"url": url, "tls": {"check_hostname": False}})
                async with client_of(options, HANG) as client:
                    with pytest.raises(redis.ConnectionError):
                        await client.ping()
                monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "ca.pem"))
                async with client_of(options, HANG) as client:
                    assert await client.ping()


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel"])
@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "it cannot be read: No such file or directory"), ("", NO_PEM), ("no certificate\n", NO_PEM)],
)
async def test_a_ca_file_that_cannot_be_used_is_named_with_why(
    tmp_path: Path, scheme: str, content: str | None, why: str
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    url = f"{scheme}://localhost:{free_port()}/" + ("ticks/0" if "+" in scheme else "0")
    options = RedisOptions.model_validate({"url": url, "tls": {"ca_file": str(ca_file)}})
    with pytest.raises(ConnectError) as refused:
        await asyncio.to_thread(connect, options)
    assert str(refused.value).endswith(f"cannot use ca_file {ca_file}: {why}")


async def test_sentinels_of_a_tls_master_are_asked_by_tls(shared_valkey: Valkey, tmp_path: Path) -> None:
    config = tmp_path / "sentinel.conf"
    async with _tls_in_front_of(shared_valkey) as port:
        config.write_text(f"sentinel monitor ticks 127.0.0.1 {port} 1\n")
        with Valkey(str(config), sentinel=True) as sentinel:
            async with _tls_in_front_of(sentinel) as asked:
                url = f"rediss+sentinel://localhost:{asked}/ticks/0"
                tls = {"ca_file": str(TLS / "ca.pem"), "check_hostname": False}
                async with listening(url=url, tls=tls) as listener:
                    await listener.subscribed()


class _tls_in_front_of:  # noqa: N801 - reads as a function
    """TLS for a Valkey built without it: accepts, takes the TLS off, forwards."""

    def __init__(self, valkey: Valkey) -> None:
        self._upstream = valkey.port

    async def __aenter__(self) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "server.pem")
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(1 << 16):
            target.write(chunk)
            await target.drain()
    except OSError:
        pass  # one side is gone; the other sees the connection close
    finally:
        target.close()
