"""A canary of each kind of secret that docs/redaction.md documents, and the messages that carry them through a day."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs" / "redaction.md"
SEEN = re.compile(r"CANARY\d\d")
"""A canary, or its beginning: a text that was cut may hold no more."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One kind of secret: the texts that hold it, each with this canary's own number."""

    kind: str
    texts: tuple[str, ...]


def canaries() -> list[Canary]:
    """One for each line of the table."""
    rows = re.findall(r"^\| ([^|]+) \| (`.*CANARY.*`) \|$", DOCS.read_text(), re.MULTILINE)
    return [
        Canary(
            kind, tuple(text.replace("CANARY", f"CANARY{number:02}Q7Z3K9XA") for text in re.findall("`([^`]+)`", looks))
        )
        for number, (kind, looks) in enumerate(rows)
    ]


def error(**payload: Any) -> bytes:
    """An error as TickStockPL publishes it."""
    return envelope("error", {"severity": "error", "component": "data_import", "error_code": "E1"} | payload)


def envelope(event: str, payload: dict[str, Any], **more: Any) -> bytes:
    """A message in the contract's form, of now."""
    now = datetime.now(UTC).isoformat()
    return json.dumps(
        {"event": event, "timestamp": now, "source": "daily_job", "version": "1.0"} | more | {"payload": payload}
    ).encode()


def carriers(text: str) -> Iterator[tuple[str, bytes]]:
    """Messages with this text, each at another place: channel and data."""
    yield "tickstock:errors", error(message=f"Phase import failed: {text}")
    yield (
        "tickstock:errors",
        error(message=text, traceback=f'Traceback:\n  File "x.py", line 1\nOperationalError: {text}'),
    )
    yield "tickstock:errors", error(message=json.dumps({"context": text}), context={"deep": [{"detail": text}]})
    yield (
        "tickstock:errors",
        json.dumps({"error_id": "e1", "severity": "critical", "message": text, "component": text}).encode(),
    )
    yield "tickstock:errors", json.dumps(json.dumps({"error_id": "e1", "severity": "error", "message": text})).encode()
    yield "tickstock:errors", error(message="m", component=text, error_code=text, category=text, symbol=text)
    alert = {
        "event_type": "ALERT_TRIGGERED",
        "alert": {"level": "CRITICAL", "message": text},
        "metrics": {"note": text},
    }
    yield "tickstock:monitoring", json.dumps(alert).encode()
    yield "tickstock:odd:one", envelope("odd", {"note": text}, source=f"worker {text}", version=text)
    yield "tickstock:odd:two", envelope(f"odd {text}", {"run_id": text})
    yield f"tickstock:odd:{text}", envelope("odd", {"n": 1})
    yield f"tickstock:broken:{text}", f"no JSON at all: {text}".encode()
    if text.startswith(("{", "[")):
        yield "tickstock:errors", error(message="m", context=json.loads(text))
        yield "tickstock:odd:json", envelope("odd", {"context": json.loads(text)})
    progress = {"run_id": "canary-run", "phase": text, "current_symbol": text, "message": text, "completed": 5}
    yield "tickstock:import:progress", envelope("import_progress", progress)


def joined(texts: list[str]) -> str:
    """All in one text; an address that is cut off must be the last."""
    return " and ".join(sorted(texts, key=lambda text: text.startswith("redis://:")))


def failed_run(texts: list[str]) -> Iterator[tuple[str, bytes]]:
    """A run that goes wrong, and says so with these texts."""
    run = {"run_id": "canary-run"}
    yield "tickstock:processing:status", envelope("processing_started", run | {"trigger_type": texts[0]})
    yield "tickstock:import:started", envelope("import_started", run)
    for text in texts:
        yield "tickstock:errors", error(message=f"import failed: {text}", phase="import", recovery_action=text, **run)
    reason = joined(texts)
    yield (
        "tickstock:import:completed",
        envelope("import_failed", run | {"reason": reason, "error": reason, "status": "failed"}),
    )
    yield (
        "tickstock:processing:status",
        envelope("processing_completed", run | {"status": "failed", "error": reason, "reason": reason}),
    )
