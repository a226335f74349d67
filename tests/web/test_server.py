"""The web server inside the daemon: it begins and ends with it, and its loop does not look at the clock meanwhile."""

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from relay.config.settings import Settings
from relay.daemon import Daemon
from tests.support.waiting import free_port


async def test_it_answers_until_it_is_told_to_end_and_ends_at_once(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path, "http": {"listen": f"127.0.0.1:{free_port()}"}})
    daemon = Daemon(settings, tmp_path / "config.yaml")
    await daemon.web.start()
    async with httpx.AsyncClient(base_url=f"http://{daemon.web.address}") as asking:
        assert (await asking.get("/healthz")).text == "ok\n"
        async with asyncio.timeout(120):
            await daemon.web.stop()
    async with httpx.AsyncClient(base_url=f"http://{daemon.web.address}") as asking:
        with pytest.raises(httpx.ConnectError):
            await asking.get("/healthz")
    daemon.parts.store.close()


class Counting(Collector):
    """Counts how often it is asked."""

    made = 0

    def collect(self) -> list[Metric]:
        self.made += 1
        return []


@pytest.mark.parametrize(("max_age", "times"), [("1h", 1), ("0s", 3)])
async def test_the_metrics_are_made_as_often_as_configured(tmp_path: Path, max_age: str, times: int) -> None:
    http = {"listen": f"127.0.0.1:{free_port()}", "metrics_max_age": max_age}
    daemon = Daemon(Settings.model_validate({"state_dir": tmp_path, "http": http}), tmp_path / "config.yaml")
    counting = Counting()
    daemon.parts.registry.register(counting)
    await daemon.web.start()
    async with httpx.AsyncClient(base_url=f"http://{daemon.web.address}") as asking:
        for _ in range(3):
            assert (await asking.get("/metrics")).status_code == 200
    await daemon.web.stop()
    daemon.parts.store.close()
    assert counting.made == times


async def test_what_is_no_http_is_refused_without_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path, "http": {"listen": f"127.0.0.1:{free_port()}"}})
    daemon = Daemon(settings, tmp_path / "config.yaml")
    await daemon.web.start()
    host, _, port = daemon.web.address.partition(":")
    upgrade = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    too_long = b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000
    for data, status in ((b"\x16\x03\x01\r\n\r\n", b"400"), (too_long, b"400"), (upgrade, b"200")):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        assert (await asyncio.wait_for(reader.readline(), 120)).split()[1] == status
        writer.close()
    await daemon.web.stop()
    daemon.parts.store.close()
    assert caplog.records == []


def test_liveness_is_healthz_wherever_it_is_configured() -> None:
    dockerfile = Path("Dockerfile").read_text()
    assert "HEALTH_URL=http://127.0.0.1:9108/healthz" in dockerfile
    instructions = [line for line in dockerfile.splitlines() if not line.startswith("#")]
    assert "readyz" not in "\n".join(instructions)
    operations = Path("docs/operations.md").read_text()
    assert "a liveness probe must not be `/readyz`" in operations.lower()
