"""The contest: each contender alone against the same traffic; one function for each question, plain numbers out.

A flood is a drain: the contender is held (SIGSTOP) while everything is published into Valkey's unlimited output buffer,
then let go, so that its own speed is measured and not the publisher's. Each question gets a fresh process.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from benchmarks import archive, running, system, watcher
from benchmarks.publisher import Publisher
from benchmarks.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.contenders import Contender
    from benchmarks.neighbour import Beside

    Run = running.Script | running.Relay


SETTLED = 1.0
"""Seconds after its start in which a contender may still import and connect: a daemon does that once in its life."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything: numbers of events, events a second, seconds."""

    flood: int = 200_000
    steady_rate: int = 5_000
    steady_seconds: float = 8
    latency_rates: tuple[int, ...] = (1_000, 10_000)
    latency_seconds: float = 5
    patience: float = 180  # how long the slowest may take for one question


SHORT = Size(flood=4_000, steady_rate=500, steady_seconds=1, latency_rates=(200, 500), latency_seconds=1, patience=60)


@dataclass(slots=True)
class Result:
    """One contender in one round. NaN stands for what could not be measured."""

    name: str
    published: int = 0
    lost: int = 0
    repeated: int = 0
    webhooks_missing: int = 0
    drained_per_second: float = math.nan
    flood_us: float = math.nan  # CPU microseconds for one event
    steady_us: float = math.nan
    peak_rss_mb: float = math.nan
    latency_ms: dict[str, dict[str, float]] = field(default_factory=dict)  # rate -> p50, p99

    def facts(self) -> dict[str, object]:
        """As plain JSON values."""
        return asdict(self)


class Contest:
    """Puts the questions to one contender after the other."""

    def __init__(self, valkey: system.Valkey, beside: Beside, size: Size) -> None:
        """Uses one server and one neighbour for everybody."""
        self._valkey = valkey
        self._beside = beside
        self._size = size
        self._traffic = Traffic()

    def round(self, contender: Contender) -> Result:
        """All questions once.

        Raises:
            RuntimeError: the contender did not start.
        """
        result = Result(contender.name)
        self._flood(contender, result)
        self._steady(contender, result)
        if contender.archives:
            for rate in self._size.latency_rates:
                self._latency(contender, result, rate)
        return result

    @contextlib.contextmanager
    def _settled(self, contender: Contender) -> Iterator[Run]:
        """The contender, started and done with starting."""
        with running.start(contender, self._valkey, self._beside) as run:
            time.sleep(SETTLED)
            yield run

    def _webhooks(self, contender: Contender, count: int) -> int:
        return self._traffic.strong(count) if contender.config == "webhook" else 0

    def _finish(self, contender: Contender, run: Run, result: Result, count: int) -> None:
        """Waits until the contender has seen everything."""
        counted = run.wait_done(self._webhooks(contender, count), self._size.patience)
        result.published += count
        if not contender.archives:
            result.lost += count - (counted or 0)

    def _account(self, contender: Contender, run: Run, result: Result, count: int) -> None:
        """Enters what was lost and what came twice, by what is in the archive."""
        if contender.archives:
            ledger = archive.check(run.archive, count)
            result.lost += ledger.missing + ledger.strange
            result.repeated += ledger.twice
        if isinstance(run, running.Relay):
            result.webhooks_missing += self._webhooks(contender, count) - run.delivered()

    def _flood(self, contender: Contender, result: Result) -> None:
        count = int(self._size.flood * contender.share)
        with (
            self._settled(contender) as run,
            Publisher(self._valkey.port, count) as publisher,
        ):
            run.pause()
            publisher.go()
            publisher.finish()
            cpu, begin = run.cpu(), time.perf_counter()
            run.resume()
            self._finish(contender, run, result, count)
            seconds = time.perf_counter() - begin
            result.flood_us = (run.cpu() - cpu) / count * 1e6
            result.drained_per_second = count / seconds
            result.peak_rss_mb = system.memory(run.pid) / 1e6
            self._account(contender, run, result, count)

    def _steady(self, contender: Contender, result: Result) -> None:
        rate = self._size.steady_rate
        count = int(rate * self._size.steady_seconds)
        with (
            self._settled(contender) as run,
            Publisher(self._valkey.port, count, rate=rate) as publisher,
        ):
            cpu = run.cpu()
            publisher.go()
            publisher.finish()
            self._finish(contender, run, result, count)
            result.steady_us = (run.cpu() - cpu) / count * 1e6
            self._account(contender, run, result, count)

    def _latency(self, contender: Contender, result: Result, rate: int) -> None:
        count = int(rate * self._size.latency_seconds)
        with (
            self._settled(contender) as run,
            Publisher(self._valkey.port, count, rate=rate) as publisher,
            watcher.start(run.archive) as watching,
        ):
            publisher.go()
            publisher.finish()
            self._finish(contender, run, result, count)
            watching.terminate()
            output, _ = watching.communicate(timeout=60)
            p50, p99, measured = output.split()
            if int(measured):
                result.latency_ms[str(rate)] = {"p50": float(p50), "p99": float(p99)}
            self._account(contender, run, result, count)
