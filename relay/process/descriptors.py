"""The process' file descriptors at its start: the standard ones are there, and there may be as many as are allowed."""

import os
import resource
import sys

STANDARD = (0, 1, 2)


def open_standard() -> None:
    """Open what is closed of 0, 1 and 2 on /dev/null; to be called before anything else opens a file.

    Otherwise the next socket takes such a number: whatever is printed goes into it, and libuv aborts when it closes it.
    """
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            os.set_inheritable(number, True)  # as standard descriptors are
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - for the life of the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115


def raise_limit() -> None:
    """Take as many descriptors as may be had; the usual soft limit of 1,024 is for programs that use select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return  # a sandbox forbids it: what there is has to do
