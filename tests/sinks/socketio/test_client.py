"""The client of the relay's own Redis that a sink gets: with its password, by its Sentinel, over its socket."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from relay.config.settings import RedisOptions
from relay.lanes.build import _redis_client
from relay.subscription.client import client_of
from sinks.base import Reason
from sinks.socketio import SocketIoSink
from sinks.socketio.options import SocketIoOptions
from sinks.testing import make_context, make_event
from tests.support import Valkey
from tests.support.failover import failover


async def outcome_with(own: str | None = None, **given: Any) -> Reason:
    """How a delivery ends with these settings in `redis:`; `own` is the sink's own url."""
    options = RedisOptions.model_validate(given)
    context = make_context(redis=partial(_redis_client, options))
    sink = SocketIoSink(SocketIoOptions.model_validate({"every": "50ms"} | ({"url": own} if own else {})), context)
    await sink.start()
    try:
        return (await sink.deliver([make_event()], "d1")).reason
    finally:
        await sink.close()


async def test_the_password_of_the_settings_is_used() -> None:
    with Valkey("--requirepass", "hidden", password="hidden") as valkey:  # noqa: S106 - of the test
        assert await outcome_with(url=valkey.url, password="hidden") is Reason.OK  # noqa: S106
        assert await outcome_with(url=valkey.url, password="wrong") is Reason.UNAUTHORIZED  # noqa: S106
        assert await outcome_with(url=valkey.url) is Reason.UNAUTHORIZED


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with Valkey("--unixsocket", str(path)):
        assert await outcome_with(url=f"unix://{path}") is Reason.OK


async def test_the_master_that_sentinel_names(tmp_path: Path) -> None:
    with failover(tmp_path) as both:
        subscription = both.old.client.pubsub()  # type: ignore[no-untyped-call]
        subscription.subscribe("flask-socketio")
        assert await outcome_with(url=both.url) is Reason.OK
        kinds = [each["type"] for each in iter(lambda: subscription.get_message(timeout=5), None)]
        assert "message" in kinds
        subscription.close()


async def test_a_certificate_that_cannot_be_read_is_told_at_the_start(tmp_path: Path) -> None:
    missing = {"ca_file": tmp_path / "missing.pem"}
    options = RedisOptions.model_validate({"url": "rediss://127.0.0.1:1/0", "tls": missing})
    with pytest.raises(OSError, match=r"missing\.pem"):
        client_of(options, 1.0)


async def test_nobody_answers_there() -> None:
    with pytest.raises(redis.ConnectionError):
        await client_of(RedisOptions.model_validate({"url": "redis://127.0.0.1:1/0"}), 1.0).ping()
    assert await outcome_with(url="redis://127.0.0.1:1/0") is Reason.UNREACHABLE


async def test_a_url_of_its_own_does_not_get_the_relays_login() -> None:
    with Valkey("--requirepass", "hidden", password="hidden") as valkey, Valkey() as of_the_app:  # noqa: S106
        relays = {"url": of_the_app.url, "password": "hidden"}
        assert await outcome_with(own=valkey.url, **relays) is Reason.UNAUTHORIZED
        with_login = valkey.url.replace("://", "://:hidden@")
        assert await outcome_with(own=with_login, **relays) is Reason.OK
