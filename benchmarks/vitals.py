"""What our running relay tells and shows of itself: its metrics, its memory, its descriptors, its store."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import system

if TYPE_CHECKING:
    from benchmarks.running import Relay

Metrics = dict[str, float]  # "name{labels}" -> value


def metrics(relay: Relay) -> Metrics:
    """Scrapes /metrics; empty when it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{relay.place.http_port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.URLError:
        return {}
    samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def total(found: Metrics, name: str) -> float:
    """The sum over all labels of one metric."""
    return sum(value for key, value in found.items() if key == name or key.startswith(name + "{"))


def folder_bytes(folder: Path) -> int:
    """The size of the files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("**/*") if path.is_file())


def sample(relay: Relay) -> dict[str, float]:
    """One look at the process and its store, in units that a table can show."""
    found = metrics(relay)
    seen = {
        "rss_mb": system.memory(relay.pid, "VmRSS") / 1e6,
        "fds": len(os.listdir(f"/proc/{relay.pid}/fd")),  # noqa: PTH208 - names of open descriptors, no paths to follow
        "threads": system.status_number(relay.pid, "Threads"),
        "store_mb": folder_bytes(relay.place.state) / 1e6,
        "archive_mb": folder_bytes(relay.archive) / 1e6,
    }
    for name, value in found.items():
        if name.startswith("tickstock_relay_") and ("task" in name or "unread" in name or "lag" in name):
            seen[name.removeprefix("tickstock_relay_")] = value
    return seen


def slope(points: list[tuple[float, float]]) -> float:
    """The least-squares slope of y over x."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
