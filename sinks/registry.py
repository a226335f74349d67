"""Which sinks are there? Those in the entry point group `tickstock_relay.sinks`, ours and strangers' alike."""

from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from sinks.base import Sink

GROUP = "tickstock_relay.sinks"


class UnknownSinkError(ValueError):
    """No package offers a sink of this type, or the one that does cannot be loaded."""


@lru_cache(maxsize=1)
def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def sink_names() -> list[str]:
    """The types that config.yaml may name."""
    return sorted(_offered())


def sink_class(name: str) -> type[Sink]:
    """The class behind a type; its module is imported now, not before.

    Raises:
        UnknownSinkError: nobody offers it, it cannot be imported, or it is no sink.
    """
    point = _offered().get(name)
    if point is None:
        raise UnknownSinkError(f"there is no sink of type {name!r}")
    try:
        found = point.load()
    except ImportError as error:
        raise UnknownSinkError(f"the sink {name!r} cannot be loaded: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Sink)):
        raise UnknownSinkError(f"{point.value} is not a Sink")
    return found
