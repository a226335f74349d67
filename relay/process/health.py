"""What works and what does not: the named parts of the daemon's work, each tried on its own.

A part that failed three times in a row is faulty. That is announced by a path that needs no other part: no shelf, no
clock and no condition decides about it, only these counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from relay.events import Announcement, Severity, utc_text
from relay.store.shelf import Shelf

FAULTY_AFTER = 3
"""Failures in a row."""
SOUND_AFTER = 30
"""Ticks without a failure before a part's alert is resolved."""
STUCK_AFTER = 60
"""Ticks that bytes wait while nothing is taken; a connection that is dead is given up sooner."""
LOG_EVERY = 60
"""Ticks between two lines of log about one part's failures."""

log = structlog.get_logger(__name__)


class StuckError(Exception):
    """Work waits, and none of it is done."""


@dataclass(slots=True)
class Progress:
    """Whether the intake takes what has come: its task may hang while all others go on."""

    received: int = -1
    stuck: int = 0

    def check(self, unread: int, received: int) -> None:
        """To be called once a tick, with the bytes that wait and the messages taken so far.

        Raises:
            StuckError: bytes have waited for a minute, and no message was taken.
        """
        self.stuck = self.stuck + 1 if unread and received == self.received else 0
        self.received = received
        if self.stuck >= STUCK_AFTER:
            raise StuckError(f"{unread} bytes are waiting, but no message was read for {self.stuck} ticks")


@dataclass(slots=True)
class _Part:
    """One part that has failed and is not known to be sound again."""

    failures: int = 0
    error: str = ""
    sound_since: int | None = None
    announced: bool = False
    logged_at: int | None = None


class Health:
    """Counts each part's failures in a row."""

    def __init__(self, noted: Shelf) -> None:
        """`noted` remembers what was announced: the service manager may restart the relay once a minute."""
        self._noted = noted
        self._ticks = 0
        self._parts: dict[str, _Part] = {}
        for name in noted.items():
            self._parts[name] = _Part(sound_since=0, announced=True)

    def attempt(self, name: str, work: Callable[[], object]) -> bool:
        """Do one part's work; whether it went well. Whatever it raises stops no other part."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is counted, logged and announced
            self.failed(name, error)
            return False
        self.worked(name)
        return True

    def worked(self, name: str) -> None:
        """A part has done its work."""
        part = self._parts.get(name)
        if part is not None and part.failures:
            part.failures = 0
            part.error = ""
            part.sound_since = self._ticks

    def failed(self, name: str, error: Exception) -> None:
        """A part could not do its work. The first failure is logged with its traceback, then one a minute."""
        part = self._parts.setdefault(name, _Part())
        part.failures += 1
        part.error = type(error).__name__
        part.sound_since = None
        if part.logged_at is None or self._ticks - part.logged_at >= LOG_EVERY:
            part.logged_at = self._ticks
            log.error("a part of the relay failed", part=name, failures_in_a_row=part.failures, exc_info=error)

    @property
    def faulty(self) -> dict[str, str]:
        """The parts that do not work now, and the kind of error: no text that could hold a secret."""
        return {name: part.error for name, part in self._parts.items() if part.failures >= FAULTY_AFTER}

    def tick(self, now: datetime) -> list[Announcement]:
        """To be called once a tick, after all parts: which part is faulty, which one works again."""
        self._ticks += 1
        announcements: list[Announcement] = []
        for name, part in list(self._parts.items()):
            if part.failures >= FAULTY_AFTER and not part.announced:
                part.announced = True
                self._note(name, utc_text(now))
                announcements.append(_faulty(name, part))
            elif part.sound_since is not None and self._ticks - part.sound_since >= SOUND_AFTER:
                del self._parts[name]
                if part.announced:
                    self._note(name, None)
                    announcements.append(_resolved(name))
        return announcements

    def _note(self, name: str, text: str | None) -> None:
        try:
            self._noted.put(name, text)
        except Exception as error:  # noqa: BLE001 - the store may be the broken part
            log.warning("the fault could not be saved for the next start", part=name, error=type(error).__name__)


def _title(name: str) -> str:
    return f"A part of the relay does not work: {name}"


def _faulty(name: str, part: _Part) -> Announcement:
    message = (
        f"It has failed {part.failures} times in a row ({part.error}). All other parts go on; what this one does is not"
        " done. The service manager's watchdog is not fed any more, so the relay is restarted, which may help."
        " Look at its log: `journalctl -u tickstock-relay`; then `tickstock-relay check`."
    )
    return _announcement(name, "firing", _title(name), message)


def _resolved(name: str) -> Announcement:
    return _announcement(name, "resolved", f"Resolved: {_title(name)}", "It works again.")


def _announcement(name: str, state: str, title: str, message: str) -> Announcement:
    return Announcement(
        channel="relay:alert:relay_faulty",
        event="relay_faulty",
        severity=Severity.CRITICAL,
        payload={
            "alert": f"relay_faulty:{name}",
            "state": state,
            "title": title,
            "message": message,
            "facts": {"part": name},
        },
    )
