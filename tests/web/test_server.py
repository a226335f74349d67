"""The web server inside the daemon: it begins and ends with it, and its loop does not look at the clock meanwhile."""

import asyncio
from pathlib import Path

import httpx
import pytest

from relay.config.settings import Settings
from relay.daemon import Daemon
from tests.parts.waiting import free_port


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
    daemon.store.close()
