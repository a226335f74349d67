"""The shapes of the wire as JSON bodies: one small function for each envelope, values drawn from a seeded random.

The benchmark writes these itself and shares no code with the normaliser. The two marks stand where the publisher
puts what changes: a sequence number (and in latency runs the time of publishing), and the run's id.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

SEQUENCE_MARK = "@SEQ@"
RUN_MARK = "550e8400-e29b-41d4-a716-@RUN_ID_@@@@"
NUMBER = {"seq": SEQUENCE_MARK}
SYMBOLS = [first + second + third for first in "ABCDEFGH" for second in "AEIO" for third in "LMNPQRST"]
INDICATORS = ["RSI", "MACD", "SMA_20", "EMA_50", "BOLLINGER", "ATR", "STOCH", "OBV"]
PATTERNS = ["Doji", "Hammer", "BullishEngulfing", "HeadAndShoulders", "DoubleBottom", "AscendingTriangle"]
TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "/opt/tickstockpl/src/{module}.py", line {line}, in {function}\n    {call}\n'
    for module, line, function, call in (
        ("jobs/daily_import_job", 212, "run", "await self._import_symbol(symbol)"),
        ("data/massive_fetcher", 88, "fetch", "return await self._get(url, params)"),
        ("data/massive_fetcher", 141, "_get", "response = await self._session.get(url, params=params)"),
        ("data/http_session", 63, "get", "raise BadGateway(response.status, response.reason)"),
    )
)


class Shapes:
    """Makes bodies; `now` is the claimed time, moving on a few milliseconds with each body."""

    def __init__(self, random: Random, start: datetime) -> None:
        self._random = random
        self._now = start

    def _pick(self, names: list[str]) -> str:
        return self._random.choice(names)

    def _between(self, low: float, high: float) -> float:
        return round(self._random.uniform(low, high), 4)

    def _time(self) -> str:
        """A claimed time in one of the wire's spellings: mostly `Z`, now and then an offset or naive."""
        self._now += timedelta(milliseconds=self._random.randint(1, 3))
        kind = self._random.random()
        if kind < 0.7:
            return self._now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
        if kind < 0.85:
            return self._now.astimezone(UTC).replace(microsecond=0).isoformat()
        return self._now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")

    def _canonical(self, event: str, source: str, payload: dict[str, object]) -> dict[str, object]:
        return {
            "event": event,
            "timestamp": self._time(),
            "source": source,
            "version": "1.0",
            "payload": payload | NUMBER,
        }

    def tick(self) -> dict[str, object]:
        """A market tick: no event name, by far the most frequent."""
        price = self._between(12, 900)
        return {
            "symbol": self._pick(SYMBOLS),
            "price": price,
            "bid": round(price - 0.01, 4),
            "ask": round(price + 0.01, 4),
            "volume": self._random.randint(1, 40_000),
            "exchange": self._pick(["XNAS", "XNYS", "ARCX", "BATS"]),
            "conditions": self._random.sample([0, 12, 14, 37, 41], 2),
            "timestamp": self._time(),
            "source": "massive_websocket",
        } | NUMBER

    def indicator(self) -> dict[str, object]:
        """One calculated indicator of the batch run, canonical."""
        name = self._pick(INDICATORS)
        return self._canonical(
            "indicator_calculated",
            "daily_indicator_job",
            {
                "run_id": RUN_MARK,
                "symbol": self._pick(SYMBOLS),
                "indicator": name,
                "timeframe": self._pick(["daily", "1min", "1h"]),
                "values": {"value": self._between(0, 100), "signal": self._between(-3, 3)},
                "data_points": self._random.randint(50, 500),
                "calculation_time_ms": self._between(0.2, 9),
                "calculated_at": self._time(),
            },
        )

    def streaming_indicator(self) -> dict[str, object]:
        """The streaming detection shape with a `calculation`."""
        return {
            "event": "indicator_calculated",
            "session_id": "stream-2026-a1",
            "timestamp": self._time(),
            "calculation": {
                "indicator_type": self._pick(INDICATORS),
                "symbol": self._pick(SYMBOLS),
                "values": {"value": self._between(0, 100), "histogram": self._between(-2, 2)},
                "timeframe": "1min",
                "last_bar": {"open": self._between(12, 900), "close": self._between(12, 900)},
            }
            | NUMBER,
        }

    def progress(self, phase: str, share: float) -> dict[str, object]:
        """A phase's progress, `share` of it done; the percentage drifts between number and string as it does there."""
        done = int(505 * share)
        percent = round(100 * share, 1)
        event = {"import": "import", "indicators": "indicator", "patterns": "pattern"}[phase]
        return self._canonical(
            f"{event}_progress",
            f"daily_{event}_job",
            {
                "run_id": RUN_MARK,
                "completed_symbols": done,
                "total_symbols": 505,
                "percent_complete": str(percent) if self._random.random() < 0.1 else percent,
                "current_symbol": self._pick(SYMBOLS),
                "eta_seconds": int(1800 * (1 - share)),
            },
        )

    def job_progress(self, share: float) -> dict[str, object]:
        """The job tracker's progress on the monitoring channel."""
        return self._canonical(
            "job_progress_update",
            "job_progress_tracker",
            {
                "job_id": RUN_MARK,
                "phase": self._pick(["data_import", "indicator_processing", "pattern_detection"]),
                "percentage": round(100 * share, 1),
                "completed": int(505 * share),
                "failed": self._random.randint(0, 4),
                "remaining": 505 - int(505 * share),
                "current_symbol": self._pick(SYMBOLS),
                "estimated_completion": self._time(),
            },
        )

    def pattern(self, *, strong: bool) -> dict[str, object]:
        """One detected pattern; strong means a confidence of 0.9 and more."""
        return self._canonical(
            "pattern_detected",
            "daily_pattern_job",
            {
                "run_id": RUN_MARK,
                "symbol": self._pick(SYMBOLS),
                "pattern": self._pick(PATTERNS),
                "confidence": self._between(0.9, 0.99) if strong else self._between(0.3, 0.89),
                "timeframe": "daily",
                "detected_at": self._time(),
                "levels": {"entry": self._between(12, 900), "stop": self._between(12, 900)},
            },
        )

    def streaming_pattern(self) -> dict[str, object]:
        """The streaming detection shape with a `detection`."""
        return {
            "event": "pattern_detected",
            "session_id": "stream-2026-a1",
            "timestamp": self._time(),
            "detection": {
                "pattern_type": self._pick(PATTERNS),
                "symbol": self._pick(SYMBOLS),
                "confidence": self._between(0.3, 0.89),
                "timeframe": "1min",
                "parameters": {"lookback": 20, "volume_ratio": self._between(0.5, 4)} | NUMBER,
            },
        }

    def run_event(self, event: str, **payload: object) -> dict[str, object]:
        """An announcement of the run or of a phase's start and end."""
        common: dict[str, object] = {"run_id": RUN_MARK, "run_date": self._now.date().isoformat(), "universe": "sp500"}
        return self._canonical(event, "daily_scheduler", common | payload)

    def older_progress(self) -> dict[str, object]:
        """The older release's progress of a run."""
        return self.run_event(
            "daily_processing_progress",
            phase=self._pick(["data_import", "indicator_processing", "pattern_detection"]),
            symbols_completed=self._random.randint(0, 505),
            symbols_total=505,
            percent_complete=self._between(0, 100),
            estimated_completion=self._time(),
        )

    def error(self, *, critical: bool) -> dict[str, object]:
        """A canonical error; a critical one has a recovery action."""
        payload: dict[str, object] = {
            "severity": "critical" if critical else self._pick(["error", "warning", "warn"]),
            "component": "data_import",
            "error_code": self._pick(["RATE_LIMIT_EXCEEDED", "TIMEOUT", "BAD_SYMBOL"]),
            "message": "Massive API rate limit hit",
            "context": {"symbol": self._pick(SYMBOLS), "retry_after": 60},
        }
        if critical:
            payload["recovery_action"] = "Restart the import after the rate limit window has passed"
        return self._canonical("critical_error" if critical else "error", "massive_fetcher", payload)

    def flat_error(self) -> dict[str, object]:
        """The flat error: no event name, a traceback, the largest body."""
        return {
            "error_id": f"err-{self._random.randrange(10**8):08d}",
            "source": "massive_fetcher",
            "severity": "error",
            "category": "network",
            "message": 'Fetch failed: <HTTP 502> "Bad Gateway"',
            "component": "data_import",
            "traceback": TRACEBACK,
            "context": {"symbol": self._pick(SYMBOLS), "attempt": self._random.randint(1, 5)} | NUMBER,
            "timestamp": self._time(),
        }

    def monitoring(self, kind: str) -> dict[str, object]:
        """The monitoring shape, `event_type` in capitals."""
        body: dict[str, object] = {
            "event_type": kind,
            "timestamp": self._time(),
            "source": "monitoring",
            "health_score": self._random.randint(71, 99),
            "metrics": {"cpu_percent": self._between(5, 60), "memory_percent": self._between(20, 70)} | NUMBER,
        }
        if kind.startswith("ALERT"):
            body["alert"] = {"level": self._pick(["WARNING", "CRITICAL"]), "message": "Queue depth over threshold"}
        return body

    def session(self, event: str) -> dict[str, object]:
        """The shape with `data` for `payload`."""
        return {
            "event": event,
            "timestamp": self._time(),
            "data": {"session_id": "stream-2026-a1", "universe": "market_leaders:top_500", "symbols": 500} | NUMBER,
        }

    def streaming_health(self) -> dict[str, object]:
        """Streaming health: everything at the top level."""
        return {
            "event": "streaming_health",
            "timestamp": self._time(),
            "status": "healthy",
            "issues": [],
            "connection": {"state": "connected", "uptime_seconds": self._random.randint(60, 20_000)},
            "data_flow": {"ticks_per_second": self._between(200, 900), "lag_ms": self._between(3, 90)},
            "resources": {"cpu_percent": self._between(5, 60), "memory_mb": self._between(300, 700)},
            "active_symbols": 500,
        } | NUMBER

    def indicator_alert(self) -> dict[str, object]:
        """An alert without event, named by its `alert_type`."""
        return {
            "alert_type": self._pick(["RSI_OVERBOUGHT", "MACD_BULLISH_CROSS"]),
            "symbol": self._pick(SYMBOLS),
            "timestamp": self._time(),
            "data": {"value": self._between(70, 99), "threshold": 70, "timeframe": "1min"} | NUMBER,
        }

    def unlisted(self, event: str) -> dict[str, object]:
        """A channel that nobody has described, without a timestamp."""
        return {"action": event, "host": "tickstock-01", "details": {"count": self._random.randint(1, 900)} | NUMBER}


def text(body: dict[str, object]) -> str:
    """The body as TickStockPL writes it (`json.dumps`), filled up to 150 bytes where it is shorter."""
    short = 150 - len(json.dumps(body))
    if short > 0:
        body = body | {"note": "." * max(1, short - len('"note": "", '))}
    return json.dumps(body).replace(f'"{SEQUENCE_MARK}"', SEQUENCE_MARK)
