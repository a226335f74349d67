"""The life of the relay: start, do the jobs until asked to stop, drain.

Read `run` first. What it consists of is made in `relay.lifecycle.parts`; what happens to an event is in `relay.intake`.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import structlog

from relay.config.settings import Settings
from relay.lifecycle.batches import take_batches
from relay.lifecycle.configurator import Configurator
from relay.lifecycle.journal import started_line
from relay.lifecycle.parts import Parts
from relay.lifecycle.tick_parts import TickParts
from relay.lifecycle.ticking import Ticker
from relay.metrics.relay import RelayMetrics
from relay.metrics.runs import RunMetrics
from relay.process import early_signals, systemd
from relay.process.clock import USUAL_PACE, Clock, Pace, since_boot, utc_now
from relay.process.control import ControlSocket, control_path
from relay.schedule.exchange_holidays import closings
from relay.status.collect import Viewpoint
from relay.status.line import StatusLine
from relay.web.server import WebServer
from sinks.base import SinkError

API = "questions to the API"
"""What the health's list calls the watch's own task."""

log = structlog.get_logger(__name__)


class Daemon:
    """One relay."""

    def __init__(
        self,
        settings: Settings,
        config_path: Path,
        *,
        inherited: dict[str, int] | None = None,
        is_first_start: bool = True,
        now: Callable[[], datetime] = utc_now,
        boot: Callable[[], float] = since_boot,
        pace: Pace = USUAL_PACE,
    ) -> None:
        """Build what must not fail; `run` starts what may. `inherited` are `systemd.inherited()`'s descriptors."""
        self.parts = parts = Parts(
            settings, config_path, Clock(now, boot), pace, inherited=inherited, is_first_start=is_first_start
        )
        self._pace = pace
        self._configurator = Configurator(parts)
        self.web = WebServer(settings.http, parts)
        parts.registry.register(RelayMetrics(parts, self.web.connections))
        parts.registry.register(RunMetrics(parts))
        status_line = StatusLine(Viewpoint(parts))
        tick_parts = TickParts(parts, status_line.tick)
        self.ticker = Ticker(tick_parts, parts.health, parts.announce, parts.intake.announce, pace.tick)
        self._control = ControlSocket(control_path(settings.state_dir), config_path, parts.verbs.served())
        self._stop = asyncio.Event()
        self._reexec = False
        self._descriptors: dict[str, int] = {}

    async def run(self) -> dict[str, int] | None:
        """Until SIGTERM or SIGINT; or SIGUSR2: then returns the descriptors that the new process goes on with.

        Raises:
            SinkError: a sink cannot start.
            ListenError: the address is taken.
        """
        self._catch_signals()
        for failure in self.parts.reloads.failed_tests:
            log.error("a test of the configuration fails; the relay starts all the same", failure=failure)
        try:
            await self.start()
            jobs = (self._take_batches, self._tick, self._watch_over, self._reload)
            tasks = [asyncio.create_task(job(), name=job.__name__) for job in jobs]
            self._serve_requests()
            stopped = asyncio.create_task(self._stop.wait(), name="stopped")
            await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                self.parts.poison.stopping()
                self.parts.watched_deliveries.stopping()
            for task in (*tasks, stopped):
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await self.shut_down()
        for error in ended:
            if isinstance(error, Exception):
                raise error
        return self._descriptors if self._reexec else None

    async def start(self) -> None:
        """Lanes, web server and control socket; from then on the service manager counts us as started.

        Raises:
            SinkError: a sink cannot start.
            ListenError: the address is taken.
        """
        parts = self.parts
        self._feed_watchdog()
        if parts.quarantine.is_in_use:
            raise SinkError(f"cannot write {parts.settings.quarantine_file}: {parts.quarantine.error}")
        await self._configurator.start()
        if parts.settings.http.enabled:
            await self.web.start()
        await self._control.start()
        systemd.ready("started")
        await self._log_start()

    async def _log_start(self) -> None:
        parts, settings = self.parts, self.parts.settings
        number = version("tickstock-relay")
        now = parts.clock.now()
        next_due = await asyncio.to_thread(self._next_due, now)  # the exchange's calendar takes a moment
        log.info(
            "started",
            text=started_line(settings, number, parts.lanes, next_due, now),
            version=number,
            patterns=settings.redis.patterns,
            sinks=list(parts.lanes),
            state=str(settings.state_dir),
            http=self.web.address,
        )

    def _next_due(self, now: datetime) -> datetime | None:
        """When the next run is due, as far as that is known before the API is asked."""
        run_schedule = self.parts.run_schedule
        coming = run_schedule.coming
        if coming is not None and coming.due > now:
            return coming.due
        try:
            return run_schedule.timetable.next_due(now)
        except Exception:  # noqa: BLE001 - the tick meets it too, and reports it
            return None

    async def _take_batches(self) -> None:
        await take_batches(self.parts)

    async def _tick(self) -> None:
        now = self.parts.clock.now
        await asyncio.to_thread(closings, now().year)  # it takes a moment, for which intake would wait
        await self.ticker.run(now)

    async def _watch_over(self) -> None:
        """The API's part of the watch; whatever goes wrong in it must not end the daemon."""
        parts = self.parts
        while True:
            try:
                await parts.watch.run(parts.announce, lambda: parts.health.worked(API))
            except Exception as error:  # noqa: BLE001 - counted, logged and announced like a part of the tick
                parts.health.failed(API, error)
            await asyncio.sleep(self._pace.tick)

    async def _reload(self) -> None:
        await self.parts.reloads.run(self._configurator.apply)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)

    def _serve_requests(self) -> None:
        """Reload at each SIGHUP, become the new program at SIGUSR2: also at those that came during the start."""
        loop = asyncio.get_running_loop()
        requests = {signal.SIGHUP: self.parts.reloads.request, signal.SIGUSR2: self._become_new}
        early_signals.deliver(lambda number: loop.call_soon_threadsafe(requests[signal.Signals(number)]))

    def _end(self) -> None:
        """SIGTERM: also when the process is about to become the new program."""
        self._reexec = False
        self._stop.set()

    def _become_new(self) -> None:
        """SIGUSR2: run the program anew, which may have changed, keeping the subscription."""
        if not self._stop.is_set():
            self._reexec = True
            self._stop.set()

    def _feed_watchdog(self) -> None:
        """Start and end may take longer than the manager waits; nothing ticks then."""
        if not self.parts.health.faulty:
            systemd.alive()

    async def shut_down(self) -> None:
        """Drain: what is underway may finish in time; what waits is in the outbox, what is unread in the kernel."""
        parts = self.parts
        if self._reexec:
            systemd.reloading("becoming the new program")  # after STOPPING=1 systemd would wait for our end
        else:
            systemd.stopping("draining")
        early_signals.deliver(None)
        self._feed_watchdog()
        self._control.stop()
        grace = parts.settings.shutdown_timeout / 2
        await self._configurator.stop(grace)
        self._feed_watchdog()
        self._save()
        try:
            await asyncio.wait_for(self.web.stop(), grace)
        except Exception:
            log.exception("the web server did not stop cleanly")
        self._descriptors = {name: os.dup(fd) for name, fd in parts.subscription.descriptor().items()}
        parts.subscription.close()
        log.info("stopped", waiting={name: lane.waiting for name, lane in parts.lanes.items() if lane.waiting})

    def _save(self) -> None:
        """Whatever the next process needs to know; then the store is closed."""
        parts = self.parts
        parts.gaps.heartbeat(parts.subscription.known_until)
        parts.run_logs.save()
        parts.recent.save_errors(parts.clock.now())
        parts.quarantine.close()
        parts.watched_deliveries.end()
        parts.store.close()
