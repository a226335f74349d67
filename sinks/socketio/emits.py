"""Which event becomes which Socket.IO emit: the contract's names and keys, and the others by analogy. Pure.

`TABLE` is the one place that says so; docs/web-app.md is written from it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from relay.events import PHASE_NAMES, Event, Kind, Phase
from relay.events.incidents import CHANNEL as INCIDENT
from sinks.socketio import values

RESERVED = frozenset({"", "connect", "connect_error", "disconnect", "message", "error", "newListener"})
"""Names that Socket.IO's clients keep for themselves: an emit of such a name would call the page's own handlers."""
HOST = "tickstock-relay"
Data = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_RUN = re.compile(r"(?:daily_)?(?:processing|run)_(?:started|completed|failed|cancelled|canceled)")
_PHASE_VERB = re.compile(r"(?:.*_)?(started|progress|completed|complete|failed|cancelled|canceled)")


@dataclass(frozen=True, slots=True)
class Emit:
    """One kind of emit; `data` makes its data, which has at least `keys`."""

    name: str
    source: str
    """What of the wire it is made of, for the documentation."""
    keys: tuple[str, ...]
    data: Callable[[Event], Data]
    is_progress: bool = False
    """Of several only the newest matters."""
    is_contract: bool = False


def message(name: str, data: Mapping[str, Any], *, namespace: str, room: str | None) -> bytes:
    """What Socket.IO's managers publish to each other for `emit(name, data)`; python-socketio 5.8 to 5.18 read it.

    `data` is an object: a list would become several arguments.

    Raises:
        ValueError: the name is reserved.
    """
    if name in RESERVED:
        raise ValueError(f"{name!r} is reserved by Socket.IO")
    return _encode(
        {
            "method": "emit",
            "event": name,
            "data": data,
            "binary": False,
            "namespace": namespace,
            "room": room,
            "skip_sid": None,
            "callback": None,
            "host_id": HOST,
        }
    )


def emit_of(kind: Kind, *, results: bool) -> Emit | None:
    """What an event of this kind becomes; None: the web app does not get it."""
    if kind.channel.startswith("relay:"):
        return _of_relay(kind)
    if kind.domain == "errors" or kind.event in {"error", "critical_error"}:
        return TABLE["processing_error"]
    if kind.event in {"indicator_calculated", "pattern_detected"}:
        return TABLE[kind.event] if results else None
    if kind.domain == "processing" and _RUN.fullmatch(kind.event):
        return TABLE["processing_status"]
    phase = _phase_of(kind)
    verb = _PHASE_VERB.fullmatch(kind.event)
    if phase and (kind.event == "job_progress_update" or kind.domain == "data"):
        return TABLE[f"{phase}_progress"]
    if phase is None or verb is None:
        return None
    return TABLE[f"{phase}_{ {'started': 'started', 'progress': 'progress'}.get(verb[1], 'complete') }"]


def _of_relay(kind: Kind) -> Emit | None:
    """Alerts, and what the relay has found out about a run; of a phase TickStockPL's own events tell."""
    if kind.domain == "alert":
        return None if kind.channel == INCIDENT else TABLE["relay_alert"]  # its alerts come by themselves
    return TABLE["run_state"] if kind.domain == "run" and not kind.action.startswith("phase_") else None


def _phase_of(kind: Kind) -> Phase | None:
    """The phase whose course the event is about, if it is about one at all."""
    if kind.domain == "processing" or kind.event == "job_progress_update":
        return kind.phase
    if kind.action in {"started", "progress", "completed", "failed", "cancelled", "canceled"}:
        return PHASE_NAMES.get(kind.domain)
    return Phase.IMPORT if (kind.domain, kind.action) == ("data", "import:status") else None


def _common(event: Event) -> Data:
    return {"run_id": values.text(event.run_id), "id": event.id}


def _status(event: Event) -> Data:
    payload = event.payload
    facts = {"type": event.event, "status": values.status(payload), "phases": values.phases(payload)}
    return _common(event) | facts


def _started(event: Event) -> Data:
    return _common(event) | {"symbols": values.symbols_total(event.payload)}


def _progress(event: Event) -> Data:
    payload = event.payload
    return _common(event) | {
        "percent": values.percent_done(payload),
        "current": values.text(payload.get("current_symbol")) or values.symbol(payload),
        "eta": values.seconds_left(event),
        "done": values.symbols_done(payload),
        "total": values.symbols_total(payload),
    }


def _complete(event: Event) -> Data:
    payload = event.payload
    ended = values.status(payload) or ("failed" if event.event.endswith("failed") else "completed")
    return _common(event) | {
        "symbols": values.symbols_succeeded(payload),
        "duration": values.seconds(payload),
        "status": "cancelled" if event.event.endswith(("cancelled", "canceled")) else ended,
        "failed": values.symbols_failed(payload),
    }


def _error(event: Event) -> Data:
    payload = event.payload
    return _common(event) | {
        "severity": event.severity.label,
        "component": values.text(payload.get("component")) or event.source,
        "error_code": values.text(payload.get("error_code")) or values.text(payload.get("category")),
        "message": values.text(payload.get("message")),
        "symbol": values.symbol(payload),
        "time": event.time,
    }


def _alert(event: Event) -> Data:
    named = ("alert", "state", "title", "message", "since", "url")
    facts = {name: values.text(event.payload.get(name)) for name in named}
    return _common(event) | facts | {"severity": event.severity.label}


def _result(event: Event) -> Data:
    """One indicator or pattern; some publishers put it into an object of its own."""
    payload = event.payload
    inner = payload.get("detection") or payload.get("calculation")
    facts = payload | inner if isinstance(inner, dict) else payload
    name = values.text(facts.get("pattern_type") or facts.get("indicator_type") or facts.get("pattern"))
    numbers = {key: facts.get(key) for key in ("value", "confidence")}
    return _common(event) | {
        "symbol": values.text(facts.get("symbol")),
        "name": name or values.text(facts.get("indicator")),
        "timeframe": values.text(facts.get("timeframe")),
        **{key: value if isinstance(value, int | float) else values.text(value) for key, value in numbers.items()},
    }


def _no_data(event: Event) -> Data:
    """`run_state` is made by `sinks.socketio.run_state`, of all that was seen of the run."""
    raise NotImplementedError(event.event)


def _rows() -> list[Emit]:
    rows = [
        Emit(
            "processing_status",
            "the run started, completed, failed or was cancelled",
            ("type", "run_id", "status", "phases"),
            _status,
            is_contract=True,
        )
    ]
    for phase in Phase:
        known = phase is Phase.IMPORT
        names = ("percent", "current", "eta")
        rows += [
            Emit(f"{phase}_started", f"the phase {phase} started", ("run_id", "symbols"), _started),
            Emit(f"{phase}_progress", f"progress of {phase}", names, _progress, is_progress=True, is_contract=known),
            Emit(f"{phase}_complete", f"{phase} ended", ("symbols", "duration"), _complete, is_contract=known),
        ]
    found = ("symbol", "name", "timeframe", "value", "confidence")
    error = ("severity", "component", "error_code", "message", "symbol")
    alert = ("alert", "state", "severity", "title", "message", "since", "url")
    state = ("run_id", "status", "phases", "errors", "last_error", "alerts")
    return [
        *rows,
        Emit("processing_error", "every event on `tickstock:errors`", error, _error),
        Emit("relay_alert", "`relay:alert:*`", alert, _alert),
        Emit("run_state", "all that is known of a run, every 3 s while it goes on", state, _no_data),
        Emit("indicator_calculated", "one indicator; with `results: true` only", found, _result),
        Emit("pattern_detected", "one pattern; with `results: true` only", found, _result),
    ]


TABLE: dict[str, Emit] = {row.name: row for row in _rows()}


def markdown() -> list[str]:
    """The table of the documentation."""
    lines = ["| event of the relay | emit | data has at least |", "| --- | --- | --- |"]
    for row in TABLE.values():
        contract = " (contract)" if row.is_contract else ""
        lines.append(f"| {row.source} | `{row.name}`{contract} | {', '.join(f'`{key}`' for key in row.keys)} |")
    return lines
