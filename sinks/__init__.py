"""Where events go, and all that the author of a sink needs: `from sinks import QueuedSink, Outcome, …` (docs/sinks.md).

A sink knows `relay.events` and this package, and nothing of the daemon. Names are imported when first asked for:
`config` needs the options' types alone, and a daemon with metrics alone must not load an HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sinks.addresses import usable_url
    from sinks.base import (
        DELIVERED,
        Batching,
        DirectSink,
        Outcome,
        QueuedSink,
        Reason,
        Sink,
        SinkContext,
        SinkError,
        SinkState,
    )
    from sinks.options import Duration, FileSecret, Options, Size
    from sinks.posting import NoAnswerError, Poster, outcome_of

_MODULES = ("sinks.options", "sinks.addresses", "sinks.base", "sinks.posting")
"""Where the names are; what loads least is looked through first."""

__all__ = [
    "DELIVERED",
    "Batching",
    "DirectSink",
    "Duration",
    "FileSecret",
    "NoAnswerError",
    "Options",
    "Outcome",
    "Poster",
    "QueuedSink",
    "Reason",
    "Sink",
    "SinkContext",
    "SinkError",
    "SinkState",
    "Size",
    "outcome_of",
    "usable_url",
]


def __getattr__(name: str) -> Any:
    for module in map(import_module, _MODULES) if name in __all__ else ():
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
