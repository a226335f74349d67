"""The facts of an event as the web app gets them: canonical numbers from every dialect, short texts. Pure.

How a number is read is decided in one place for the whole relay (`relay.events.values`); here are only the names
of fields.
"""

from collections.abc import Mapping
from typing import Any

from relay.events import Event
from relay.events.values import amount, count, moment, percent
from relay.events.values import text as short_text

LONGEST_TEXT = 1000
"""Characters of one text: a page shows it, it is no archive."""
MOST_PHASES = 20
STATUSES = {
    "success": "completed",
    "succeeded": "completed",
    "error": "failed",
    "failure": "failed",
    "canceled": "cancelled",
    "aborted": "cancelled",
    "completed_with_errors": "partial",
    "partial_success": "partial",
}
"""Final states that the wire writes in several ways -> the contract's word (wire notes, "Several names")."""
_PERCENT = ("percent_complete", "percentage", "progress_percent", "percent", "progress")
_DONE = ("symbols_processed", "completed_symbols", "symbols_completed", "processed_symbols", "completed", "symbols")
_TOTAL = ("total_symbols", "symbols_total", "symbols_count", "total")
_FAILED = ("failed_symbols", "symbols_failed", "failed")


def run_id_of(event: Event) -> str | None:
    """The run that an event is about, as TickStockPL calls it: where several share an id, the relay has its own."""
    shared = event.payload.get("published_id") if event.channel.startswith("relay:run:") else None
    return shared if isinstance(shared, str) else event.run_id


def text(value: object) -> str | None:
    """Words, or a whole number as words; cut to `LONGEST_TEXT`."""
    return short_text(value, LONGEST_TEXT)


def status(payload: Mapping[str, Any]) -> str | None:
    """The contract's word for the status; another one as it came."""
    found = text(payload.get("status"))
    return STATUSES.get(found.lower(), found) if found else None


def phases(payload: Mapping[str, Any]) -> list[str] | None:
    """The names of the phases, as published."""
    listed = payload.get("phases")
    return [name[:100] for name in listed[:MOST_PHASES] if isinstance(name, str)] if isinstance(listed, list) else None


def percent_done(payload: Mapping[str, Any]) -> float | None:
    """0 to 100, from what is said or from the symbols."""
    done, total = symbols_done(payload), symbols_total(payload)
    stated = next((payload[key] for key in _PERCENT if payload.get(key) is not None), None)
    found = percent(stated, done, total)
    if found is None and total and done is not None:
        return min(100.0, 100 * done / total)
    return found


def symbols_done(payload: Mapping[str, Any]) -> int | None:
    """Symbols that the phase is done with, well or not."""
    found = _first(payload, _DONE)
    if found is None and (good := count(payload.get("successful_symbols"))) is not None:
        return good + (symbols_failed(payload) or 0)
    return found


def symbols_total(payload: Mapping[str, Any]) -> int | None:
    """Symbols that the phase has."""
    found = _first(payload, _TOTAL)
    if found is None and (done := _first(payload, _DONE)) is not None:
        remaining = count(payload.get("remaining"))
        return None if remaining is None else done + remaining
    return found


def symbols_failed(payload: Mapping[str, Any]) -> int | None:
    """A count, also where the wire has a list."""
    return _first(payload, _FAILED)


def symbols_succeeded(payload: Mapping[str, Any]) -> int | None:
    """As said, or those that were done without those that failed."""
    if (stated := count(payload.get("successful_symbols"))) is not None:
        return stated
    done = symbols_done(payload)
    done = symbols_total(payload) if done is None else done
    return None if done is None else max(0, done - (symbols_failed(payload) or 0))


def seconds(payload: Mapping[str, Any]) -> float | None:
    """How long it took."""
    return amount(payload.get("duration_seconds"))


def seconds_left(event: Event) -> float | None:
    """As said, or until the time at which it is expected to end."""
    stated = amount(event.payload.get("eta_seconds"))
    if stated is None and (end := moment(event.payload.get("estimated_completion"))) is not None:
        return max(0.0, (end - event.time).total_seconds())
    return stated


def symbol(payload: Mapping[str, Any]) -> str | None:
    """The symbol that it is about, also where it stands in the context."""
    for place in (payload, payload.get("context"), payload.get("detection"), payload.get("calculation")):
        if isinstance(place, dict) and (found := text(place.get("symbol"))):
            return found
    return None


def _first(payload: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((found for name in names if (found := count(payload.get(name))) is not None), None)
