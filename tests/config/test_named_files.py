"""The files that a configuration names are part of it: a reload compares what is in them, and Redis' are read anew."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi
import pytest

from relay.config.settings import Settings
from relay.lanes.build import LaneSet, SinkEnvironment, make_lanes
from relay.lifecycle.reload import restart_needed
from relay.process.clock import Clock
from relay.store.outbox import Outbox
from relay.store.store import Store
from relay.subscription.connect import ConnectError, connect
from tests.support import Valkey

CERTIFICATES = Path(certifi.where()).read_bytes()
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def environment() -> Iterator[SinkEnvironment]:
    with contextlib.closing(Store(None)) as store:
        outbox = Outbox(store, Settings().outbox)
        clock = Clock(lambda: datetime.now(UTC))
        yield SinkEnvironment(clock=clock, store=store, outbox=outbox, muted=lambda _: None, user_agent="test")


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def settings(**options: Any) -> Settings:
    webhook = {"type": "webhook", "url": "https://receiver.test/hook"} | options
    return Settings.model_validate({"sinks": {"app": webhook}})


async def is_taken_over(environment: SinkEnvironment, file: Path, after: bytes, **options: Any) -> bool:
    """Whether a reload makes the lane anew once that file has changed, and did not before."""
    given = settings(**options)
    first = await make_lanes(given, LaneSet({}, {}, []), environment)
    same = await make_lanes(given, first, environment)
    assert same.lanes["app"] is first.lanes["app"]
    write(file, after)
    renewed = await make_lanes(given, same, environment)
    return renewed.lanes["app"] is not first.lanes["app"]


async def test_a_renewed_ca_file_is_taken_over(environment: SinkEnvironment, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    write(file, CERTIFICATES)
    assert await is_taken_over(environment, file, CERTIFICATES + b"\n", ca_file=str(file))


async def test_so_is_a_secret(environment: SinkEnvironment, tmp_path: Path) -> None:
    file = tmp_path / "key"
    write(file, KEY.encode())
    assert await is_taken_over(environment, file, KEY.replace("M", "N").encode(), secret_file=str(file))


async def test_and_what_ssl_cert_file_names(
    environment: SinkEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    write(file, CERTIFICATES)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert await is_taken_over(environment, file, CERTIFICATES + b"\n")


def of_redis(valkey: Valkey, file: Path) -> Settings:
    redis = {"url": f"redis://127.0.0.1:{valkey.port}/0", "password_file": str(file)}
    return Settings.model_validate({"redis": redis})


def test_the_password_file_of_redis_is_read_at_each_connection(valkey: Valkey, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    valkey.client.config_set("requirepass", "first")
    given = of_redis(valkey, file)
    connect(given.redis).sock.close()
    valkey.client.config_set("requirepass", "second")
    with pytest.raises(ConnectError) as caught:
        connect(given.redis)
    assert "first" not in str(caught.value)
    file.write_text("second\n")
    connect(given.redis).sock.close()
    assert not restart_needed(given, of_redis(valkey, file))
    file.unlink()
    with pytest.raises(ConnectError):
        connect(given.redis)  # with the first one, which was read at the start
