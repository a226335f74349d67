"""Debian's Prometheus as a process of its own, and its HTTP API."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.waiting import HANG, free_port, until


@dataclass
class Prometheus:
    """A running one."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of its API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=10) as answer:  # noqa: S310 - our own http://
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        found: list[dict[str, Any]] = self.ask("/api/v1/query", query=expression)["result"]
        return found

    def query_range(self, expression: str, begin: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series of a range query; times in epoch seconds."""
        times = {"start": str(begin), "end": str(end), "step": str(step)}
        found: list[dict[str, Any]] = self.ask("/api/v1/query_range", query=expression, **times)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """The value of its one sample; None while there is none."""
        found = self.query(expression)
        assert len(found) < 2, found
        return float(found[0]["value"][1]) if found else None


@contextmanager
def running(directory: Path, config: dict[str, Any], *options: str) -> Iterator[Prometheus]:
    """Prometheus with this configuration; what it stores is in `directory / "tsdb"`."""
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    storage = f"--storage.tsdb.path={directory / 'tsdb'}"
    log_path = directory / "prometheus.log"
    with log_path.open("wb") as log:
        command = ["prometheus", f"--config.file={path}", storage, f"--web.listen-address={address}", *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    prometheus = Prometheus(f"http://{address}")
    try:
        until(lambda: _answers(prometheus, process, log_path), what="Prometheus")
        yield prometheus
    finally:
        process.terminate()
        process.wait(timeout=HANG)


def _answers(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-2000:]
    try:
        prometheus.query("vector(1)")
    except OSError:
        return False
    return True
