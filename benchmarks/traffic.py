"""A day of recorded-like traffic as ready RESP bytes.

80 % are ticks and indicators, 15 % progress and patterns, 5 % the rest. A day is 20,000 messages with one run in it,
in the contract's order; longer traffic is one day after the other, each with a run id of its own. The same seed and
start give the same bytes. Messages carry `seq` (and, stamped, `sent_us`, microseconds since the epoch) where the shape
would have such a field; bodies are 150 to 900 bytes.
"""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from benchmarks import shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY = 20_000
FIRST = 1_000_000_000  # ten digits from the first to the last, so that lengths are known beforehand
STOP_CHANNEL = "tickstock:bench:stop"
SEQUENCE = re.compile(rb'seq\\?": ?(\d{10})')
SENT = re.compile(rb'sent_us\\?": ?(\d{16})')
STRONG_SHARE = 0.01  # patterns with confidence of 0.9 and more: what the webhook route takes

SHARES = {
    "tick": 0.58,
    "indicator": 0.12,
    "streaming_indicator": 0.10,
    "progress": 0.09,
    "job_progress": 0.01,
    "strong_pattern": STRONG_SHARE,
    "pattern": 0.03,
    "streaming_pattern": 0.01,
    "rest": 0.05,
}
RUN_MARK = shapes.RUN_MARK.encode()
RUN_STEM, RUN_NUMBER_WIDTH = b"550e8400-e29b-41d4-a716-", 12
Message = tuple[str, dict[str, object]]  # channel, body


@dataclass(frozen=True, slots=True)
class Piece:
    """One PUBLISH with a hole where its number goes: as it is sent plain, and sent with the time in it."""

    plain: bytes
    stamped: bytes
    tail: bytes


def _rest(make: shapes.Shapes) -> Iterator[Message]:
    """Everything that is neither tick, indicator, progress nor pattern, round and round."""
    plain: list[tuple[str, Callable[[], dict[str, object]]]] = [
        ("tickstock:errors", lambda: make.error(critical=False)),
        ("tickstock:errors", make.flat_error),
        ("tickstock:monitoring", lambda: make.monitoring("METRIC_UPDATE")),
        ("tickstock:streaming:health", make.streaming_health),
        ("tickstock:monitoring", lambda: make.monitoring("HEALTH_CHECK")),
        ("tickstock:alerts:indicators", make.indicator_alert),
        ("tickstock:monitoring", lambda: make.monitoring("SYSTEM_STATUS")),
        ("tickstock:processing:status", make.older_progress),
        ("tickstock:producer:heartbeat", lambda: make.unlisted("heartbeat")),
        ("tickstock:cache:sync_triggered", lambda: make.unlisted("sync_triggered")),
        ("tickstock:monitoring", lambda: make.monitoring("ALERT_TRIGGERED")),
        ("tickstock:alerts:critical", lambda: make.error(critical=True)),
        ("tickstock:streaming:session_started", lambda: make.session("streaming_session_started")),
        ("tickstock:streaming:persistence", lambda: make.unlisted("flushed")),
        ("tickstock:monitoring", lambda: make.monitoring("ALERT_RESOLVED")),
        ("tickstock:universe:updated", lambda: make.unlisted("universe_updated")),
        ("tickstock:streaming:session_stopped", lambda: make.session("streaming_session_stopped")),
        ("tickstock:job:status", lambda: make.unlisted("job_status")),
        ("tickstock:cache:ipo_assignment", lambda: make.unlisted("ipo_assigned")),
        ("tickstock:cache:delisting_cleanup", lambda: make.unlisted("delisted")),
        ("tickstock:data:import:status", lambda: make.unlisted("import_status")),
        ("tickstock:eod:completion", lambda: make.unlisted("eod_completed")),
    ]
    for channel, body in itertools.cycle(plain):
        yield channel, body()


def _lifecycle(make: shapes.Shapes) -> Iterator[tuple[float, Message]]:
    """One run in the contract's order, without the progress: (share of the day at which it is due, message).

    The older release announces its start and import too, under its own names.
    """
    status = "tickstock:processing:status"
    phases = ["import", "cache_sync", "indicators", "patterns"]
    yield 0.0, (status, make.run_event("processing_started", phases=phases, trigger_type="automatic"))
    yield 0.001, (status, make.run_event("daily_processing_started", symbols_count=505, trigger_type="automatic"))
    yield 0.012, ("tickstock:import:started", make.run_event("data_import_started", total_symbols=505))
    for begin, end, phase, event, counts in (
        (0.015, 0.33, "import", "import", {"successful_symbols": 503, "failed_symbols": 2}),
        (0.34, 0.35, "cache", "cache_sync", {"symbols": 505}),
        (0.36, 0.66, "indicators", "indicator_processing", {"indicators_calculated": 7575, "success_rate": 99.6}),
        (0.67, 0.98, "patterns", "pattern_processing", {"patterns_detected": 1250, "success_rate": 99.0}),
    ):
        yield begin, (f"tickstock:{phase}:started", make.run_event(f"{event}_started", total_symbols=505))
        done = make.run_event(f"{event}_completed", total_symbols=505, duration_seconds=600.5, **counts)
        yield end, (f"tickstock:{phase}:completed", done)
    summary = {"symbols_processed": 505, "indicators_calculated": 7575, "patterns_detected": 1250}
    yield 1 - 1 / DAY, (status, make.run_event("processing_completed", status="completed", **summary))


def day(seed: int, start: datetime, length: int = DAY) -> Iterator[Message]:
    """Channel and body of each message of one day, with the marks still in it."""
    random = Random(seed)
    make = shapes.Shapes(random, start)
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * length))]
    random.shuffle(kinds)
    rests = [index for index, kind in enumerate(kinds) if kind == "rest"]
    for place, index in ((0, rests[0]), (-1, rests[-1])):
        kinds[place], kinds[index] = kinds[index], kinds[place]
    rest, lifecycle = _rest(make), _lifecycle(make)
    due, step = next(lifecycle)
    for index, kind in enumerate(kinds):
        share = index / length
        if kind == "rest" and share >= due:
            yield step
            due, step = next(lifecycle, (2.0, step))
        else:
            yield next(rest) if kind == "rest" else _frequent(make, kind, share)


def _frequent(make: shapes.Shapes, kind: str, share: float) -> Message:
    phase, within = ("import", "indicators", "patterns")[min(2, int(3 * share))], 3 * share % 1
    channel, body = {
        "tick": ("market:ticks", make.tick),
        "indicator": ("indicators:calculated", make.indicator),
        "streaming_indicator": ("indicators:streaming", make.streaming_indicator),
        "progress": (f"{phase}:progress", lambda: make.progress(phase, within)),
        "job_progress": ("monitoring", lambda: make.job_progress(within)),
        "strong_pattern": ("patterns:detected", lambda: make.pattern(strong=True)),
        "pattern": ("patterns:detected", lambda: make.pattern(strong=False)),
        "streaming_pattern": ("patterns:streaming", make.streaming_pattern),
    }[kind]
    return f"tickstock:{channel}", body()


def _resp(channel: bytes, length: int) -> bytes:
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n" % (len(channel), channel, length)


def _piece(channel: str, body: str) -> Piece:
    before, after = body.encode().split(shapes.SEQUENCE_MARK.encode())
    plain_length = len(before) + 10 + len(after)
    stamped_length = plain_length + len(b', "sent_us": ') + 16
    if not 150 <= plain_length <= stamped_length <= 900:
        raise ValueError(f"{channel}: a body of {plain_length} to {stamped_length} bytes is outside 150 to 900")
    name = channel.encode()
    return Piece(_resp(name, plain_length) + before, _resp(name, stamped_length) + before, after + b"\r\n")


class Traffic:
    """RESP-pipelined PUBLISH commands, numbered from `FIRST` on; `start` is the first claimed time."""

    def __init__(self, seed: int = 1, start: datetime | None = None) -> None:
        self._pieces = [_piece(channel, shapes.text(body)) for channel, body in day(seed, start or datetime.now(UTC))]

    def block(self, first: int, count: int) -> bytes:
        """The commands for messages `first` to `first + count - 1` (counted from 0), without times in them."""
        days: list[bytes] = []
        for run, numbers in itertools.groupby(range(first, first + count), lambda number: number // DAY):
            parts: list[bytes] = []
            for number in numbers:
                piece = self._pieces[number % DAY]
                parts += (piece.plain, b"%d" % (FIRST + number), piece.tail)
            days.append(b"".join(parts).replace(RUN_MARK, _run_id(run)))
        return b"".join(days)

    def stamped(self, number: int) -> bytes:
        """The command for one message with the present time in it."""
        piece = self._pieces[number % DAY]
        now = time.time_ns() // 1000
        text = b'%b%d, "sent_us": %d%b' % (piece.stamped, FIRST + number, now, piece.tail)
        return text.replace(RUN_MARK, _run_id(number // DAY))

    def strong(self, count: int) -> int:
        """How many of the first `count` messages are strong patterns."""
        marked = [_is_strong(piece) for piece in self._pieces]
        return sum(marked) * (count // DAY) + sum(marked[: count % DAY])


def _is_strong(piece: Piece) -> bool:
    return b":patterns:detected" in piece.plain and b'"confidence": 0.9' in piece.plain


def _run_id(run: int) -> bytes:
    return RUN_STEM + b"%0*d" % (RUN_NUMBER_WIDTH, run)


def stop_command() -> bytes:
    """Ends a contender: published last on the publisher's connection, so it comes after everything else."""
    body = b'{"event": "bench_stop", "timestamp": "%b", "source": "benchmark", "version": "1.0", "payload": {}}' % (
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    )
    return _resp(STOP_CHANNEL.encode(), len(body)) + body + b"\r\n"
