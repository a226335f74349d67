"""Tries what a relay has no business to do, and prints as JSON what was let through. A program for the lab."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NEW_USER_NAMESPACE = 0x10000000
LINUX32 = 0x0008
OPEN_DIRECTORY = "/srv/open"  # where everybody may write, but for the sandbox
libc = ctypes.CDLL(None, use_errno=True)


def write_elsewhere() -> None:
    Path(OPEN_DIRECTORY, "escaped").write_text("x")


def see_others() -> None:
    Path("/proc/1/comm").read_text()


def executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def new_namespace() -> None:
    called(libc.unshare(NEW_USER_NAMESPACE))


def other_sockets() -> None:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()


def other_personality() -> None:
    called(libc.personality(LINUX32))


def change_priority() -> None:
    called(libc.setpriority(os.PRIO_PROCESS, 0, 10))


def called(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def allowed(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


ATTEMPTS = (
    write_elsewhere,
    see_others,
    executable_memory,
    new_namespace,
    other_sockets,
    other_personality,
    change_priority,
)

if __name__ == "__main__":
    print(json.dumps([attempt.__name__ for attempt in ATTEMPTS if allowed(attempt)]))  # noqa: T201
