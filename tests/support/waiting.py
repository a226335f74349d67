"""Waiting for a condition with a deadline: no test sleeps for luck."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

HANG = 120.0
"""Seconds after which what a test waits for is taken not to come. Only to end a hang: on a machine with other work
everything takes many times as long, and a test that fails for that says nothing about the relay."""


def free_port() -> int:
    """A TCP port of loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], T], seconds: float = HANG, *, every: float = 0.01, what: str = "") -> T:
    """What `condition` gives when it is true at last; fails when that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what or 'it'} did not come within {seconds} s"
        time.sleep(every)
    return found


async def eventually(condition: Callable[[], T], seconds: float = HANG, *, what: str = "") -> T:
    """The same for a test that runs in the event loop."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what or 'it'} did not come within {seconds} s"
        await asyncio.sleep(0.005)
    return found
