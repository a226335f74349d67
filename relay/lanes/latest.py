"""Events of which only the newest matters, in memory until they are stored: a flood of progress costs little.

Used by `relay.lanes.queued`.
"""

from collections.abc import Sequence

from relay.events import Event

LatestKey = tuple[str, str | None]
"""What the sink calls them, and their run."""


class Latest:
    """Holds the newest event of each key, for a lane that keeps nothing on disk."""

    def __init__(self) -> None:
        self._held: dict[LatestKey, Event] = {}

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def pass_on(self, events: Sequence[Event], keys: Sequence[LatestKey | None]) -> list[Event]:
        """Those that must not wait (key None); what was held before one of them goes out before it."""
        passed: list[Event] = []
        for event, key in zip(events, keys, strict=True):
            if key is None:
                passed += [*self.release(), event]
            else:
                self._held.pop(key, None)  # the newest is the last
                self._held[key] = event
        return passed

    def release(self) -> list[Event]:
        """What is held, in the order in which it came; then nothing is."""
        if not self._held:
            return []
        held = list(self._held.values())
        self._held.clear()
        return held
