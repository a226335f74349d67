"""A contender while it runs: started, subscribed, measured, ended.

A script says READY and DONE on its stdout and stays for the last look at it; our relay is started as systemd would
start it (READY=1 on NOTIFY_SOCKET) and is done when the stop message is in its archive and its webhooks are delivered.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks import archive, contenders, relay_config, system

if TYPE_CHECKING:
    from benchmarks.neighbour import Beside

START_SECONDS = 20


class Running:
    """What both kinds have in common; `archive` is the directory with what it appended."""

    def __init__(self, words: list[str], directory: Path, environment: dict[str, str], *, talks: bool) -> None:
        """Starts the process; stderr, and stdout too unless it `talks` to us, go into a file beside its archive."""
        self.directory = directory
        self.archive = directory / "archive"
        self.archive.mkdir(parents=True, exist_ok=True)
        self._log = directory / "stderr.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if talks else log,
                stderr=log,
                env=os.environ | environment,
                text=True,
            )

    @property
    def pid(self) -> int:
        """The process."""
        return self.process.pid

    def cpu(self) -> float:
        """CPU seconds so far."""
        return system.cpu_seconds(self.pid)

    def pause(self) -> None:
        """Stops it where it stands, so that what is published queues up."""
        system.send_signal(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        system.send_signal(self.pid, signal.SIGCONT)

    def complaint(self) -> str:
        """The last lines of what it wrote to stderr."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])

    def end(self, which: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process, politely first."""
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(which)
        try:
            self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
        shutil.rmtree(self.directory, ignore_errors=True)


class Script(Running):
    """One of the scripts in `contenders/`."""

    def __init__(self, contender: contenders.Contender, port: int, directory: Path) -> None:
        """Starts it and waits until it is subscribed."""
        (directory / "archive").mkdir(parents=True, exist_ok=True)
        words = [*contender.words, str(port), str(directory / "archive" / "events.jsonl")]
        super().__init__(words, directory, {"NODE_CLIENTS": str(contenders.NODE_HOME)}, talks=True)
        if self._answer(START_SECONDS) != "READY":
            self.end(signal.SIGKILL)
            raise RuntimeError(f"{contender.name} did not start:\n{self.complaint()}")

    def _answer(self, patience: float) -> str:
        if self.process.stdout is None:
            raise RuntimeError("a contender has no stdout")
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            return self.process.stdout.readline().strip() if selector.select(patience) else ""

    def wait_done(self, expected_webhooks: int, patience: float) -> int | None:  # noqa: ARG002 - it sends none
        """Waits for DONE."""
        words = self._answer(patience).split()
        return int(words[1]) if words[:1] == ["DONE"] else None


class NotifySocket:
    """systemd's end of `sd_notify`: hears everything, keeps the time of READY=1."""

    def __init__(self) -> None:
        """Begins to listen, in a thread, so that the daemon never finds the socket full."""
        self._directory = tempfile.mkdtemp()
        self.path = f"{self._directory}/notify"
        self.ready = threading.Event()
        self.ready_at = 0.0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while message := self._socket.recv(65536):
            if b"READY=1" in message.splitlines() and not self.ready.is_set():
                self.ready_at = time.perf_counter()
                self.ready.set()

    def close(self) -> None:
        """Ends the thread and removes the socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.path)
        shutil.rmtree(self._directory)


class Relay(Running):
    """Our relay with one of the configurations of `relay_config`."""

    def __init__(self, config: str, port: int, directory: Path, beside: Beside) -> None:
        """Starts it; `ready_seconds` is how long it took to say READY=1."""
        self._beside = beside
        self.place = relay_config.Place(directory, port, beside.port, system.free_port())
        words = contenders.relay_command(relay_config.write(config, self.place))
        self._notify = NotifySocket()
        begin = time.perf_counter()
        super().__init__(words, directory, {"NOTIFY_SOCKET": self._notify.path}, talks=False)
        while not self._notify.ready.wait(0.1):
            if self.process.poll() is None and time.perf_counter() < begin + START_SECONDS:
                continue
            self.end(signal.SIGKILL)
            raise RuntimeError(f"tickstock-relay did not become ready:\n{self.complaint()}")
        self.ready_seconds = self._notify.ready_at - begin

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._notify.close()

    def delivered(self) -> int:
        """How many different events have come to the webhook receiver from this relay."""
        return self._beside.received(self.directory.name)

    def wait_done(self, expected_webhooks: int, patience: float) -> int | None:
        """Waits until the stop message is archived and the webhooks are delivered."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if archive.has_stopped(self.archive) and self.delivered() >= expected_webhooks:
                break
            time.sleep(0.02)
        return None


def start(contender: contenders.Contender, valkey: system.Valkey, beside: Beside) -> Script | Relay:
    """Starts a contender and waits until the server has its subscription."""
    system.CACHE.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{contender.name}-", dir=system.CACHE))
    running: Script | Relay | None = None
    try:
        if contender.config is None:
            running = Script(contender, valkey.port, directory)
        else:
            running = Relay(contender.config, valkey.port, directory, beside)
        system.wait_until(lambda: valkey.subscriptions() == 1, START_SECONDS, f"{contender.name} did not subscribe")
    except (RuntimeError, TimeoutError) as error:
        complaint = running.complaint() if running else ""
        if running:
            running.__exit__()
        shutil.rmtree(directory, ignore_errors=True)
        raise RuntimeError(f"{error}\n{complaint}".strip()) from error
    return running
