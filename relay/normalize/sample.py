"""An event made up to ask a question about: from a test's `given`, a message as published, or a line of the archive.

The configuration's tests and `explain` both get their events here, through the real normaliser, so that they cannot
disagree with the daemon. Nothing here routes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from relay.events import (
    MARK_KEYS,
    PHASE_NAMES,
    SEVERITIES,
    SEVERITY_LABELS,
    Event,
    Mark,
    Phase,
    Severity,
    decode,
    kind_of,
    utc_text,
)
from relay.normalize.normalize import Normalizer, Unreadable

TEXTS = ("channel", "domain", "action", "event", "source", "version", "run_id", "timestamp", "phase", "severity")
FACTS = (*TEXTS, *MARK_KEYS.values(), "payload", "payload.<name>")
"""What a specimen may be given."""
STREAM = "specimen"

_encode = msgspec.json.Encoder().encode


class SpecimenError(ValueError):
    """No event can be made of this; the text says why, `key` of which fact (empty: of all of it)."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class UnknownFactError(SpecimenError):
    """Events have no such field."""


@dataclass(frozen=True, slots=True)
class _Stated:
    """The facts that go before what the normaliser makes of the message."""

    phase: Phase | None
    severity: Severity | None
    marks: Mark


def from_facts(given: Mapping[str, Any], now: datetime) -> Event:
    """The event that a message with these facts becomes; phase, severity and marks are taken as given.

    Raises:
        SpecimenError: an unknown fact, or one that cannot be.
    """
    for name in given:
        _known(str(name))
    texts = {name: _text(name, given[name]) for name in TEXTS if given.get(name) is not None}
    stated = _stated(texts, given)
    payload = _payload(given)
    if "run_id" in texts:
        payload.setdefault("run_id", texts["run_id"])
    message: dict[str, Any] = {name: texts[name] for name in ("event", "source", "version") if name in texts}
    if not stated.marks & Mark.UNDATED:
        message["timestamp"] = texts.get("timestamp", utc_text(now))
    try:
        data = _encode(message | {"payload": payload})
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecimenError("payload", f"cannot be written as JSON: {error}") from None
    event = from_message(_channel(texts), data, now)
    if isinstance(event, Unreadable):
        raise SpecimenError("payload", f"would go to the quarantine: {event.reason}")
    return _with(event, stated)


def from_message(channel: str, data: bytes, now: datetime, normalizer: Normalizer | None = None) -> Event | Unreadable:
    """What the daemon makes of a message, by `normalizer` where its limits are not the usual ones."""
    reader = normalizer or Normalizer()
    return reader.read(channel.encode(errors="surrogateescape"), data, now, STREAM, 1)


def from_line(line: bytes) -> Event:
    """The event of a line of the archive.

    Raises:
        SpecimenError: it is none.
    """
    try:
        return decode(line)
    except KeyError as error:
        raise SpecimenError("severity", f"{error} is not a valid severity") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise SpecimenError("", f"not a line of the archive: {error}") from None


def _known(name: str) -> None:
    if name not in FACTS[:-1] and not (name.startswith("payload.") and name != "payload."):
        raise UnknownFactError(name, f"events have no field {name!r}")


def _text(name: str, value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool | Mapping | list):
        raise SpecimenError(name, "must be text")
    return str(value)


def _stated(texts: Mapping[str, str], given: Mapping[str, Any]) -> _Stated:
    phase, severity, marks = texts.get("phase"), texts.get("severity"), Mark.NONE
    if phase is not None and phase not in PHASE_NAMES:
        raise SpecimenError("phase", f"{phase!r} is not a valid phase; the phases are {', '.join(Phase)}")
    if severity is not None and severity.lower() not in SEVERITIES:
        raise SpecimenError(
            "severity",
            f"{severity!r} is not a valid severity; the severities are {', '.join(SEVERITY_LABELS.values())}",
        )
    for mark, name in MARK_KEYS.items():
        if not isinstance(given.get(name, False), bool):
            raise SpecimenError(name, "must be true or false")
        marks |= mark if given.get(name) else Mark.NONE
    return _Stated(PHASE_NAMES[phase] if phase else None, SEVERITIES[severity.lower()] if severity else None, marks)


def _payload(given: Mapping[str, Any]) -> dict[str, Any]:
    """`payload`, and what `payload.a.b` puts into it."""
    payload = given.get("payload") or {}
    if not isinstance(payload, Mapping):
        raise SpecimenError("payload", "must be a mapping such as {symbol: AAPL}")
    payload = {str(name): _copied(value) for name, value in payload.items()}
    for name, value in given.items():
        if not str(name).startswith("payload."):
            continue
        *path, last = str(name).split(".")[1:]
        inner = payload
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise SpecimenError(name, f"{part!r} has a value already and cannot hold others")
        inner[last] = value
    return payload


def _copied(value: Any) -> Any:
    return {str(name): _copied(item) for name, item in value.items()} if isinstance(value, Mapping) else value


def _channel(texts: Mapping[str, str]) -> str:
    if "channel" in texts:
        if redundant := {"domain", "action"} & texts.keys():
            raise SpecimenError(min(redundant), "is given by the channel already; leave one of them out")
        return texts["channel"]
    if "domain" not in texts:
        raise SpecimenError("", "an event needs a channel, such as tickstock:errors")
    return ":".join(["tickstock", texts["domain"], *([texts["action"]] if "action" in texts else [])])


def _with(event: Event, stated: _Stated) -> Event:
    kind = event.kind
    facts = kind.facts._replace(phase=stated.phase or kind.phase, severity=stated.severity or kind.severity)
    return msgspec.structs.replace(event, kind=kind_of(facts), marks=event.marks | stated.marks)
