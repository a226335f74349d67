"""Reading the configuration again: one reload at a time, no request forgotten, and always an end.

A request that comes while a reload runs is served by the next one, as the file may have changed meanwhile. Whatever
goes wrong, the old configuration stays in force, the service manager gets READY=1, and log, metric, alert and answer
agree. What it takes to put a configuration in force is in `relay.lifecycle.configurator` (`Apply`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from relay.check.report import Report, examine
from relay.config.settings import RedisOptions
from relay.process import systemd
from relay.process.worker import Worker
from sinks.base import SinkError
from sinks.options import FileSecret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    from relay.config.settings import Settings

    Apply = Callable[[Settings], Awaitable[list[str]]]
    """Puts settings in force and returns the changed sections that need a restart; raises when it has not."""

SINK_START_TIMEOUT = 15.0
"""Seconds for the new sinks to start; systemd allows the whole command 30."""
RELOADABLE = frozenset({"sinks", "routes", "tests", "watchdog", "redaction", "outbox", "links", "name", "summary"})
"""Sections of the configuration; the others need a restart."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """How a reload ended."""

    report: Report
    error: str = ""
    """Why a configuration without mistakes was refused all the same; one line, no secret."""
    restart: list[str] = field(default_factory=list)
    """Changed sections that need a restart."""

    @property
    def mistakes(self) -> list[str]:
        """Why it was refused, one line each; none when the configuration is in force."""
        return [*self.report.mistakes, *([self.error] if self.error else [])]

    def facts(self) -> dict[str, Any]:
        """For the answer at the control socket."""
        refused = bool(self.mistakes)
        exit_code = self.report.exit_code or int(refused)
        return self.report.facts() | {
            "ok": not refused,
            "exit_code": exit_code,
            "error": self.error,
            "restart": self.restart,
        }


def restart_needed(at_start: Settings, settings: Settings) -> list[str]:
    """The sections of `settings` that are not what the process started with and that a reload does not change."""
    fixed = sorted(type(settings).model_fields.keys() - RELOADABLE)
    return [name for name in fixed if _compared(getattr(settings, name)) != _compared(getattr(at_start, name))]


def _compared(section: object) -> object:
    """What of a section is fixed at the start: of Redis' secrets in files, read at each connection, only the path."""
    if not isinstance(section, RedisOptions):
        return section
    parts = (section, section.sentinel)
    return [
        {key: value.path if isinstance(value, FileSecret) else value for key, value in part if key != "sentinel"}
        for part in parts
    ]


class Reloads:
    """Serves requests one after the other; `run` is a job of the daemon's."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        """`path` is the configuration's; the one in force was loaded just now."""
        self.path = path
        self.last_success = now()
        self.refusal: list[str] = []
        """Why the last reload was refused; empty when it was not."""
        self.failed_tests: list[str] = []
        """Tests of the configuration in force that fail: a start goes on all the same, a reload is refused."""
        self._now = now
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[ReloadResult]] = []
        self._worker = Worker("reload")

    def request(self) -> asyncio.Future[ReloadResult]:
        """Ask for a reload that begins from now on; the result need not be awaited."""
        verdict: asyncio.Future[ReloadResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(verdict)
        self._wanted.set()
        return verdict

    async def examine(self) -> Report:
        """What a reload would find now, with this process' environment and credentials; nothing changes."""
        report, _ = await self._worker.run(lambda: examine(self.path, self._now()))
        return report

    async def run(self, apply: Apply) -> None:
        """Serve requests, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            waiting = self._waiting
            self._waiting = []
            verdict = await self._reload(apply)
            for each in waiting:
                if not each.done():
                    each.set_result(verdict)

    async def _reload(self, apply: Apply) -> ReloadResult:
        systemd.reloading("reloading")
        verdict = await self._tried(apply)
        self.refusal = verdict.mistakes
        if self.refusal:
            log.error("reload refused; the old configuration stays in force", error="; ".join(self.refusal))
        else:
            self.last_success = self._now()
            self.failed_tests = []
            for section in verdict.restart:
                log.warning("changed; it takes effect after a restart", section=section)
            log.info("reloaded")
        systemd.ready("running; the last reload was refused" if self.refusal else "running")
        return verdict

    async def _tried(self, apply: Apply) -> ReloadResult:
        report = Report(self.path)
        try:
            report, settings = await self._worker.run(lambda: examine(self.path, self._now()))
            if settings is None or report.exit_code:
                return ReloadResult(report)
            return ReloadResult(report, restart=await apply(settings))
        except SinkError as error:
            return ReloadResult(report, str(error))
        except TimeoutError:
            return ReloadResult(report, f"a sink has not started within {SINK_START_TIMEOUT:.0f} s")
        except Exception as error:
            log.exception("the reload failed")
            return ReloadResult(report, f"unexpected {type(error).__name__}; the log has the details")
