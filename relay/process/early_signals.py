"""SIGHUP and SIGUSR2 are requests from the first moment to the last: none ends the process, none is forgotten.

By default they end a process. Here they are caught before anything large is imported, and kept until somebody takes
them. A process that becomes a new one blocks them meanwhile, so that they wait in the kernel.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

REQUESTS = (signal.SIGHUP, signal.SIGUSR2)


class _Requests:
    """What came, until it is taken."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.take: Callable[[int], object] | None = None

    def came(self, number: int, _frame: FrameType | None = None) -> None:
        if self.take is None:
            self.waiting.append(number)
        else:
            self.take(number)


_requests = _Requests()


def install() -> None:
    """Catch them; to be called first of all, in the main thread."""
    for number in REQUESTS:
        signal.signal(number, _requests.came)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUESTS)


def deliver(take: Callable[[int], object] | None) -> None:
    """Call `take` with the number of each that came and that comes, in the main thread; None: keep them again.

    `take` is called between any two instructions, so it should do no more than tell an event loop.
    """
    _requests.take = take
    if take is not None:
        waiting = _requests.waiting
        _requests.waiting = []
        for number in waiting:
            take(number)


def block() -> None:
    """Have them wait in the kernel for the program that this process becomes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
