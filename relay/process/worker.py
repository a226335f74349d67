"""One thread for work that would keep the event loop from everything else: jobs one after the other, in their order.

It is nobody's to wait for at the end: the thread ends with the process, whatever it is at.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

LARGE = 256 << 10
"""Bytes from which on decoding and redaction are a worker's: what is smaller costs a few milliseconds at most."""


class Worker:
    """Begins its thread with the first job; most processes never have one."""

    def __init__(self, name: str) -> None:
        """`name` is the thread's."""
        self._name = name
        self._jobs: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, job: Callable[[], T]) -> T:
        """What `job` returns, or raises, once all earlier jobs are done."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((answer, job))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        return await answer

    def _work(self) -> None:
        while True:
            _do(*self._jobs.get())  # in a function: nothing of a job stays here while the next is waited for


def begin(job: Callable[[], T], name: str) -> Future[T]:
    """What `job` will return or raise, done in a daemon thread of its own; `name` is the thread's."""
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(job())
        except BaseException as error:  # noqa: BLE001 - it is for whoever waits
            answer.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return answer


def _do(answer: "asyncio.Future[T]", job: Callable[[], T]) -> None:
    if answer.cancelled():
        return
    settle: Callable[[], None]
    try:
        result = job()
    except Exception as error:  # noqa: BLE001 - it is for whoever waits
        raised = error
        settle = lambda: None if answer.done() else answer.set_exception(raised)  # noqa: E731
    else:
        settle = lambda: None if answer.done() else answer.set_result(result)  # noqa: E731
    with suppress(RuntimeError):  # the loop has ended
        answer.get_loop().call_soon_threadsafe(settle)
