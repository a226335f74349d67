"""Waiting for a condition with a deadline: no test sleeps for luck."""

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

HANG = 120.0
"""Seconds after which what a test waits for is taken not to come. Only to end a hang: on a machine with other work
everything takes many times as long, and a test that fails for that says nothing about the relay."""
LONGEST_PAUSE = 0.1
"""Seconds between two looks at most: the pause is a tenth of the time waited so far, for a look costs, too."""

BELOW_THE_SYSTEMS = (12_000, 32_000)
_random = random.SystemRandom()  # the plain one begins anew with each test, in each suite


def plain_environment() -> dict[str, str]:
    """Without the authorities that this machine names: a program reads them all at its start, and none is asked for."""
    return {name: value for name, value in os.environ.items() if name not in ("SSL_CERT_FILE", "SSL_CERT_DIR")}


def free_port() -> int:
    """A TCP port of loopback that nobody has, and that the system gives to nobody who asks for any port.

    It is taken some time after this: a stand-in of another suite on this machine must not get it until then.
    """
    while True:
        port = _random.randrange(*BELOW_THE_SYSTEMS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def until(condition: Callable[[], T], seconds: float = HANG, *, every: float = 0.01, what: str = "") -> T:
    """What `condition` gives when it is true at last; fails when that takes longer than `seconds`."""
    begun = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - begun
        assert waited < seconds, f"{what or 'it'} did not come within {seconds} s"
        time.sleep(max(every, min(waited / 10, LONGEST_PAUSE)))
    return found


async def eventually(condition: Callable[[], T], seconds: float = HANG, *, what: str = "") -> T:
    """The same for a test that runs in the event loop."""
    begun = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - begun
        assert waited < seconds, f"{what or 'it'} did not come within {seconds} s"
        await asyncio.sleep(max(0.005, min(waited / 10, LONGEST_PAUSE)))
    return found
