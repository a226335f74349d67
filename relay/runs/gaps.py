"""Spans in which the relay was not subscribed: from when to when, announced as `relay:gap`.

A gap begins when the relay was last known to receive all that is published; that moment is kept on a shelf, so that the
gap of a crash or a stop without handover is known to the next process. `relay.watchdog.reception` tells people of it.
"""

from datetime import datetime

import msgspec

from relay.events import Announcement, Severity, utc_text
from relay.events.wording import clock_time
from relay.store.shelf import Shelf
from relay.subscription.subscription import SubscriptionChange

HEARTBEAT = 5.0
"""Seconds between two notes of that moment, at least: a gap after a crash may begin that much too early."""
_ALIVE = "alive"
_UNREPORTED = "unreported"


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """From when to when the relay was not subscribed, and why; several of them when `count` says so."""

    since: datetime
    until: datetime
    reason: str
    seconds: float
    """Without a subscription, all of them together."""
    count: int = 1


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Gap).decode


class Gaps:
    """Keeps the time last heard; says what was missed."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        noted = shelf.get(_ALIVE)
        self._alive = datetime.fromisoformat(noted) if noted else None
        self._subscribed = False
        self._reason = "the relay was not running"
        self.count = 0
        self.seconds = 0.0
        self.last: tuple[datetime, datetime] | None = None
        """The newest gap, for the reconciliation with the API."""
        self.unreported = self._stored()
        """What people have not been told yet: the next process does if this one ends before."""

    def heartbeat(self, known_until: datetime | None) -> None:
        """Note every few seconds until when all is known to have been received; None when that is not known."""
        if known_until is None or not self._subscribed:
            return
        if self._alive is None or abs((known_until - self._alive).total_seconds()) >= HEARTBEAT:
            self._note(known_until)

    def changed(self, link: SubscriptionChange, now: datetime) -> list[Announcement]:
        """The subscription began or ended."""
        if not link.subscribed:
            if self._subscribed and link.known_until is not None:
                self._note(link.known_until)
            self._subscribed = False
            self._reason = link.reason
            return []
        self._subscribed = True
        if link.adopted:
            return []  # whether it is still the right server is not known yet: no note
        since = self._alive
        self._note(now)
        if since is None:
            return []
        return [self._gap(min(since, now), now)]  # the clock may have been set back

    def reported(self) -> None:
        """People have been told of what was unreported."""
        self.unreported = None
        self._shelf.put(_UNREPORTED, None)

    def _gap(self, since: datetime, until: datetime) -> Announcement:
        seconds = (until - since).total_seconds()
        self.count += 1
        self.seconds += seconds
        self.last = (since, until)
        self._keep_unreported(Gap(since, until, self._reason, seconds))
        return Announcement(
            channel="relay:gap",
            event="gap",
            severity=Severity.WARNING,
            payload={
                "from": utc_text(since),
                "to": utc_text(until),
                "seconds": round(seconds, 3),
                "reason": self._reason,
                "message": (
                    f"Events published from {clock_time(since, until, seconds=True)} to"
                    f" {clock_time(until, seconds=True, utc=True)} were not received: {self._reason}."
                    " Runs that the API shows are reconstructed."
                ),
            },
        )

    def _keep_unreported(self, gap: Gap) -> None:
        earlier = self.unreported
        if earlier is not None:
            since, until = min(earlier.since, gap.since), max(earlier.until, gap.until)
            gap = Gap(since, until, gap.reason, earlier.seconds + gap.seconds, earlier.count + 1)
        self.unreported = gap
        self._shelf.put(_UNREPORTED, _encode(gap).decode())

    def _stored(self) -> Gap | None:
        text = self._shelf.get(_UNREPORTED)
        try:
            return _decode(text) if text else None
        except msgspec.MsgspecError:
            return None

    def _note(self, now: datetime) -> None:
        self._alive = now
        self._shelf.put(_ALIVE, utc_text(now))
