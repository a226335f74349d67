"""The names and numbers that TickStockPL's earlier releases used for the same steps (wire notes, "Several names").

Pure: one canonical step in, the older ones out. It must keep the order of the run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tickstock_simulator.wire import At, Json, Kind, Step, envelope

STATUS = "tickstock:processing:status"
OLDER_PHASES = {
    "import": "data_import",
    "cache": "cache_sync",
    "indicators": "indicator_processing",
    "patterns": "pattern_detection",
}
_EVENTS: Mapping[tuple[str | None, Kind], str] = {
    ("import", "started"): "data_import_started",
    ("import", "completed"): "data_import_completed",
    ("cache", "started"): "cache_sync_started",
    ("cache", "completed"): "cache_sync_completed",
}


def older_names(step: Step) -> Iterator[Step]:
    """What an earlier release published in place of this step; the same step where nothing changed."""
    if isinstance(step.body, bytes):
        yield step
        return
    payload = step.body.get("payload", {})
    match step.kind:
        case "run_started":
            older = {"run_id": payload.get("run_id"), "symbols_count": 505, "trigger_type": payload.get("trigger_type")}
            yield _renamed(step, "daily_processing_started", older)
        case "run_completed":
            yield _renamed(step, "daily_processing_completed", _final(payload))
        case "progress":
            yield from _progress(step, payload)
        case "completed" if step.phase == "import":
            # the count of failed symbols was once their list
            failed = [f"FAIL{number}" for number in range(int(payload.get("failed_symbols", 0)))]
            yield _renamed(step, "data_import_completed", payload | {"failed_symbols": failed})
        case _:
            name = _EVENTS.get((step.phase, step.kind), str(step.body.get("event")))
            yield _renamed(step, name, payload)


def _final(payload: Json) -> Json:
    status = {"completed": "success", "failed": "error", "cancelled": "canceled"}.get(
        payload["status"], payload["status"]
    )
    kept = ("run_id", "duration_seconds", "symbols_processed", "symbols_failed")
    return {"status": status, **{name: payload[name] for name in kept if name in payload}}


def _progress(step: Step, payload: Json) -> Iterator[Step]:
    """Percent as text on the phase's channel, then the run's own progress, then the job tracker's."""
    percent, phase = payload.get("percent_complete", 0.0), OLDER_PHASES[step.phase or "import"]
    ends = At(step.offset + payload["eta_seconds"].seconds)
    yield replace(step, body={**_body(step), "payload": payload | {"percent_complete": str(percent)}})
    done, total = payload["completed_symbols"], payload["total_symbols"]
    older = {
        "phase": phase,
        "symbols_completed": done,
        "symbols_total": total,
        "percent_complete": percent / 100,
        "estimated_completion": ends,
    }
    body = envelope("daily_processing_progress", "daily_scheduler", older, step.offset)
    yield replace(step, channel=STATUS, kind="other", body=body)
    tracked = {
        "event": "job_progress_update",
        "timestamp": At(step.offset),
        "job_id": f"job_{phase}",
        "phase": phase,
        "percentage": percent,
        "completed": done,
        "failed": 0,
        "remaining": total - done,
        "current_symbol": payload["current_symbol"],
        "estimated_completion": ends,
    }
    yield replace(step, channel="tickstock:monitoring", kind="other", body=tracked)


def _renamed(step: Step, event: str, payload: Json) -> Step:
    return replace(step, body={**_body(step), "event": event, "payload": payload})


def _body(step: Step) -> Json:
    if isinstance(step.body, bytes):
        raise TypeError("a raw message has no names to change")
    return step.body
