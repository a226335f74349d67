"""One run as TickStockPL publishes it: the contract's thirteen steps in order, in its own or in the older names.

Pure generators: the same run and seed give the same steps. They must not sleep, publish or look at a clock.
"""

import heapq
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tickstock_simulator.wire import PHASES, SYMBOLS_IN_A_RUN, Json, Kind, Span, Step, envelope, symbols, whole

PHASE_SECONDS: Mapping[str, float] = {"import": 600, "cache": 60, "indicators": 240, "patterns": 1200}
STATUS = "tickstock:processing:status"
SOURCES = {
    "import": "daily_import_job",
    "cache": "cache_synchronizer",
    "indicators": "daily_indicator_job",
    "patterns": "daily_pattern_job",
}
# The contract gives names for import_progress and pattern_processing_completed; wire notes give the rest.
EVENTS: Mapping[str, Mapping[Kind, str]] = {
    "import": {"started": "import_started", "progress": "import_progress", "completed": "import_completed"},
    "cache": {"started": "cache_started", "progress": "cache_progress", "completed": "cache_completed"},
    "indicators": {
        "started": "indicator_processing_started",
        "progress": "indicator_progress",
        "completed": "indicator_processing_completed",
    },
    "patterns": {
        "started": "pattern_processing_started",
        "progress": "pattern_progress",
        "completed": "pattern_processing_completed",
    },
}
_INDICATORS = ("RSI", "MACD", "SMA_20", "SMA_50", "EMA_12", "BB_UPPER", "BB_LOWER", "ATR", "OBV", "VWAP")
_PATTERNS = ("Doji", "Hammer", "BullFlag", "HeadAndShoulders", "DoubleBottom", "AscendingTriangle", "Engulfing")


@dataclass(frozen=True, slots=True)
class Run:
    """What decides one run; times in simulated seconds, `items` the share of per-symbol results published."""

    run_id: str
    run_date: str = "2025-01-27"
    seed: int | str = 0
    symbols: int = SYMBOLS_IN_A_RUN
    indicators: int = 7575
    patterns: int = 1250
    failed: int = 5
    universe: str = "sp500"
    trigger_type: str = "automatic"
    phases: tuple[str, ...] = PHASES
    durations: Mapping[str, float] = field(default_factory=lambda: PHASE_SECONDS)
    items: float = 0.05
    progress_every: float = 5.0

    @property
    def seconds(self) -> float:
        """How long the whole run takes when nothing goes wrong."""
        return sum(self.durations[phase] for phase in self.phases)

    @property
    def success_rate(self) -> float:
        """Percent of the symbols that went well, as the contract writes it (99.0)."""
        return round(100 * (self.symbols - self.failed) / self.symbols, 1) if self.symbols else 0.0


def new_run_id(seed: int | str) -> str:
    """A random-looking UUID, the same for the same seed."""
    return str(uuid.UUID(int=random.Random(f"run:{seed}").getrandbits(128), version=4))  # noqa: S311


def steps(run: Run) -> Iterator[Step]:
    """The thirteen steps of the contract, section "Verify Event Flow", with the per-item results between them."""
    names = [{"cache": "cache_sync"}.get(phase, phase) for phase in run.phases]
    started = {
        "run_id": run.run_id,
        "run_date": run.run_date,
        "phases": names,
        "universe": run.universe,
        "trigger_type": run.trigger_type,
    }
    yield Step(STATUS, envelope("processing_started", "daily_scheduler", started, 0.0), 0.0, None, "run_started")
    begin = 0.0
    for phase in run.phases:
        yield from _phase(run, phase, begin)
        begin += run.durations[phase]
    yield ending(run, "completed", begin)


def ending(run: Run, status: str, offset: float, *, phases_done: int | None = None) -> Step:
    """The last event; after a failure or a cancel only the phases done so far have results."""
    done = run.phases if phases_done is None else run.phases[:phases_done]
    payload = {
        "run_id": run.run_id,
        "run_date": run.run_date,
        "status": status,
        "phases_completed": list(done),
        "symbols_processed": run.symbols if "import" in done else 0,
        "symbols_failed": run.failed if "import" in done else 0,
        "indicators_calculated": run.indicators if "indicators" in done else 0,
        "patterns_detected": run.patterns if "patterns" in done else 0,
        "duration_seconds": Span(offset, "run"),
    }
    return Step(
        STATUS, envelope("processing_completed", "daily_scheduler", payload, offset), offset, None, "run_completed", 1.0
    )


def _phase(run: Run, phase: str, begin: float) -> Iterator[Step]:
    duration = run.durations[phase]
    total = {"run_id": run.run_id, "total_symbols": run.symbols, "universe": run.universe}
    yield _step(phase, "started", total, begin, 0.0)
    if phase != "cache":  # the contract's thirteen steps have no progress there
        yield from heapq.merge(_progress(run, phase, begin), _items(run, phase, begin), key=lambda step: step.offset)
    yield _step(phase, "completed", _result(run, phase, Span(duration, phase)), begin + duration, 1.0)


def _progress(run: Run, phase: str, begin: float) -> Iterator[Step]:
    duration, listed = run.durations[phase], symbols(run.symbols)
    for number in range(1, int(duration / run.progress_every + 0.999)):
        seconds = number * run.progress_every
        done = int(run.symbols * seconds / duration)
        payload: Json = {
            "run_id": run.run_id,
            "completed_symbols": done,
            "total_symbols": run.symbols,
            "percent_complete": round(100 * done / run.symbols, 1) if run.symbols else 0.0,
            "current_symbol": listed[min(done, len(listed) - 1)] if listed else "",
            "eta_seconds": Span(duration - seconds),
        }
        if phase == "indicators":
            payload["indicators_calculated"] = int(run.indicators * seconds / duration)
        if phase == "patterns":
            payload["patterns_detected"] = int(run.patterns * seconds / duration)
        yield _step(phase, "progress", payload, begin + seconds, seconds / duration)


def _items(run: Run, phase: str, begin: float) -> Iterator[Step]:
    counts = {"indicators": run.indicators, "patterns": run.patterns}
    count = round(counts.get(phase, 0) * run.items)
    dice, listed, duration = random.Random(f"{run.seed}:{phase}"), symbols(run.symbols), run.durations[phase]  # noqa: S311
    for number in range(count):
        share = (number + 1) / (count + 1)
        offset = begin + duration * share
        payload: Json = {"run_id": run.run_id, "symbol": dice.choice(listed), "timeframe": "1D"}
        if phase == "indicators":
            name = dice.choice(_INDICATORS)
            payload |= {"indicator_type": name, "value": round(dice.uniform(0, 100), 4)}
            channel, event = "tickstock:indicators:calculated", "indicator_calculated"
        else:
            name = dice.choice(_PATTERNS)
            payload |= {"pattern_type": name, "confidence": round(dice.uniform(0.5, 0.99), 3)}
            channel, event = "tickstock:patterns:detected", "pattern_detected"
        yield Step(channel, envelope(event, SOURCES[phase], payload, offset), offset, phase, "item", share)


def _result(run: Run, phase: str, duration: Span) -> Json:
    if phase == "cache":
        return {"run_id": run.run_id, "symbols_cached": run.symbols, "duration_seconds": duration}
    counted: Json = {
        "import": {"successful_symbols": run.symbols - run.failed, "failed_symbols": run.failed},
        "indicators": {"indicators_calculated": run.indicators},
        "patterns": {"patterns_detected": run.patterns},
    }[phase]
    result: Json = {"run_id": run.run_id, "total_symbols": run.symbols, **counted}
    return result | {"success_rate": run.success_rate, "duration_seconds": duration}


def _step(phase: str, kind: Kind, payload: Json, offset: float, done: float) -> Step:
    body = envelope(EVENTS[phase][kind], SOURCES[phase], payload, offset)
    return Step(f"tickstock:{phase}:{kind}", body, offset, phase, kind, done)


def faster(run: Run, factor: float) -> Run:
    """The same run, each phase `factor` times as long, its progress as often in proportion."""
    shorter = {phase: whole(seconds * factor) for phase, seconds in run.durations.items()}
    return replace(run, durations=shorter, progress_every=run.progress_every * factor)
