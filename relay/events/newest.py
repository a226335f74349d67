"""Of a flood of progress only the newest matters: what the rest of a batch costs is one comparison an event."""

from collections.abc import Mapping, Sequence

from relay.events.kind import Kind
from relay.events.model import Event


def without_superseded(events: Sequence[Event], only_newest: Mapping[Kind, bool]) -> list[Event]:
    """A batch without the events that a later one of the same kind, run and marks makes pointless.

    `only_newest` says of a kind whether that holds for its events. In a trickle a batch has one of each at most.
    """
    kept: list[Event] = []
    seen: set[tuple[Kind, str | None, int]] = set()
    kind, run_id, marks = None, None, None  # of the last one that was asked about
    for event in reversed(events):
        # Neighbours are mostly alike in a flood, and comparing two costs less than asking the set.
        if event.kind is kind and event.run_id == run_id and event.marks is marks:
            continue
        if only_newest[event.kind]:
            kind, run_id, marks = key = event.kind, event.run_id, event.marks
            if key in seen:
                continue
            seen.add(key)
        kept.append(event)
    kept.reverse()
    return kept
