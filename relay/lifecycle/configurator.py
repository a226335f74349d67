"""Puts a configuration in force: the first one at the start, another one by a reload.

The new lanes are made beside the old ones, so that a sink which cannot start refuses the whole reload. Then all changes
in one step, and lanes that are no longer in use deliver what is underway and end.
"""

import asyncio
from collections.abc import Iterable

import structlog

from relay.config.settings import Settings
from relay.lanes.build import LaneSet, make_lanes
from relay.lanes.lane import Lane
from relay.lifecycle.parts import Configuration, Parts
from relay.lifecycle.reload import SINK_START_TIMEOUT, restart_needed
from relay.process import log_secrets
from relay.routing import Routes

log = structlog.get_logger(__name__)


class Configurator:
    """Changes the configuration of one relay's parts; nobody else does."""

    def __init__(self, parts: Parts) -> None:
        """With the configuration that the parts were made with."""
        self._parts = parts
        self._at_start = parts.settings
        self._retiring: list[Lane] = []
        """Lanes that a reload has replaced and that have not ended yet."""

    async def start(self) -> None:
        """Make and start the lanes of the first configuration.

        Raises:
            SinkError: a sink cannot start.
        """
        parts, settings = self._parts, self._parts.settings
        lanes = await make_lanes(settings, parts.configuration.lane_set, parts.sink_environment(settings))
        parts.configuration = Configuration(settings, parts.routes, lanes)
        parts.intake.use(parts.routes, parts.lanes)
        lanes.start()
        self._count_lost()

    async def apply(self, settings: Settings) -> list[str]:
        """Put new settings in force, or raise with the old ones untouched; returns what needs a restart.

        Raises:
            SinkError: a sink cannot start.
            TimeoutError: it takes too long.
        """
        parts, old = self._parts, self._parts.lanes
        async with asyncio.timeout(SINK_START_TIMEOUT):
            lanes = await make_lanes(settings, parts.configuration.lane_set, parts.sink_environment(settings))
        try:
            self._use(settings, lanes)
        except Exception:
            await lanes.discard()
            raise
        self._retiring = [lane for name, lane in old.items() if parts.lanes.get(name) is not lane]
        await _stopped(self._retiring, settings.shutdown_timeout)
        self._retiring = []
        for name in old.keys() - parts.lanes.keys():
            parts.health.worked(f"sink {name}")
        lanes.start()
        for lane in parts.lanes.values():
            lane.try_now(parts.clock.now())
        return restart_needed(self._at_start, settings)

    async def stop(self, grace: float) -> None:
        """End all lanes; a delivery that is underway may finish within so many seconds."""
        await _stopped([*self._parts.lanes.values(), *self._retiring], grace)

    def _use(self, settings: Settings, lanes: LaneSet) -> None:
        """What may raise comes first, and is taken back; what comes then cannot."""
        parts, now, routes = self._parts, self._parts.clock.now(), Routes(settings.routes)
        try:
            parts.watch.reload(settings, now)
            parts.intake.use(routes, lanes.lanes)
        except Exception:
            parts.watch.reload(parts.settings, now)
            parts.intake.use(parts.routes, parts.lanes)
            raise
        parts.outbox.use(settings.outbox)
        parts.links.use(settings.links, settings.name)
        log_secrets.also(settings.redaction.patterns, settings.redaction.keys)
        parts.configuration = Configuration(settings, routes, lanes)

    def _count_lost(self) -> None:
        """Events that waited for a lane and were lost with the store were accepted, and never arrived."""
        lanes = self._parts.lanes
        for loss in self._parts.store.losses:
            for name, count in loss.missing.waiting.items() if loss.missing else ():
                if name in lanes:
                    lanes[name].accepted += count
                    lanes[name].dropped["store_damaged"] += count


async def _stopped(lanes: Iterable[Lane], grace: float) -> None:
    for ended in await asyncio.gather(*(lane.stop(grace) for lane in lanes), return_exceptions=True):
        if isinstance(ended, Exception):
            log.error("a lane did not stop cleanly", exc_info=ended)
