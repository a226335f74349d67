"""The path of one batch: normalise, track, route, accept. Afterwards, and only then, the bytes may be consumed.

One method, `take`, is the whole story; the relay's own announcements go the same way from `announce` on. Nothing here
reads a socket or delivers.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime

import structlog

from relay.events import Announcement, Event, PerKind
from relay.lanes.detour import detour
from relay.lanes.direct import DirectLane
from relay.lanes.lane import Lane
from relay.lanes.quarantine import Quarantine
from relay.normalize.normalize import Normalizer, Unreadable, UnreadableReason
from relay.process.worker import LARGE, Worker
from relay.routing import UNROUTED, Routes
from relay.store.store import Store
from relay.subscription.batch import Batch
from relay.tracking import Tracker

log = structlog.get_logger(__name__)

Read = tuple[list[Event], list[Unreadable]]


class Intake:
    """Takes batches; what `take` has returned from is accepted by every lane that it was routed to."""

    def __init__(
        self,
        *,
        normalizer: Normalizer,
        routes: Routes,
        lanes: Mapping[str, Lane],
        store: Store,
        quarantine: Quarantine,
        tracker: Tracker,
        boot: str,
        prepared: Callable[[Announcement], Announcement] = lambda announcement: announcement,
    ) -> None:
        """`boot` names this process in the ids of relay events, `prepared` makes one ready to travel."""
        self._normalizer = normalizer
        self._store = store
        self._quarantine = quarantine
        self._tracker = tracker
        self._wanted = PerKind(tracker.wants)
        self._boot = boot
        self._prepared = prepared
        self._worker = Worker("decoding")
        self._announced = 0
        self._progress = store.shelf("intake")
        self._committed = _position(self._progress.get("position"))
        self.use(routes, lanes)
        self.received = 0
        self.batches = 0
        self.last_size = 0
        self.unrouted = 0

    def use(self, routes: Routes, lanes: Mapping[str, Lane]) -> None:
        """Route by `routes` from the next batch on."""
        self._routes = routes
        self._lanes = lanes

    def take(self, batch: Batch) -> None:
        """Make every lane responsible for its part of the batch."""
        self._hand_out(batch, self._normalised(batch))
        self._commit(batch)

    async def take_large(self, batch: Batch) -> None:
        """The same for one with a large message: it is decoded in a thread, for which the next batch waits."""
        self._hand_out(batch, await self._worker.run(lambda: self._read_large(batch)))
        await asyncio.sleep(0)  # two steps are shorter than one; whoever commits in between writes all of this
        self._commit(batch)

    def _hand_out(self, batch: Batch, read: Read) -> None:
        """Stage the batch, and with it the position up to which it is taken."""
        events, unreadable = read
        if unreadable:
            self._quarantine.accept(unreadable)
        if self._committed:
            events = self._take_up(events, batch)
        announcements = self._tracked(events, batch.received)
        self._accept(events, self._lanes)
        if announcements:
            self._accept(self._as_events(announcements, batch.received), self._lanes)
        if self._store.staged:
            self._progress.put("position", f"{batch.stream} {batch.last_position}")

    def _commit(self, batch: Batch) -> None:
        if self._store.staged:
            self._store.commit()
        self.received += len(batch.messages)
        self.batches += 1
        self.last_size = len(batch.messages)

    def set_aside(self, batch: Batch) -> None:
        """Put messages that have ended processes into the quarantine instead."""
        self._quarantine.accept(
            [
                Unreadable(channel, data, batch.received, batch.stream, position, UnreadableReason.POISON)
                for channel, data, position in batch.messages
            ]
        )
        self.received += len(batch.messages)
        self.batches += 1

    def announce(self, announcements: Iterable[Announcement], now: datetime) -> None:
        """Send what the relay itself has to say the way of all events."""
        events = self._as_events(announcements, now)
        self._accept(events, self._lanes)
        for event in events:
            for lane in detour(event, self._routes, self._lanes):
                lane.accept([event])
        self._store.commit()

    def _normalised(self, batch: Batch) -> Read:
        """The batch's events, and what is none."""
        return self._normalizer.read_all(batch.messages, batch.received, batch.stream)

    def _read_large(self, batch: Batch) -> Read:
        """The same, with the payloads decoded that would keep whoever asks for them waiting."""
        events, unreadable = self._normalised(batch)
        for event in events:
            if len(event.raw) > LARGE:
                with suppress(ValueError):  # whoever asks for it meets that again
                    _ = event.payload
        self._quarantine.prepare(unreadable)
        return events, unreadable

    def _tracked(self, events: list[Event], now: datetime) -> list[Announcement]:
        """What follows from a batch; a bug in following it must not keep it from its lanes, or end the daemon."""
        wanted = self._wanted
        try:
            return self._tracker.observe([event for event in events if wanted[event.kind]], now)
        except Exception:
            log.exception("tracking a batch failed", events=len(events))
            return []

    def _accept(self, events: list[Event], lanes: Mapping[str, Lane]) -> None:
        """Hand each lane its part."""
        parts = self._routes.split(events)
        self.unrouted += len(parts.pop(UNROUTED, ()))
        for sink, part in parts.items():
            if lane := lanes.get(sink):
                lane.accept(part)

    def _take_up(self, events: list[Event], batch: Batch) -> list[Event]:
        """After a crash between commit and consumption: what the store holds already is only for the direct lanes.

        Those know their own position. Returns the events that are new to all.
        """
        stream, offset = self._committed or ("", 0)
        again = [event for event in events if event.stream == stream and event.offset <= offset]
        if batch.stream != stream or batch.last_position >= offset:
            self._committed = None
        self._accept(again, {name: lane for name, lane in self._lanes.items() if isinstance(lane, DirectLane)})
        return events[len(again) :]

    def _as_events(self, announcements: Iterable[Announcement], now: datetime) -> list[Event]:
        events = []
        for announcement in announcements:
            self._announced += 1
            events.append(self._prepared(announcement).as_event(self._boot, self._announced, now))
        return events


def _position(text: str | None) -> tuple[str, int] | None:
    stream, _, offset = (text or "").partition(" ")
    return (stream, int(offset)) if offset.isdecimal() else None
