"""Name servers that do not answer: only who needs the name waits, and nobody waits at the end."""

import asyncio
import json
import socket
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support import Numbered, Valkey, eventually, until
from tests.support.relay_process import Json
from tests.support.silent_names import HEALTHY, RelayWithSilentNames, silent_server
from tickstock_simulator.webhook import WebhookStandIn

pytestmark = pytest.mark.faults

COUNT = 20
SHUTDOWN = 3.0
END = SHUTDOWN + 1.0
"""Seconds that SIGTERM may take."""
SOON = 5.0
"""Seconds within which an event is delivered, with 15 to 45 as it was; this machine may be slow."""


def webhook(url: str) -> Json:
    return {"type": "webhook", "url": url, "allow_plain_http": True, "attempts": 1, "timeout": "10s"}


def asked(server: socket.socket) -> bool:
    """Whether a question has come to the name server; it is taken."""
    server.settimeout(0.01)
    try:
        server.recv(4096)
    except TimeoutError:
        return False
    return True


def assert_ends(relay: RelayWithSilentNames) -> float:
    begun = time.monotonic()
    assert relay.terminate() == 0
    seconds = time.monotonic() - begun
    assert seconds < END
    return seconds


@pytest.mark.parametrize("hanging", [1, 2])
async def test_a_healthy_sink_and_the_api_go_on(tmp_path: Path, valkey: Valkey, report: Report, hanging: int) -> None:
    async with WebhookStandIn() as place, WebhookStandIn() as api:
        sinks = {f"hanging{number}": webhook(f"http://hanging-{number}.test/") for number in range(hanging)}
        sinks["app"] = webhook(f"http://{HEALTHY}:{place.port}/")
        config: Json = {
            "sinks": sinks,
            "routes": [{"name": "numbered", "match": {"event": "numbered"}, "to": list(sinks)}],
            "tickstockpl": {"base_url": f"http://localhost:{api.port}"},
            "watchdog": {"poll_interval": "1s"},
            "shutdown_timeout": SHUTDOWN,
        }
        with silent_server(tmp_path) as server, RelayWithSilentNames(tmp_path, valkey.url, config=config) as relay:
            with Numbered(valkey.port, 10) as traffic:
                await eventually(lambda: traffic.sent >= COUNT, 30, what="traffic")
            begun = time.monotonic()
            await eventually(lambda: len(place.accepted) >= traffic.sent, SOON, what="delivery")
            seconds = time.monotonic() - begun
            assert asked(server)
            polls = len(api.deliveries)
            await eventually(lambda: len(api.deliveries) >= polls + 2, 10, what="questions to the API")
            ended = await asyncio.to_thread(assert_ends, relay)
    arrived = {json.loads(each.body)["payload"]["n"] for each in place.accepted}
    assert arrived >= traffic.taken
    report(
        f"DNS hanging with {hanging} name{'s' * (hanging > 1)}",
        injections=hanging,
        messages=traffic.sent,
        lost=len(traffic.taken - arrived),
        seconds=seconds,
        remark=f"SIGTERM took {ended:.1f} s",
    )


@pytest.mark.parametrize(
    "config",
    [
        {"redis": {"url": "redis://hanging-redis.test:6379/0"}},
        {"redis": {"url": "redis+sentinel://hanging-a.test,hanging-b.test/mymaster"}},
        {"tickstockpl": {"base_url": "http://hanging-api.test:8080"}, "watchdog": {"poll_interval": "1s"}},
    ],
    ids=["redis", "sentinels", "api"],
)
def test_sigterm_does_not_wait_for_a_name(tmp_path: Path, shared_valkey: Valkey, report: Report, config: Json) -> None:
    config = config | {"shutdown_timeout": SHUTDOWN}
    with (
        silent_server(tmp_path) as server,
        RelayWithSilentNames(tmp_path, shared_valkey.url, config=config, ready=False) as relay,
    ):
        until(lambda: asked(server), what="a question to the name server")
        ended = assert_ends(relay)
    report(f"DNS hanging for {next(iter(config))}", injections=1, messages=0, remark=f"SIGTERM took {ended:.1f} s")
