"""Events of which only the newest matters, in memory until they are stored: a flood of progress costs little.

Used by `relay.lanes.queued`.
"""

from collections.abc import Callable, Sequence

from relay.events import Event


class Latest:
    """Holds the newest event of each key, for a lane that keeps nothing on disk."""

    def __init__(self, key: Callable[[Event], str | None]) -> None:
        self._key = key
        self._held: dict[str, Event] = {}

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def pass_on(self, events: Sequence[Event]) -> list[Event]:
        """Those that must not wait; what was held before one of them goes out before it. The others are held."""
        passed: list[Event] = []
        for event in events:
            key = self._key(event)
            if key is None:
                passed += self.release()
                passed.append(event)
            else:
                self._held.pop(key, None)
                self._held[key] = event
        return passed

    def release(self) -> list[Event]:
        """What is held, in the order in which it came; then nothing is."""
        if not self._held:
            return []
        held = list(self._held.values())
        self._held.clear()
        return held
