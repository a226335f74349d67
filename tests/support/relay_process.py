"""The relay as its users run it: `tickstock-relay run --config FILE`, a process of its own, seen from outside."""

import base64
import copy
import gzip
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import yaml
import zstandard
from prometheus_client.parser import text_string_to_metric_families

from tests.support.service_manager import ServiceManager
from tests.support.traffic import CHANNEL
from tests.support.waiting import HANG, free_port, plain_environment, until

Json = dict[str, Any]
PROGRAM = Path(sys.executable).parent / "tickstock-relay"


class RelayProcess:
    """One relay with its own directory; `with` starts it and waits until it is ready.

    By default every event goes to `/metrics` and to the archive.

    Args:
        directory: for its config, state, archive and log.
        redis_url: where it listens; it may be unreachable (`ready=False` then).
        config: sections of config.yaml that replace ours; of `sinks` and `routes`, they are added.
        manager: who keeps its descriptors over a restart.
        environment: variables beside the test's own.
        ready: whether `start` waits for `/readyz`.
    """

    program: tuple[str, ...] = (str(PROGRAM),)

    def __init__(
        self,
        directory: Path,
        redis_url: str,
        *,
        config: Json | None = None,
        manager: ServiceManager | None = None,
        environment: dict[str, str] | None = None,
        ready: bool = True,
    ) -> None:
        self.directory = directory
        self.archive_directory = directory / "archive"
        self.state = directory / "state"
        self.url = f"http://127.0.0.1:{free_port()}"
        self.config_path = directory / "config.yaml"
        self.config = self._config(redis_url, config or {})
        self._manager = manager
        self._environment = environment or {}
        self._ready = ready
        self._log = directory / "relay.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Run it; wait until it is subscribed."""
        self.launch()
        try:
            until(lambda: self.answers("/readyz" if self._ready else "/healthz") or self._ended(), what="the relay")
        except BaseException:
            self._end()  # nobody else will: `with` has not begun
            raise
        return self

    def launch(self) -> None:
        """Run it, without waiting for anything."""
        self.write_config()
        command = [*self.program, "run", "--config", str(self.config_path)]
        descriptors: tuple[int, ...] = ()
        environment = plain_environment() | self._environment
        if self._manager is not None:
            command, descriptors = self._manager.command(command)
            environment |= self._manager.environment()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, pass_fds=descriptors, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def write_config(self) -> None:
        """Write `config` to the file that the relay reads."""
        self.config_path.write_text(yaml.safe_dump(self.config, sort_keys=False))

    def kill(self) -> None:
        """SIGKILL."""
        self.send(signal.SIGKILL)
        self.wait()

    def terminate(self, seconds: float = HANG) -> int:
        """SIGTERM; its exit status."""
        self.send(signal.SIGTERM)
        return self.wait(seconds)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = HANG) -> int:
        """Wait for its end; its exit status."""
        assert self.process is not None
        status = self.process.wait(timeout=seconds)
        self.process = None
        return status

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def get(self, path: str) -> str:
        """A page of its own HTTP server.

        Raises:
            OSError: it does not answer, or not with success.
        """
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:  # noqa: S310 - our own http:// address
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            raise

    def answers(self, path: str) -> bool:
        """Whether that page answers with success."""
        try:
            self.get(path)
        except OSError:
            return False
        return True

    def metrics(self, name: str = "") -> dict[str, list[tuple[dict[str, str], float]]]:
        """Samples by name: labels and value; those alone whose name begins so, as reading all takes long."""
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        lines = [line for line in self.get("/metrics").splitlines(keepends=True) if line.startswith(name)]
        for family in text_string_to_metric_families("".join(lines)):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name which have these labels; `tickstock_` may be left out."""
        name = name if name.startswith("tickstock_") else f"tickstock_{name}"
        samples = self.metrics(name).get(name, [])
        return sum(value for found, value in samples if labels.items() <= found.items())

    def archive(self) -> list[Json]:
        """The events of the archive, oldest first, rotated files included."""
        return [json.loads(line) for line in self.archive_lines()]

    def archive_lines(self) -> list[bytes]:
        """The archive's whole lines; one that is being written does not count yet."""
        return [line for lines in archive_lines_of(self.archive_directory) for line in lines]

    def numbers(self, channel: str = CHANNEL) -> Counter[int]:
        """How often each of the numbered messages (`traffic`) of that channel is in the archive."""
        marker = b'"channel":"%b"' % channel.encode()
        lines = [line for line in self.archive_lines() if marker in line and b'"event":"numbered"' in line]
        return Counter(json.loads(line)["payload"]["n"] for line in lines)

    def archived(self, event: str) -> list[Json]:
        """The archived events of that name."""
        return [each for each in self.archive() if each["event"] == event]

    def quarantine(self) -> list[Json]:
        """The quarantined messages, with `data` as bytes."""
        found = []
        for path in sorted((self.state / "quarantine").glob("quarantine*.jsonl"), key=_age):
            found += [json.loads(line) for line in path.read_bytes().splitlines()]
        return [each | {"data": base64.b64decode(each["data"])} for each in found]

    def log_lines(self) -> list[Json]:
        """What it has logged."""
        lines = self._log.read_text().splitlines()
        return [json.loads(line) if line.startswith("{") else {"event": line} for line in lines]

    def subscriptions(self) -> int:
        """How often it has been subscribed, by its log."""
        return self.log_text().count('"event": "subscribed"')

    def log_text(self) -> str:
        """The same, as it is."""
        return self._log.read_text()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self._end()
        if failed is not None:
            sys.stderr.write(f"--- the relay's log\n{self.log_text()[-6000:]}\n")

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _ended(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the relay ended: {self.log_text()[-2000:]}"
        return False

    def _config(self, redis_url: str, given: Json) -> Json:
        config: Json = {
            "redis": {"url": redis_url},
            "tickstockpl": {"base_url": "http://127.0.0.1:9"},
            "state_dir": str(self.state),
            "http": {"listen": self.url.removeprefix("http://"), "metrics_max_age": "0s"},  # a test wants what is now
            "log": {"format": "json"},
        }
        config |= copy.deepcopy(
            {name: value for name, value in given.items() if name not in ("redis", "sinks", "routes")}
        )
        config["redis"] |= given.get("redis", {})
        archive = {"type": "jsonl", "directory": str(self.archive_directory)}
        config["sinks"] = {"metrics": {"type": "prometheus"}, "archive": archive}
        for name, options in given.get("sinks", {}).items():
            config["sinks"][name] = config["sinks"].get(name, {}) | options
        everything = {"name": "everything", "match": {}, "to": ["metrics", "archive"]}
        config["routes"] = [everything, *given.get("routes", [])]
        return config


def archive_lines_of(directory: Path) -> Iterator[list[bytes]]:
    """The whole lines of each file of an archive, the oldest file first."""
    for path in sorted(directory.glob("events*.jsonl*"), key=_age):
        yield _content(path).split(b"\n")[:-1]


def drained(relay: RelayProcess, seconds: float = HANG) -> None:
    """Wait until nothing is unread and the archive has stopped growing for a moment."""
    seen = [-1.0, -1.0, -1.0]

    def quiet() -> bool:
        if not relay.answers("/readyz") or relay.metric("relay_unread_bytes"):
            return False
        seen.append(relay.metric("relay_received_messages_total"))
        return len(set(seen[-3:])) == 1

    until(quiet, seconds, every=0.05, what="the end of what is unread")


def _age(path: Path) -> tuple[bool, str]:
    """Rotated files in their order, the current one last."""
    return path.name.split(".")[0].count("-") == 0, path.name


def _content(path: Path) -> bytes:
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
