"""Which events must wake nobody."""

from collections.abc import Callable

from relay.events import Event, Mark


def why_muted(event: Event, silenced: Callable[[Event], bool]) -> str | None:
    """Why `event` must wake nobody, as the reason under which it is counted; None: it may."""
    if event.has(Mark.TEST):
        return "test"
    if event.has(Mark.REPLAYED):
        return "replayed"
    return "silenced" if silenced(event) else None
