"""What the relay and its service manager say to each other: ready, alive, keep this descriptor for me.

Every call is harmless without systemd: it then does nothing and says so by returning False or nothing at all. None
waits for the manager: what it cannot take now is sent again by the next call, or by `resend`.
It must not know what the descriptors are for. Protocols: sd_notify(3), sd_listen_fds(3),
sd_watchdog_enabled(3).
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, NoReturn

from relay.process import early_signals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_LONGEST_NAME = 255  # FDNAME= beyond that is refused by systemd


_unsent: deque[tuple[str, ...]] = deque(maxlen=64)
"""What the manager had no room for, oldest first: all but `WATCHDOG=1` and descriptors, which are their callers'."""


def notify(*assignments: str, descriptors: Sequence[int] = ()) -> bool:
    """Send assignments such as ``READY=1`` to the service manager, with descriptors if there are any. Never blocks.

    Returns:
        Whether a manager is there and took the message; one that went away is not the relay's error.
    """
    try:
        if resend():
            _send(assignments, descriptors)
            return True
    except BlockingIOError:
        pass
    except OSError:
        return False
    if not descriptors and assignments != ("WATCHDOG=1",):
        _keep_for_later(assignments)
    return False


def resend() -> bool:
    """Send what the manager had no room for; to be called now and then.

    Returns:
        Whether nothing is left.
    """
    try:
        while _unsent:
            _send(_unsent[0])
            _unsent.popleft()
    except BlockingIOError:
        return False
    except OSError:
        _unsent.clear()  # there is no manager any more
    return True


def _send(assignments: Sequence[str], descriptors: Sequence[int] = ()) -> None:
    """Send one message.

    Raises:
        BlockingIOError: The manager does not read, and there is no room for more.
        OSError: There is no manager.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        raise FileNotFoundError("no manager")
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        manager.sendmsg(["\n".join(assignments).encode()], passed, socket.MSG_DONTWAIT, address)


def _keep_for_later(assignments: tuple[str, ...]) -> None:
    """Only the last of several texts for people that follow each other is of use."""
    if _unsent and all(each[0].startswith("STATUS=") for each in (_unsent[-1], assignments)):
        _unsent.pop()
    _unsent.append(assignments)


def ready(status: str = "") -> bool:
    """Say that start-up, or a reload, is finished."""
    return notify("READY=1", *_status(status))


def status(text: str) -> bool:
    """Say in one line what the relay is doing; ``systemctl status`` shows it."""
    return notify(*_status(text))


def reloading(text: str = "") -> bool:
    """Say that a reload begins; `ready` ends it, also when the new configuration was refused."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", *_status(text))


def stopping(text: str = "") -> bool:
    """Say that the relay is on its way out."""
    return notify("STOPPING=1", *_status(text))


def alive() -> bool:
    """Feed the watchdog; to be called every `watchdog_interval` seconds."""
    return notify("WATCHDOG=1")


def watchdog_interval() -> float | None:
    """Seconds between two `alive` calls, half of the unit's WatchdogSec=; None when nobody watches."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    allowed = os.environ.get("WATCHDOG_USEC", "")
    if not allowed.isdecimal() or int(allowed) == 0:
        return None
    return int(allowed) / 2_000_000


def store(descriptor: int, name: str) -> bool:
    """Have the manager keep a descriptor for the next process, in place of any that it keeps under this name.

    What is sent is in the manager's queue whatever happens to us, and systemd takes what is there before it looks at
    processes that ended: a SIGKILL finds the descriptor kept. So nobody waits for an answer.
    ``FDPOLL=0``: else systemd drops a connection that the peer reset, and the bytes that it still holds.

    Args:
        descriptor: An open descriptor; it stays the caller's.
        name: What `inherited` will call it.

    Returns:
        Whether it was sent; if not, the caller tries again. Without FileDescriptorStoreMax= the manager drops it.

    Raises:
        ValueError: The name is not one that systemd takes.
    """
    _check_name(name)
    return forget(name) and notify("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0", descriptors=[descriptor])


def forget(name: str) -> bool:
    """Have the manager close what it keeps under this name.

    Raises:
        ValueError: The name is not one that systemd takes.
    """
    _check_name(name)
    return notify("FDSTOREREMOVE=1", f"FDNAME={name}")


def inherited() -> dict[str, int]:
    """Take over the descriptors that the manager, or the process before a `reexec`, left: name to descriptor.

    They are this process' alone from here on: close-on-exec, and gone from the environment, so that a second
    call gives none.
    Of several under one name the first is taken and the others are closed.
    """
    passed = {key: os.environ.pop(key, "") for key in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if passed["LISTEN_PID"] != str(os.getpid()) or not passed["LISTEN_FDS"].isdecimal():
        return {}
    count = int(passed["LISTEN_FDS"])
    names = passed["LISTEN_FDNAMES"].split(":") if passed["LISTEN_FDNAMES"] else []
    names += ["unknown"] * (count - len(names))
    found: dict[str, int] = {}
    for descriptor, name in enumerate(names[:count], FIRST_DESCRIPTOR):
        if name in found:
            os.close(descriptor)
        else:
            os.set_inheritable(descriptor, False)
            found[name] = descriptor
    return found


def reexec(descriptors: Mapping[str, int]) -> NoReturn:
    """Become a fresh process of the same command line, which finds these descriptors by `inherited`.

    The pid stays, so a manager sees no restart and keeps watching; everything else that is open closes. To be
    called when nothing else runs any more: a thread that still writes to its file 3 would hit a socket.

    Raises:
        ValueError: A name is not one that systemd takes.
        OSError: The interpreter is gone, or a descriptor is not open.
    """
    for name in descriptors:
        _check_name(name)
    if not os.access(sys.executable, os.X_OK):
        raise FileNotFoundError(f"cannot start again: {sys.executable} does not exist any more")
    beyond = FIRST_DESCRIPTOR + len(descriptors)
    # First out of the way: a descriptor may have the number that another one is to get.
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, beyond) for descriptor in descriptors.values()]
    for number, descriptor in enumerate(moved, FIRST_DESCRIPTOR):
        os.dup2(descriptor, number, inheritable=True)
    listen = {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(moved)),
        "LISTEN_FDNAMES": ":".join(descriptors),
    }
    early_signals.block()  # until the new program catches them
    os.execve(sys.executable, sys.orig_argv, os.environ | listen)  # noqa: S606 - no shell is wanted


def _status(text: str) -> list[str]:
    """One assignment of one line: a line break in the text would begin another assignment."""
    return [f"STATUS={' '.join(text.split())}"] if text else []


def _check_name(name: str) -> None:
    if not (0 < len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable() and ":" not in name):
        raise ValueError(f"{name!r} cannot name a descriptor: up to {_LONGEST_NAME} ASCII characters, no colon")
