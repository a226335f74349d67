"""What TickStockPL publishes, without a simulator: a whole run as bytes, and one example of everything on the wire.

The examples are those of the contract and the wire notes. Nothing here depends on the clock.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tickstock_simulator.flow import Run, steps
from tickstock_simulator.older import older_names
from tickstock_simulator.wire import Ink, Json, Message

RUN = "550e8400-e29b-41d4-a716-446655440000"
_AT = "2025-01-27T21:15:00Z"


def run_messages(run: Run, start: datetime | None = None, *, older: bool = False) -> Iterator[Message]:
    """The run as bytes, its clock starting at `start` (default 2025-01-27 16:10 New York)."""
    ink = plain_ink(start or datetime(2025, 1, 27, 21, 10, tzinfo=UTC))
    for step in steps(run):
        for written in older_names(step) if older else (step,):
            yield ink.write(written)


def plain_ink(start: datetime) -> Ink:
    """Ink for a world whose clock starts at `start` and is never late."""
    return Ink(lambda offset: start + timedelta(seconds=offset))


def every_shape() -> list[tuple[str, bytes, str]]:
    """`(channel, bytes, what it shows)`: every channel of the contract first, then every shape of the wire notes."""
    listed = [*_contract(), *_envelopes(), *_names(), *_drifts(), *_other_channels()]
    return [(channel, json.dumps(body).encode(), what) for channel, body, what in listed]


def oversized(size: int) -> tuple[str, bytes, str]:
    """A well-formed event of exactly `size` bytes, for whatever limit is configured."""
    head, tail = b'{"event": "error", "payload": {"message": "', b'"}}'
    return "tickstock:errors", head + b"x" * (size - len(head) - len(tail)) + tail, f"{size} bytes"


def _canonical(event: str, source: str, **payload: object) -> Json:
    return {"event": event, "timestamp": _AT, "source": source, "version": "1.0", "payload": {"run_id": RUN, **payload}}


def _contract() -> list[tuple[str, Json, str]]:
    progress = {"completed_symbols": 250, "total_symbols": 505, "percent_complete": 49.5}
    at = progress | {"current_symbol": "GOOGL", "eta_seconds": 300}
    started = {"run_date": "2025-01-27", "phases": ["import", "cache_sync", "indicators", "patterns"]}
    schedule = {"enabled": True, "trigger_time": "16:15", "timezone": "America/New_York"}
    rows: list[tuple[str, str, str, Json]] = [
        ("processing:status", "processing_started", "daily_scheduler", {**started, "trigger_type": "automatic"}),
        ("processing:schedule", "schedule_updated", "daily_scheduler", schedule),
        ("import:started", "import_started", "daily_import_job", {"total_symbols": 505}),
        ("import:progress", "import_progress", "daily_import_job", at),
        (
            "import:completed",
            "import_completed",
            "daily_import_job",
            {"successful_symbols": 500, "duration_seconds": 600},
        ),
        ("cache:started", "cache_started", "cache_synchronizer", {}),
        ("cache:progress", "cache_progress", "cache_synchronizer", at),
        ("cache:completed", "cache_completed", "cache_synchronizer", {"duration_seconds": 60}),
        ("indicators:started", "indicator_processing_started", "daily_indicator_job", {"total_symbols": 505}),
        ("indicators:progress", "indicator_progress", "daily_indicator_job", at),
        ("indicators:completed", "indicator_processing_completed", "daily_indicator_job", {"duration_seconds": 240}),
        ("indicators:calculated", "indicator_calculated", "daily_indicator_job", {"symbol": "AAPL", "value": 71.2}),
        ("patterns:started", "pattern_processing_started", "daily_pattern_job", {"total_symbols": 505}),
        ("patterns:progress", "pattern_progress", "daily_pattern_job", at),
        (
            "patterns:completed",
            "pattern_processing_completed",
            "daily_pattern_job",
            {"total_symbols": 505, "patterns_detected": 1250, "success_rate": 99.0, "duration_seconds": 1200},
        ),
        ("patterns:detected", "pattern_detected", "daily_pattern_job", {"symbol": "AAPL", "confidence": 0.93}),
        ("monitoring", "system_metrics", "monitoring_service", {"cpu_percent": 41.5, "memory_percent": 63.0}),
        ("errors", "error", "massive_fetcher", _error()),
    ]
    return [(f"tickstock:{c}", _canonical(e, s, **p), f"contract: {c} {e}") for c, e, s, p in rows]


def _error(severity: str = "error") -> Json:
    return {
        "severity": severity,
        "component": "data_import",
        "error_code": "RATE_LIMIT_EXCEEDED",
        "message": "Massive API rate limit hit",
        "context": {"symbol": "AAPL", "retry_after": 60},
    }


def _envelopes() -> list[tuple[str, Json, str]]:
    session = {"session_id": "stream-20250127", "start_time": _AT, "symbol_universe": "sp500"}
    flat = {
        "error_id": "e-1047",
        "source": "massive_fetcher",
        "severity": "warn",
        "category": "network",
        "message": "connection reset by postgresql://tick:hunter2@db:5432/tickstock",
        "component": "data_import",
        "traceback": "Traceback (most recent call last):\n  ...\nConnectionResetError",
        "context": {"symbol": "MSFT"},
        "timestamp": _AT,
    }
    detection = {"pattern_type": "Doji", "symbol": "TSLA", "confidence": 0.91, "timeframe": "1min", "parameters": {}}
    calculation = {"indicator_type": "RSI", "symbol": "TSLA", "values": {"rsi": 72.4}, "timeframe": "1min"}
    streaming = {"session_id": "stream-20250127", "timestamp": _AT}
    rsi = {"alert_type": "RSI_OVERBOUGHT", "symbol": "NVDA", "timestamp": _AT, "data": {"rsi": 81.0}}
    macd = {"alert_type": "MACD_BULLISH_CROSS", "symbol": "AMD", "timestamp": _AT, "data": {"macd": 0.4}}
    tick = {"symbol": "AAPL", "price": 231.42, "volume": 300, "timestamp": _AT}
    return [
        ("tickstock:streaming:session_started", _data("session_started", session), "data for payload, started"),
        ("tickstock:streaming:session_stopped", _data("session_stopped", session), "data for payload, stopped"),
        ("tickstock:errors", flat, "flat error"),
        *_monitoring(),
        (
            "tickstock:patterns:streaming",
            {"event": "pattern_detected", **streaming, "detection": detection},
            "detection",
        ),
        (
            "tickstock:indicators:streaming",
            {"event": "indicator_calculated", **streaming, "calculation": calculation},
            "streaming calculation",
        ),
        ("tickstock:alerts:indicators", rsi, "alert without event, RSI"),
        ("tickstock:alerts:indicators", macd, "alert without event, MACD"),
        *[
            ("tickstock:streaming:health", _health(s), f"streaming health {s}")
            for s in ("healthy", "warning", "critical")
        ],
        ("tickstock:market:ticks", tick, "market tick"),
    ]


def _data(event: str, data: Json) -> Json:
    return {"event": event, "timestamp": _AT, "data": data}


def _monitoring() -> list[tuple[str, Json, str]]:
    base = {"timestamp": _AT, "source": "monitoring_service"}
    bodies: list[tuple[Json, str]] = [
        ({"event_type": "METRIC_UPDATE", "metrics": {"cpu_percent": 44.0}, "health_score": 92}, "METRIC_UPDATE"),
        ({"event_type": "ALERT_TRIGGERED", "alert": {"level": "CRITICAL", "message": "disk 97 %"}}, "ALERT_TRIGGERED"),
        ({"event_type": "ALERT_TRIGGERED", "alert": {"level": "EMERGENCY", "message": "db gone"}}, "EMERGENCY"),
        ({"event_type": "ALERT_RESOLVED", "alert": {"level": "INFO", "message": "disk 60 %"}}, "ALERT_RESOLVED"),
        ({"event_type": "HEALTH_CHECK", "health_score": 65, "metrics": {}}, "HEALTH_CHECK"),
        ({"event_type": "SYSTEM_STATUS", "metrics": {"uptime_seconds": 86400}}, "SYSTEM_STATUS"),
    ]
    return [("tickstock:monitoring", base | body, f"monitoring {what}") for body, what in bodies]


def _health(status: str) -> Json:
    return {
        "event": "streaming_health",
        "timestamp": _AT,
        "session_id": "stream-20250127",
        "status": status,
        "issues": [] if status == "healthy" else ["low tick rate"],
        "connection": {"connected": status != "critical", "reconnects": 1},
        "data_flow": {"ticks_per_second": 41.0 if status == "healthy" else 0.0, "lag_ms": 80},
        "resources": {"cpu_percent": 40.1, "memory_percent": 55.0},
        "active_symbols": 70,
    }


def _names() -> list[tuple[str, Json, str]]:
    progress = {"phase": "data_import", "symbols_completed": 250, "symbols_total": 505, "percent_complete": 49.5}
    tracked = {
        "event": "job_progress_update",
        "timestamp": _AT,
        "job_id": "job-17",
        "phase": "pattern_detection",
        "percentage": 12.5,
        "completed": 63,
        "failed": 0,
        "remaining": 442,
        "current_symbol": "CVX",
        "estimated_completion": "2025-01-27T21:45:00Z",
    }
    status, old = "tickstock:processing:status", "daily_scheduler"
    critical = _error("critical") | {"recovery_action": "restart the fetcher"}
    finals = ("completed", "success", "failed", "error", "cancelled", "canceled", "partial", "completed_with_errors")
    return [
        (status, _canonical("processing_completed", old, status="completed", duration_seconds=2100), "run completed"),
        (status, _canonical("daily_processing_started", old, symbols_count=505, trigger_type="manual"), "older start"),
        (status, _canonical("daily_processing_progress", old, **progress), "older progress"),
        *[(status, _canonical("daily_processing_completed", old, status=s), f"final status {s}") for s in finals],
        ("tickstock:import:started", _canonical("data_import_started", "daily_import_job"), "older import start"),
        ("tickstock:import:completed", _canonical("data_import_completed", "daily_import_job"), "older import end"),
        ("tickstock:monitoring", tracked, "progress from the job tracker"),
        ("tickstock:errors", _canonical("critical_error", "massive_fetcher", **critical), "critical error"),
        *[
            ("tickstock:errors", _canonical("error", "massive_fetcher", **_error(level)), f"severity {level}")
            for level in ("critical", "error", "warning", "warn", "info", "debug")
        ],
    ]


def _drifts() -> list[tuple[str, Json, str]]:
    """Numbers, times and identities that drift (wire notes, below the table of names)."""
    progress, job = "tickstock:import:progress", "daily_import_job"
    offset = _canonical("import_progress", job, percent_complete=20) | {"timestamp": "2025-01-27T16:15:00-05:00"}
    naive = _canonical("import_progress", job, percent_complete=21) | {"timestamp": "2025-01-27T21:15:00.123456"}
    local = _canonical("import_progress", job, percent_complete=22) | {"timestamp": "2025-01-27T16:15:00Z"}
    without = _canonical("import_progress", job, percent_complete=23)
    del without["timestamp"]
    unnamed = _canonical("import_progress", job, percent_complete=24)
    unnamed["payload"] = {"job_id": "job-17", "percent_complete": 24}
    return [
        (progress, _canonical("import_progress", job, percent_complete=0.495), "percent as a fraction"),
        (progress, _canonical("import_progress", job, percent_complete="49.5"), "percent as text"),
        ("tickstock:import:completed", _canonical("import_completed", job, failed_symbols=["BRK.B"]), "failed as list"),
        (progress, offset, "time with an offset"),
        (progress, naive, "naive time"),
        (progress, local, "local time with a Z"),
        (progress, without, "no time"),
        (progress, unnamed, "job_id for run_id"),
        (progress, _canonical("import_progress", job) | {"payload": {"run_id": "manual-7"}}, "run_id that is no UUID"),
        ("tickstock:brand:new", {"anything": {"at": ["all"]}}, "a shape that nobody has listed"),
    ]


def _other_channels() -> list[tuple[str, Json, str]]:
    bodies: dict[str, Json] = {
        "alerts:critical": {"event": "critical_alert", "message": "pipeline down", "severity": "critical"},
        "streaming:persistence": {"event": "persistence_stats", "session_id": "stream-20250127", "written": 812},
        "cache:sync_triggered": {"event": "cache_sync_triggered", "reason": "universe changed"},
        "cache:sync_complete": {"event": "cache_sync_complete", "duration_seconds": 58.2},
        "cache:ipo_assignment": {"event": "ipo_assignment", "symbol": "NEWCO", "universe": "nasdaq100"},
        "cache:delisting_cleanup": {"event": "delisting_cleanup", "removed": ["OLDCO"]},
        "universe:updated": {"event": "universe_updated", "universe": "sp500", "added": 1, "removed": 1},
        "data:import:status": {"event": "import_status", "status": "running", "percent_complete": 40},
        "producer:heartbeat": {"event": "heartbeat", "producer": "tickstockpl"},
        "job:status": {"event": "job_status", "job_id": "job-17", "status": "running"},
        "eod:completion": {"event": "eod_completed", "status": "success", "symbols": 505},
    }
    return [(f"tickstock:{c}", {**body, "timestamp": _AT}, f"channel {c}") for c, body in bodies.items()]
