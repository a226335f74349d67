"""One relay a state directory: two would tell everything twice, into one archive.

The lock is the process' until it ends, however that happens; one that becomes a new process hands it on.
"""

import fcntl
import os
import time
from pathlib import Path

import structlog

from sinks.append_file import make_directory

FILE = "relay.lock"
NAME = "state-lock"
"""What the descriptor is called when it is handed on."""
PATIENCE = 2.0
"""Seconds in which the relay before us may still be ending."""

log = structlog.get_logger(__name__)


class TakenError(Exception):
    """Another process runs on the directory."""


def take(state_dir: Path, handed_on: int | None) -> dict[str, int]:
    """Lock the directory, or keep the lock that the process before us, of the same pid, has handed on.

    Returns:
        What to hand on in turn. Nothing where no lock can be had (a read-only disk, a file system without locks):
        the relay says so and does without.

    Raises:
        TakenError: somebody else has it.
    """
    try:
        make_directory(state_dir)
        lock = os.open(state_dir / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if handed_on is not None and os.path.sameopenfile(handed_on, lock):
            lock, handed_on = handed_on, lock
        until = time.monotonic() + PATIENCE
        while not _is_locked(lock):
            if time.monotonic() >= until:
                raise TakenError(f"another relay runs with the state directory {state_dir}")
            time.sleep(0.05)
    except OSError as error:
        log.warning("the state directory cannot be locked; a second relay would not be noticed", error=str(error))
        return {}
    finally:
        if handed_on is not None:
            os.close(handed_on)
    return {NAME: lock}


def _is_locked(lock: int) -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
