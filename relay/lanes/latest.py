"""Events of which only the newest matters, in memory until they are stored: a flood of progress costs little.

Used by `relay.lanes.queued`.
"""

from collections.abc import Sequence

from relay.events import Event


class Latest:
    """Holds the newest event of each key, for a lane that keeps nothing on disk."""

    def __init__(self) -> None:
        self._held: dict[str, Event] = {}

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def pass_on(self, events: Sequence[Event], keys: Sequence[str | None]) -> list[Event]:
        """Those that must not wait (key None); what was held before one of them goes out before it."""
        passed: list[Event] = []
        begin = 0
        for place in (number for number, key in enumerate(keys) if key is None):
            self._hold(events[begin:place], keys[begin:place])
            passed += [*self.release(), events[place]]
            begin = place + 1
        self._hold(events[begin:], keys[begin:])
        return passed

    def _hold(self, events: Sequence[Event], keys: Sequence[str | None]) -> None:
        newest = dict(zip(keys, events, strict=True))  # of a flood, a handful
        for key, event in newest.items():
            if key is not None:
                self._held.pop(key, None)
                self._held[key] = event

    def release(self) -> list[Event]:
        """What is held, in the order in which the keys came up; then nothing is."""
        if not self._held:
            return []
        held = list(self._held.values())
        self._held.clear()
        return held
