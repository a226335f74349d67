"""The part of a service manager that the relay needs: a descriptor store over NOTIFY_SOCKET, and LISTEN_FDS at start.

What systemd itself does with these messages is tried in tests/system; this one kills faster.
"""

import array
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Self

_LAUNCH = """
import os, sys
count = int(os.environ["LISTEN_FDS"])
for number, kept in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(kept, number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServiceManager:
    """Keeps what it is told to keep, as systemd does."""

    def __init__(self, directory: Path) -> None:
        self.address = str(directory / "notify")
        self.assignments: list[str] = []
        """Every assignment that came, in order."""
        self.kept: dict[str, int] = {}
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._listen, name="service manager")

    def __enter__(self) -> Self:
        self._socket.bind(self.address)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ourselves:
            ourselves.sendto(b"END", self.address)
        self._thread.join()
        self._socket.close()
        for descriptor in self.kept.values():
            os.close(descriptor)

    def environment(self) -> dict[str, str]:
        """What a process that this manager starts finds in its environment."""
        with self._lock:
            given = {"NOTIFY_SOCKET": self.address}
            return given | (
                {"LISTEN_FDS": str(len(self.kept)), "LISTEN_FDNAMES": ":".join(self.kept)} if self.kept else {}
            )

    def command(self, command: list[str]) -> tuple[list[str], tuple[int, ...]]:
        """What to run so that `command` finds the kept descriptors from 3 on, and which must be passed on."""
        with self._lock:
            kept = tuple(self.kept.values())
        if not kept:
            return command, ()
        return [sys.executable, "-c", _LAUNCH, ",".join(map(str, kept)), *command], kept

    def _listen(self) -> None:
        while True:
            data, control, _, _ = self._socket.recvmsg(4096, 1024)
            if data == b"END":
                return
            descriptors = array.array("i")
            for _, kind, passed in control:
                if kind == socket.SCM_RIGHTS:
                    descriptors.frombytes(passed)
            with self._lock:
                self._take(data.decode().split("\n"), descriptors.tolist())

    def _take(self, assignments: list[str], descriptors: list[int]) -> None:
        self.assignments += assignments
        name = next((each.removeprefix("FDNAME=") for each in assignments if each.startswith("FDNAME=")), "")
        if "FDSTORE=1" in assignments and name not in self.kept:
            self.kept[name] = descriptors.pop()
        if "FDSTOREREMOVE=1" in assignments and name in self.kept:
            os.close(self.kept.pop(name))
        for descriptor in descriptors:  # the other end of a barrier
            os.close(descriptor)
