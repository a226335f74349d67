"""The example web app in a real Chromium, fed by a real relay: with the oldest and the newest Flask-SocketIO.

The contract's own subscriber emits to the same page, so that both can be compared, value for value.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import RelayProcess, Valkey
from tests.support.waiting import free_port, until
from tests.system.browser import Browser, chromium
from tickstock_simulator.tickstockpl import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.system

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT / "examples" / "web-app"
COUNTERPARTS = {
    "oldest": ("flask-socketio==5.3.6", "python-socketio==5.8.0", "flask==3.0.3"),
    "newest": ("flask-socketio==5.7.0", "python-socketio==5.18.1"),
}
SPEED = 150.0
RECORD = "window.received = []; socket.onAny((name, data) => received.push([name, data])); true"
BAR = "document.querySelector('#phase-{} progress').value"


def python_of(name: str) -> Path:
    """The Python of a small environment with these packages, made once."""
    place = CHECKOUT / ".cache" / "socketio" / name
    packages = (*COUNTERPARTS[name], "redis==8.1.0", "simple-websocket==1.1.0")
    made = place / ".packages"
    if not made.exists() or made.read_text() != " ".join(packages):
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        subprocess.run([place / "bin" / "pip", "install", "-q", *packages], check=True)
        made.write_text(" ".join(packages))
    return place / "bin" / "python"


@contextmanager
def web_app(name: str, valkey: Valkey, log: Path) -> Iterator[str]:
    """The example with the contract's subscriber; its address."""
    port = free_port()
    given = {"REDIS_URL": valkey.url, "PORT": str(port), "PYTHONPATH": str(EXAMPLE)}
    command = [python_of(name), CHECKOUT / "tests" / "system" / "contract_app.py"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | given, stdout=output, stderr=output)
    try:
        until(lambda: _listens(port) or process.poll() is not None, what="the web app")
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def relay(directory: Path, valkey: Valkey) -> Iterator[RelayProcess]:
    route = {"name": "web app", "match": {"channel": "=~^(tickstock|relay):"}, "to": ["web"]}
    config = {"sinks": {"web": {"type": "socketio"}}, "routes": [route], "watchdog": {"enabled": False}}
    with RelayProcess(directory, valkey.url, config=config) as process:
        yield process


@asynccontextmanager
async def opened(url: str, directory: Path) -> AsyncIterator[Browser]:
    async with chromium(directory / "profile") as browser:
        await open_page(browser, url)
        yield browser


async def open_page(browser: Browser, url: str) -> None:
    """Open it, join /admin, and keep what comes."""
    await browser.go(url)
    await browser.ask(RECORD)
    await browser.until("document.querySelector('#connection').textContent === 'live'")


@pytest.mark.parametrize("counterpart", COUNTERPARTS)
async def test_a_run_is_shown_live_as_the_contract_shows_it(counterpart: str, tmp_path: Path, valkey: Valkey) -> None:
    with web_app(counterpart, valkey, tmp_path / "app.log") as url, relay(tmp_path, valkey):
        async with opened(url, tmp_path) as browser:
            until(lambda: valkey.client.pubsub_numsub("flask-socketio")[0][1] == 1, what="the app's listener")
            faults = ("html-in-error",)
            async with Simulator(valkey.url, speed=SPEED, run="now", runs=1, faults=faults):
                await browser.until(f"{BAR.format('import')} > 0 && {BAR.format('import')} < 100")
                await browser.until("document.querySelector('#errors').textContent.includes('<script>')")
                await browser.until("received.some(([name]) => name === 'contract:import_complete')")
                await browser.until("received.some(([name]) => name === 'import_complete')")
                compare(await browser.ask("received"), "processing_status", "import_progress", "import_complete")
                await browser.until(f"{BAR.format('indicators')} > 0")
                await open_page(browser, url)  # late: nothing of import comes any more but by run_state
                await browser.until(f"{BAR.format('import')} === 100", 30)
                await browser.until("document.querySelector('#status').textContent === 'completed'")
            for phase in ("import", "cache", "indicators", "patterns"):
                assert await browser.ask(BAR.format(phase)) == 100
            assert await browser.ask("document.querySelector('#errors script, #errors img')") is None
            assert await browser.ask("document.querySelector('#errors').textContent.includes('<script>')")
            compare(await browser.ask("received"), "processing_status")
            assert browser.complaints == []


def compare(received: list[tuple[str, dict[str, Any]]], *names: str) -> None:
    """Ours are the contract's, value for value; of progress, where the newest wins, each is one of the contract's."""
    for name in names:
        theirs = [data for other, data in received if other == f"contract:{name}"]
        ours = [{key: data[key] for key in theirs[0]} for other, data in received if other == name]
        assert ours, name
        if name == "import_progress":
            assert all(data in theirs for data in ours)
        else:
            assert ours[: len(theirs)] == theirs[: len(ours)]
