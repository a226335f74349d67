"""How a relay feels from outside while something is done to it: the longest silence of `/healthz`, the most memory."""

import threading
import time
from pathlib import Path
from typing import Self

from tests.support.relay_process import RelayProcess


class Pulse:
    """`with Pulse(relay) as pulse:` asks for `/healthz` all the time, each time when the last has answered."""

    def __init__(self, relay: RelayProcess) -> None:
        self._relay = relay
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pulse")
        self.longest = 0.0
        """Seconds that an answer took, at most."""
        self.memory = 0
        """Bytes that the relay had in memory, at most."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            begun = time.monotonic()
            self._relay.answers("/healthz")
            self.longest = max(self.longest, time.monotonic() - begun)
            self.memory = max(self.memory, _resident(self._relay))


def _resident(relay: RelayProcess) -> int:
    process = relay.process
    try:
        return int(Path(f"/proc/{process.pid if process else 0}/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0
