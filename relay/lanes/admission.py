"""What a queued lane takes in: what its sink wants of a batch, with its keys, staged for the outbox.

A sink's bug in one of these questions is this lane's trouble, not the intake's: it is logged, and the event goes on.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from relay.events import Event, Kind, PerKind, Severity
from relay.events.incidents import incident_of, is_part_of_incident
from relay.events.newest import without_superseded
from relay.lanes.incident_states import IncidentStates
from relay.lanes.latest import Latest, LatestKey
from relay.lanes.stored_event import packed
from relay.store.outbox import Outbox
from sinks.base import QueuedSink

log = structlog.get_logger(__name__)


class Admission:
    """Stages events, holds repeats back, and drops what need not go out."""

    def __init__(
        self,
        sink: QueuedSink,
        outbox: Outbox,
        *,
        muted: Callable[[Event], str | None],
        tells_incidents: Callable[[Severity], bool],
        states: IncidentStates,
        dropped: Counter[str],
        moment: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        """`muted` says why an event must not wake anyone; `wake` is called when something was staged.

        `tells_incidents` says whether the sink is sent incidents of a severity: then it needs no single parts of them.
        """
        self._sink = sink
        self._lane = sink.context.name
        self._outbox = outbox
        self._muted = muted
        self._tells_incidents = tells_incidents
        self._states = states
        self._dropped = dropped
        self._moment = moment
        self._wake = wake
        self._batching = sink.batching()
        self._windows: dict[str, float] = {}
        """Of each repeat key, when the window ends that its last event opened."""
        keeps_latest = not sink.durable and type(sink).latest_key is not QueuedSink.latest_key
        self._latest = Latest() if keeps_latest else None
        self._latest_keys = PerKind(self._latest_key)
        self._only_newest = PerKind(lambda kind: self._latest_keys[kind] is not None)
        self._releasing: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """Events that are not staged yet."""
        return len(self._latest) if self._latest is not None else 0

    def admit(self, events: Sequence[Event]) -> None:
        """Stage what the sink wants of a batch."""
        if self._latest is not None:
            events = self._newest(events, self._latest)
        elif events:
            events = self._selected(events)
        if events:
            self._stage(events, self._moment().timestamp())

    def release_latest(self) -> None:
        """Stage what was held because a newer event might have taken its place."""
        if self._releasing is not None:
            self._releasing.cancel()
            self._releasing = None
        if self._latest is not None and (events := self._latest.release()):
            self._stage(events, self._moment().timestamp())

    def shift(self, seconds: float) -> None:
        """The clock was set forward by `seconds`, or back."""
        self._windows = {key: end + seconds for key, end in self._windows.items()}

    def forget_windows(self, now: float) -> None:
        """Forget the windows that have ended."""
        self._windows = {key: end for key, end in self._windows.items() if end > now}

    def _stage(self, events: Sequence[Event], now: float) -> None:
        with_original = self._sink.wants_original
        for event in events:
            if self._sink.alerting and (why := self._ask(self._muted, event)):
                self._dropped[why] += 1
                continue
            incident = self._ask(incident_of, event) if self._sink.renders_incidents else None
            if self._sink.renders_incidents and incident is None and self._ask(self._told_otherwise, event):
                self._dropped["in_incident"] += 1
                continue
            has_repeats = bool(self._batching.repeat_window) and incident is None
            key = self._ask(self._sink.repeat_key, event) if has_repeats else None
            row_id = self._outbox.stage(
                self._lane,
                packed(event, with_original=with_original),
                now=now,
                not_before=self._hold_repeats(key, now),
                order_key=incident or self._ask(self._sink.order_key, event),
                repeat_key=key,
            )
            if incident is not None and row_id is not None:
                self._states.supersede(incident, row_id)
        if not self._sink.durable:
            self._outbox.commit()  # one of its own, that the intake does not know
        self._wake()

    def _told_otherwise(self, event: Event) -> str | None:
        """The incident, if the sink is sent incidents, tells of what this event says."""
        is_told = is_part_of_incident(event) and self._tells_incidents(event.severity)
        return "in_incident" if is_told else None

    def _newest(self, events: Sequence[Event], latest: Latest) -> Sequence[Event]:
        """What is to be staged now; what a newer event may take the place of waits for a moment."""
        held = len(latest)
        newest = without_superseded(events, self._only_newest)
        selected = self._selected(newest)
        passed = latest.pass_on(selected, [self._key_of(event) for event in selected])
        not_wanted = len(newest) - len(selected)
        if superseded := held + len(events) - not_wanted - len(passed) - len(latest):
            self._dropped["superseded"] += superseded
        if len(latest) and self._releasing is None:
            loop = asyncio.get_running_loop()
            self._releasing = loop.call_later(self._batching.latest_wait, self.release_latest)
        return passed

    def _key_of(self, event: Event) -> LatestKey | None:
        name = self._latest_keys[event.kind]
        return None if name is None else (name, event.run_id)

    def _latest_key(self, kind: Kind) -> str | None:
        """What the sink says of a kind; all of its events go out when it raises."""
        try:
            return self._sink.latest_key(kind)
        except Exception:
            log.exception("sink raised", sink=self._lane, kind=kind)
            return None

    def _selected(self, events: Sequence[Event]) -> Sequence[Event]:
        """What the sink wants of a batch; all of it when the sink raises."""
        try:
            selected = list(self._sink.select(events))
        except Exception:
            log.exception("sink raised", sink=self._lane)
            return events
        if len(selected) < len(events):
            self._dropped["not_wanted"] += len(events) - len(selected)
        return selected

    def _ask(self, question: Callable[[Event], str | None], event: Event) -> str | None:
        """What a sink's key or a silence says of the event."""
        try:
            answer = question(event)
            if answer is not None:
                str.encode(answer)  # raises for what is no text, or cannot be stored as such: a lone surrogate
        except Exception:
            log.exception("sink raised", sink=self._lane, kind=event.kind)
            return None
        return answer

    def _hold_repeats(self, key: str | None, now: float) -> float:
        """When an event may go out: at once, or at the end of the window that a like one has opened."""
        if key is None:
            return now
        end = self._windows.get(key, 0.0)
        if end > now:
            return end
        self._windows[key] = now + self._batching.repeat_window
        return now
