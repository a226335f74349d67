"""Wires everything and lives: start, take batches until asked to stop, drain.

Read `run` first. What happens to an event is in `relay.intake`; nothing here touches one.
"""

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Iterable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from relay.check.route_tests import failed_tests
from relay.config.links import Links
from relay.config.settings import Settings
from relay.events import Announcement, Event
from relay.intake import Intake
from relay.lanes.build import LaneSet, SinkEnvironment, make_lanes
from relay.lanes.lane import Lane
from relay.lanes.muting import why_muted
from relay.lanes.poison import DeliveryWatch
from relay.lanes.quarantine import Quarantine
from relay.lifecycle import journal
from relay.lifecycle.journal import started_line
from relay.lifecycle.parts import Parts
from relay.lifecycle.reload import SINK_START_TIMEOUT, Reloads, restart_needed
from relay.lifecycle.tick_parts import TickParts
from relay.lifecycle.ticking import Ticker
from relay.lifecycle.verbs import Verbs
from relay.metrics.relay import RelayMetrics
from relay.metrics.runs import RunMetrics
from relay.normalize.normalize import Normalizer
from relay.process import early_signals, log_secrets, systemd
from relay.process.clock import USUAL_PACE, Clock, Pace, since_boot, utc_now
from relay.process.control import ControlSocket, control_path
from relay.process.health import Health
from relay.process.operations import SHELF as OPERATIONS
from relay.process.worker import LARGE
from relay.routing import Routes
from relay.runs.gaps import Gaps
from relay.runs.recent import Recent
from relay.runs.run_log import RunLogs
from relay.runs.runs import Runs
from relay.schedule.exchange_holidays import closings
from relay.status.collect import Viewpoint
from relay.status.line import StatusLine
from relay.store.outbox import Outbox
from relay.store.store import FILE_NAME, Store
from relay.subscription.connection import Batch
from relay.subscription.handover import Handover
from relay.subscription.poison import PoisonSearch, notice
from relay.subscription.subscription import Link, Subscription
from relay.tracking import Tracker
from relay.watchdog.alerts import Alerts
from relay.watchdog.day_log import DayCounts
from relay.watchdog.incidents import ERRORS_END_AFTER, Incidents
from relay.watchdog.linking import linked
from relay.watchdog.poll import Watch
from relay.watchdog.quiet import Quiet
from relay.watchdog.self_check import SelfCheck
from relay.watchdog.silences import Silences
from relay.watchdog.summary import Summary
from relay.web.server import WebServer
from sinks.base import QueuedSink, SinkError

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
        self.settings = settings
        log_secrets.also(settings.redaction.patterns, settings.redaction.keys)
        self.clock = Clock(now, boot)
        self._pace = pace
        now = self.now = self.clock.now
        self._stop = asyncio.Event()
        self._reexec = False
        self._descriptors: dict[str, int] = {}
        self.started = now()
        self._settings_at_start = settings
        self._retiring: list[Lane] = []
        """Lanes that a reload has replaced and that have not ended yet."""
        self.reloads = Reloads(config_path, self._apply, now)
        self.reloads.failed_tests = failed_tests(settings, now())
        self.store = Store(settings.state_dir / FILE_NAME, is_first_start=is_first_start)
        self.outbox = Outbox(self.store, settings.outbox)
        self.alerts = Alerts(self.store.shelf("alerts"))
        self.runs = Runs(self.store.shelf("runs"))
        self.links = Links(settings.links, settings.name)
        self.watch = Watch(settings, self.runs, self.alerts, self.store, self.clock, pace)
        self.recent = Recent(self.store.shelf("recent"))
        self.link_since: datetime | None = None
        """When the subscription last began or ended."""
        self._silenced = self.store.shelf("silences")
        self.silences = Silences(self._silenced)
        self.quiet = self._make_quiet()
        self.incidents = self._make_incidents()
        self.run_logs = RunLogs(self.store.shelf("run_logs"), self.runs)
        self.summary = self._make_summary()
        self.tracker = Tracker(
            self.runs, self.run_logs, self.watch, self.incidents, self.recent, self.quiet, self.summary.counts
        )
        self.self_check = SelfCheck(self.alerts)
        self.health = Health(self.store.shelf("faults"))
        self.gaps = Gaps(self.store.shelf("gaps"))
        self.quarantine = self._make_quarantine()
        self.routes = Routes(settings.routes)
        self._lane_set = LaneSet({}, {}, [])
        self.poison = PoisonSearch(self.store)
        self.watched_deliveries = DeliveryWatch(self.store, ended_otherwise=self.poison.ended_in_batch)
        self.intake = self._make_intake()
        self.subscription = Subscription(
            settings.redis, Handover(settings.redis, inherited or {}), now=now, changed=self._link_changed
        )
        self.ticker = Ticker(
            TickParts(self.parts, StatusLine(Viewpoint(self.parts)).tick),
            self.health,
            self._announce,
            self.intake.announce,
            pace.tick,
        )
        self.web = WebServer(settings.http, self.parts)
        self.verbs = Verbs(self.reloads, self.store.shelf(OPERATIONS), self._look_at_store, self._announce, now)
        self.control = ControlSocket(
            control_path(settings.state_dir),
            config_path,
            self.verbs.served(),
        )
        self._registry = self._make_registry()

    def _make_quiet(self) -> Quiet:
        """Judges what silences and maintenance windows keep back."""
        return Quiet(
            self.silences,
            lambda: self.settings.watchdog,
            self.store.shelf("quiet"),
            lambda event: self.incidents.id_of(event, self.now()),
        )

    def _make_incidents(self) -> Incidents:
        """Owns the incidents, from the shelf on."""
        return Incidents(
            self.store.shelf("incidents"),
            self.runs,
            self.alerts,
            lambda: self.settings.watchdog.learned,
            quiet=self._is_silenced,
            errors_end_after=self._errors_end_after,
        )

    def _make_summary(self) -> Summary:
        """Says once a day what it brought."""
        return Summary(
            self.store.shelf("summary"),
            DayCounts(self.store.shelf("day")),
            self.runs,
            self.alerts,
            self.watch.dog.run_schedule,
            lambda: self.settings.watchdog.learned,
            lambda: self.settings.summary,
        )

    def _make_quarantine(self) -> Quarantine:
        """Keeps what cannot be read."""
        options = self.settings.quarantine
        return Quarantine(
            self.settings.quarantine_file.parent,
            max_bytes=options.max_bytes,
            max_total_bytes=options.max_total_bytes,
            keep=options.keep,
            clock=self.clock,
        )

    def _make_intake(self) -> Intake:
        """The path of a batch; its lanes come with the start."""
        limits = self.settings.limits
        return Intake(
            normalizer=Normalizer(
                max_bytes=limits.max_message_bytes, max_depth=limits.max_depth, max_values=limits.max_values
            ),
            routes=self.routes,
            lanes={},
            store=self.store,
            quarantine=self.quarantine,
            tracker=self.tracker,
            prepared=self._prepared,
            boot=f"r{secrets.token_hex(6)}",
        )

    def _make_registry(self) -> CollectorRegistry:
        """The metrics about relay and runs."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(RelayMetrics(self.parts, self.web.connections))
        registry.register(RunMetrics(self.parts))
        return registry

    @property
    def lanes(self) -> dict[str, Lane]:
        """The lanes in use, by their sinks' names."""
        return self._lane_set.lanes

    def parts(self) -> Parts:
        """The record of what this daemon consists of now, for those who look at it."""
        return Parts(
            settings=self.settings,
            started=self.started,
            clock=self.clock,
            store=self.store,
            outbox=self.outbox,
            quarantine=self.quarantine,
            subscription=self.subscription,
            subscription_changed=self.link_since,
            intake=self.intake,
            routes=self.routes,
            lanes=self.lanes,
            runs=self.runs,
            run_logs=self.run_logs,
            gaps=self.gaps,
            recent=self.recent,
            watch=self.watch,
            alerts=self.alerts,
            incidents=self.incidents,
            summary=self.summary,
            quiet=self.quiet,
            silences=self.silences,
            silenced=self._silenced,
            self_check=self.self_check,
            health=self.health,
            reloads=self.reloads,
            verbs=self.verbs,
            links=self.links,
            registry=self._registry,
        )

    async def run(self) -> dict[str, int] | None:
        """Until SIGTERM or SIGINT; or SIGUSR2: then returns the descriptors that the new process goes on with.

        Raises:
            SinkError: a sink cannot start.
            ListenError: the address is taken.
        """
        self._catch_signals()
        for failure in self.reloads.failed_tests:
            log.error("a test of the configuration fails; the relay starts all the same", failure=failure)
        try:
            await self._start()
            jobs = (self._take_batches, self._tick, self._watch_over, self.reloads.run)
            tasks = [asyncio.create_task(job(), name=job.__name__) for job in jobs]
            self._serve_requests()
            stopped = asyncio.create_task(self._stop.wait(), name="stopped")
            await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in (*tasks, stopped):
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await self._shut_down()
        for error in ended:
            if isinstance(error, Exception):
                raise error
        return self._descriptors if self._reexec else None

    async def _start(self) -> None:
        self._feed_watchdog()
        if self.quarantine.is_in_use:
            raise SinkError(f"cannot write {self.settings.quarantine_file}: {self.quarantine.error}")
        self._lane_set = await make_lanes(self.settings, self._lane_set, self._sink_environment(self.settings))
        self.intake.use(self.routes, self.lanes)
        self._lane_set.start()
        self._count_lost()
        if self.settings.http.enabled:
            await self.web.start()
        await self.control.start()
        systemd.ready("started")
        await self._log_start()

    async def _log_start(self) -> None:
        settings, number, now = self.settings, version("tickstock-relay"), self.now()
        next_due = await asyncio.to_thread(self._next_due, now)  # the exchange's calendar takes a moment
        log.info(
            "started",
            text=started_line(settings, number, self.lanes, next_due, now),
            version=number,
            patterns=settings.redis.patterns,
            sinks=list(self.lanes),
            state=str(settings.state_dir),
            http=self.web.address,
        )

    def _next_due(self, now: datetime) -> datetime | None:
        """When the next run is due, as far as that is known before the API is asked."""
        run_schedule = self.watch.dog.run_schedule
        coming = run_schedule.coming
        if coming is not None and coming.due > now:
            return coming.due
        try:
            return run_schedule.timetable.next_due(now)
        except Exception:  # noqa: BLE001 - the tick meets it too, and reports it
            return None

    def _feed_watchdog(self) -> None:
        """Start and end may take longer than the manager waits; nothing ticks then."""
        if not self.health.faulty:
            systemd.alive()

    def _count_lost(self) -> None:
        """Events that waited for a lane and were lost with the store were accepted, and never arrived."""
        for loss in self.store.losses:
            for name, count in loss.missing.waiting.items() if loss.missing else ():
                if name in self.lanes:
                    self.lanes[name].accepted += count
                    self.lanes[name].dropped["store_damaged"] += count

    async def _take_batches(self) -> None:
        async for batch in self.subscription.batches():
            self.runs.count_received(batch.received, len(batch.messages))
            if self.poison.is_over:
                await self._take(batch)
            else:
                await self._take_with_care(batch)

    async def _take(self, batch: Batch) -> None:
        if batch.size > LARGE:
            await self.intake.take_large(batch)
        else:
            self.intake.take(batch)

    async def _take_with_care(self, batch: Batch) -> None:
        """A process' first batch, and, message by message, one that has ended processes."""
        for part in self.poison.parts(batch):
            if part.ends:
                self.intake.set_aside(part.batch)
                self._announce([notice(part, batch.received)], batch.received)
            else:
                await self._take(part.batch)
            self.subscription.acknowledge(part.batch)
            await asyncio.sleep(0)  # many single messages must not keep the watchdog from its food

    async def _watch_over(self) -> None:
        """The API's part of the watch; whatever goes wrong in it must not end the daemon."""
        while True:
            try:
                await self.watch.run(self._announce, lambda: self.health.worked(API))
            except Exception as error:  # noqa: BLE001 - counted, logged and announced like a part of the tick
                self.health.failed(API, error)
            await asyncio.sleep(self._pace.tick)

    async def _tick(self) -> None:
        await asyncio.to_thread(closings, self.now().year)  # it takes a moment, for which intake would wait
        await self.ticker.run(self.now)

    def _announce(self, announcements: list[Announcement], now: datetime) -> None:
        self.intake.announce(self.tracker.announced(announcements, now), now)

    def _look_at_store(self) -> None:
        """The command line drops and revives deliveries, and adds silences, in the same store."""
        self.store.commit()
        self.outbox.count()
        self._silenced.reload()
        self.silences.refresh()

    def _prepared(self, announcement: Announcement) -> Announcement:
        """What is announced as it travels: with its links; and a line of it in the log."""
        journal.tell(announcement)
        return linked(announcement, self.links)

    def _link_changed(self, link: Link) -> None:
        now = self.link_since = self.now()
        announcements = self.gaps.changed(link, now)
        if announcements:
            self.runs.missed_events(now)
        gap = self.gaps.last if announcements else None
        self.watch.note_connection(now if link.subscribed else None, gap=gap, adopted=link.adopted)
        self._announce(announcements, now)
        systemd.status("subscribed" if link.subscribed else f"not subscribed: {link.reason}")  # more with the next tick

    def _sink_environment(self, settings: Settings) -> SinkEnvironment:
        return SinkEnvironment(
            clock=self.clock,
            store=self.store,
            outbox=self.outbox,
            muted=lambda event: why_muted(event, self._is_silenced),
            tells_incidents=lambda sink, severity: sink in self.routes.incident_sinks(severity),
            user_agent="tickstock-relay",
            installation=settings.installation,
            label=settings.name,
            redis=self.settings.redis,
            watch=self.watched_deliveries,
        )

    def _is_silenced(self, event: Event, incident: str = "") -> bool:
        return self.quiet.silencing(event, self.now(), incident) is not None

    def _errors_end_after(self) -> float:
        """Seconds without a repeat after which errors outside of any run are over: ten of the sinks' windows."""
        sinks = [lane.sink for lane in self.lanes.values() if lane.sink.renders_incidents]
        windows = [sink.batching().repeat_window for sink in sinks if isinstance(sink, QueuedSink)]
        return 10 * max(windows, default=0.0) or ERRORS_END_AFTER

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)

    def _serve_requests(self) -> None:
        """Reload at each SIGHUP, become the new program at SIGUSR2: also at those that came during the start."""
        loop = asyncio.get_running_loop()
        requests = {signal.SIGHUP: self.reloads.request, signal.SIGUSR2: self._become_new}
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

    async def _apply(self, settings: Settings) -> list[str]:
        """Put new settings in force, or raise with the old ones untouched; returns what needs a restart."""
        async with asyncio.timeout(SINK_START_TIMEOUT):
            lanes = await make_lanes(settings, self._lane_set, self._sink_environment(settings))
        old = self.lanes
        try:
            self._use(settings, lanes)
        except Exception:
            await lanes.discard()
            raise
        self._retiring = [lane for name, lane in old.items() if self.lanes.get(name) is not lane]
        await self._stop_lanes(self._retiring, settings.shutdown_timeout)
        self._retiring = []
        for name in old.keys() - self.lanes.keys():
            self.health.worked(f"sink {name}")
        lanes.start()
        for lane in self.lanes.values():
            lane.try_now(self.now())
        return restart_needed(self._settings_at_start, settings)

    async def _stop_lanes(self, lanes: Iterable[Lane], grace: float) -> None:
        for ended in await asyncio.gather(*(lane.stop(grace) for lane in lanes), return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("a lane did not stop cleanly", exc_info=ended)

    def _use(self, settings: Settings, lanes: LaneSet) -> None:
        now, routes, old = self.now(), Routes(settings.routes), self._lane_set
        try:
            self.watch.reload(settings, now)
            self.intake.use(routes, lanes.lanes)
        except Exception:
            self.watch.reload(self.settings, now)
            self.intake.use(self.routes, old.lanes)
            raise
        self.outbox.use(settings.outbox)
        self.links.use(settings.links, settings.name)
        log_secrets.also(settings.redaction.patterns, settings.redaction.keys)
        self.settings, self.routes, self._lane_set = settings, routes, lanes

    async def _shut_down(self) -> None:
        """Drain: what is underway may finish in time; what waits is in the outbox, what is unread in the kernel."""
        if self._reexec:
            systemd.reloading("becoming the new program")  # after STOPPING=1 systemd would wait for our end
        else:
            systemd.stopping("draining")
        early_signals.deliver(None)
        self._feed_watchdog()
        self.control.stop()
        grace = self.settings.shutdown_timeout / 2
        await self._stop_lanes([*self.lanes.values(), *self._retiring], grace)
        self._feed_watchdog()
        self.gaps.heartbeat(self.subscription.known_until)
        self.run_logs.save()
        self.recent.save_errors(self.now())
        self.quarantine.close()
        self.watched_deliveries.end()
        self.store.close()
        try:
            await asyncio.wait_for(self.web.stop(), grace)
        except Exception:
            log.exception("the web server did not stop cleanly")
        self._descriptors = {name: os.dup(fd) for name, fd in self.subscription.descriptor().items()}
        self.subscription.close()
        log.info("stopped", waiting={name: lane.waiting for name, lane in self.lanes.items() if lane.waiting})
