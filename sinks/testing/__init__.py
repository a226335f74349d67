"""The kit for sink authors: events to send, a server that misbehaves on request, and the contract every sink keeps.

Needs pytest and pytest-asyncio. docs/sinks.md shows it in use; nothing of the daemon imports it.
"""

from sinks.testing.contract import HOSTILE_TEXTS, STATUS_REASONS, SinkContract
from sinks.testing.fixtures import EXAMPLE_ERROR, NOON, MemoryState, make_context, make_event
from sinks.testing.server import Fault, FaultyServer, Reply, Request

__all__ = [
    "EXAMPLE_ERROR",
    "HOSTILE_TEXTS",
    "NOON",
    "STATUS_REASONS",
    "Fault",
    "FaultyServer",
    "MemoryState",
    "Reply",
    "Request",
    "SinkContract",
    "make_context",
    "make_event",
]
