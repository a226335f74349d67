"""Events that belong to no run that is known: too few to prove one, or sent again long after they happened.

Kept in memory only, and only the last few: what they mean is for `relay.runs.runs` and for the watchdog.
"""

from datetime import datetime, timedelta

from relay.events import Event
from relay.runs.claims import STALE, SentAgain, sent_again

STRAY_SPAN = timedelta(minutes=10)
"""One event without a run proves no run; two of them within this span do."""
MOST_STRAYS = 8


class LooseEvents:
    """The last strays, and what was sent again."""

    def __init__(self) -> None:
        self.not_inferred: tuple[datetime, datetime] | None = None
        """From when to when strays begin no run: until the day's run is due, they are too weak a sign."""
        self.sent_again: SentAgain | None = None
        """The first of the last events that were sent again long after they happened, and do not count."""
        self._strays: list[Event] = []

    def strays(self, since: datetime) -> list[Event]:
        """The last events without a run that have begun none."""
        return [one for one in self._strays if one.received >= since]

    def prove_a_run(self, event: Event, now: datetime) -> bool:
        """Whether one more stray makes enough of them for a run; if not, it is kept."""
        is_too_early = self.not_inferred is not None and self.not_inferred[0] <= now < self.not_inferred[1]
        if self.strays(now - STRAY_SPAN) and not is_too_early:
            return True
        self._strays = [*self._strays, event][-MOST_STRAYS:]
        return False

    def take_strays(self, since: datetime) -> list[Event]:
        """The strays from `since` on, which now have a run; all others are forgotten."""
        found = self.strays(since)
        self._strays = []
        return found

    def note_sent_again(self, event: Event) -> None:
        """An event of another day came once more."""
        found, known = sent_again(event), self.sent_again
        if known is None or known.day != found.day or found.received - known.received > STALE:
            self.sent_again = found
