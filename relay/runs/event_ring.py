"""The last events of one run, kept in pieces on a shelf, so that only the newest are written again."""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from relay.events import Event
from relay.runs.logged import LoggedEvent, logged_event
from relay.store.shelf import Shelf

LAST_EVENTS = 500
PIECE = 50
"""Events in one value on the shelf."""
_PREFIX = "events:"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[LoggedEvent]).decode


class EventRing:
    """The last events of one run: those that were read, and those that nobody has looked at yet."""

    def __init__(self, events: Iterable[LoggedEvent] = (), total: int = 0) -> None:
        """Go on from what was kept of so many in all."""
        self._read: deque[LoggedEvent] = deque(events, LAST_EVENTS)
        self._unread: deque[Event] = deque(maxlen=LAST_EVENTS)
        self._saved = total
        self._oldest = total
        self._total = total
        """Events read in all; the oldest that is kept is so many less."""

    def append(self, event: Event) -> None:
        """One more."""
        self._unread.append(event)

    def events(self) -> Sequence[LoggedEvent]:
        """The last ones, the oldest first."""
        while self._unread:
            self._read.append(logged_event(self._unread.popleft()))
            self._total += 1
        return self._read

    def put(self, shelf: Shelf, number: int) -> None:
        """Write what is new, in whole pieces, and forget the pieces that only hold what is too old."""
        events = list(self.events())
        first = self._total - len(events)
        for piece in range(self._oldest // PIECE, first // PIECE):
            shelf.put(_key(number, piece), None)
        self._oldest = min(first, self._total)
        for piece in range(max(self._saved, first) // PIECE, -(-self._total // PIECE)):
            begin = max(0, piece * PIECE - first)
            shelf.put(_key(number, piece), _encode(events[begin : (piece + 1) * PIECE - first]).decode())
        self._saved = self._total


def read_rings(shelf: Shelf) -> dict[int, EventRing]:
    """The rings on a shelf, by their runs' numbers; what cannot be read there is forgotten."""
    pieces: dict[int, list[tuple[int, list[LoggedEvent]]]] = {}
    for key, value in sorted(shelf.items().items()):
        if not key.startswith(_PREFIX):
            continue
        try:
            number, piece = map(int, key.removeprefix(_PREFIX).split(":"))
            events = _decode(value)
        except (ValueError, msgspec.MsgspecError):
            shelf.put(key, None)
        else:
            pieces.setdefault(number, []).append((piece, events))
    return {number: _ring_of(held) for number, held in pieces.items()}


def forget_events(shelf: Shelf, number: int) -> None:
    """Take a run's events from the shelf."""
    for key in shelf.items():
        if key.startswith(_keys(number)):
            shelf.put(key, None)


def _ring_of(pieces: Sequence[tuple[int, list[LoggedEvent]]]) -> EventRing:
    last, newest = pieces[-1]
    return EventRing((event for _, events in pieces for event in events), last * PIECE + len(newest))


def _keys(number: int) -> str:
    return f"{_PREFIX}{number:09}:"


def _key(number: int, piece: int) -> str:
    return f"{_keys(number)}{piece:06}"
