"""What operators keep quiet for a while: which alerts and errors, until when, why and by whom.

Kept on a shelf that the command line writes too. What follows from a silence is in `relay.watchdog.quiet`.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from relay.events import Event
from relay.events.matching import predicate
from relay.redaction.built_in import shortened
from relay.store.shelf import Shelf

SHELF = "silences"
Predicate = Callable[[Event], bool]
MAX_SILENCES = 200
LONGEST = timedelta(days=366)
KEPT = timedelta(days=7)
"""An ended silence can still be looked at for so long."""
_SIGNS = ("=~", ">=", "<=", "!=", ">", "<")


class Silence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One silence; times are UTC."""

    id: str
    match: dict[str, Any]
    """As in a route: every condition must hold; none: everything."""
    created: datetime
    until: datetime
    incident: str = ""
    """Only what belongs to the incident of this id."""
    comment: str = ""
    who: str = ""
    is_maintenance: bool = False
    """It is a maintenance window of the configuration."""

    def is_active(self, now: datetime) -> bool:
        """Whether it keeps anything quiet now."""
        return self.created <= now < self.until

    @property
    def matches(self) -> str:
        """What it keeps quiet, in words: `payload.component=data_import`, `incident 2ec03b4d`, `everything`."""
        parts = [f"incident {self.incident}"] if self.incident else []
        parts += [f"{field}{_condition(test)}" for field, test in self.match.items()]
        return ", ".join(parts) or "everything"

    @property
    def why(self) -> str:
        """What, why and by whom: conditions, comment and, in brackets, the name."""
        parts = [self.comment] if self.is_maintenance else [self.matches, self.comment]
        who = f" ({self.who})" if self.who else ""
        return f"{' – '.join(filter(None, parts))}{who}".strip()  # noqa: RUF001 - typography


def _condition(test: object) -> str:
    return test if isinstance(test, str) and test.startswith(_SIGNS) else f"={test}"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Silence).decode


class Silences:
    """The silences on a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known: dict[str, tuple[str, Silence, Predicate]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take what is on the shelf now; another process may have written there."""
        found = dict(self._shelf.items())
        for silence_id in self._known.keys() - found.keys():
            del self._known[silence_id]
        for silence_id, text in found.items():
            before = self._known.get(silence_id)
            if before is None or before[0] != text:
                self._read(silence_id, text)

    def add(
        self,
        match: Mapping[str, Any],
        until: datetime,
        now: datetime,
        *,
        everything: bool = False,
        incident: str = "",
        comment: str = "",
        who: str = "",
    ) -> Silence:
        """Keep what matches quiet from `now` until `until`; `incident` alone, or `everything`, needs no matcher.

        Raises:
            ValueError: no matcher or a wrong one (`MatchError`), an end in the past or more than a year away, or there
                are too many silences.
        """
        if not match and not incident and not everything:
            raise ValueError("a silence needs at least one matcher: without one, everything would be silenced")
        if not now < until <= now + LONGEST:
            raise ValueError("a silence must end in the future, and within a year")
        if len(self._known) >= MAX_SILENCES:
            raise ValueError(f"there are {MAX_SILENCES} silences already; expire some")
        silence = Silence(
            id=secrets.token_hex(4),
            match=dict(match),
            created=now,
            until=until,
            incident=incident,
            comment=shortened(" ".join(comment.split()), 500) or "",
            who=who[:100],
        )
        predicate(silence.match)
        self._put(silence)
        return silence

    def expire(self, silence_id: str, now: datetime) -> Silence:
        """End a silence now.

        Raises:
            KeyError: there is no active silence of that id.
        """
        _, silence, _ = self._known[silence_id]
        if not silence.is_active(now):
            raise KeyError(silence_id)
        ended = msgspec.structs.replace(silence, until=now)
        self._put(ended)
        return ended

    def listed(self, now: datetime, *, ended: bool = False) -> list[Silence]:
        """The active silences, the one that ends first first; with `ended`, those of the last days too."""
        return sorted((one for one in self if ended or one.is_active(now)), key=lambda one: one.until)

    def __iter__(self) -> Iterator[Silence]:
        """All of them, also those that have ended."""
        return iter([silence for _, silence, _ in self._known.values()])

    def silencing(self, event: Event, now: datetime, incident: str = "") -> Silence | None:
        """The silence that keeps `event`, which belongs to that incident, quiet at `now`, if any does."""
        for _, silence, matches in self._known.values():
            is_meant = not silence.incident or silence.incident == incident
            if is_meant and silence.is_active(now) and matches(event):
                return silence
        return None

    @property
    def name_incidents(self) -> bool:
        """Whether any of them is about an incident."""
        return any(silence.incident for silence in self)

    def forget(self, now: datetime) -> None:
        """Let go of those that ended long ago."""
        for silence in self:
            if silence.until + KEPT < now:
                del self._known[silence.id]
                self._shelf.put(silence.id, None)

    def _put(self, silence: Silence) -> None:
        text = _encode(silence).decode()
        self._shelf.put(silence.id, text)
        self._read(silence.id, text)

    def _read(self, silence_id: str, text: str) -> None:
        """What cannot be read keeps nothing quiet: an alert too many is better than one too few."""
        try:
            silence = _decode(text)
            self._known[silence_id] = (text, silence, predicate(silence.match))
        except (msgspec.MsgspecError, ValueError):
            self._known.pop(silence_id, None)
