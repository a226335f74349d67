"""Warnings and errors of one cause: the first of a minute are written, those beyond are summed up in one line.

A flood of what is wrong, 100,000 unreadable messages say, is a few lines of log, not 18 MB. A cause is what is said, by
and about whom, and the type of the error; not the text from the wire beside it.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Hashable, MutableMapping

FIRST = 5
"""Lines of a cause that are written in each span."""
EVERY = 60.0
"""Seconds of a span."""
MOST_CAUSES = 500
"""When there are more, what is said alone is a cause."""
NAMING = ("sink", "lane", "part", "name", "section", "reason")
"""Fields that tell one cause from another."""
STORY = "text"
"""In a line that tells of one thing which the relay announces: none of them is a repetition."""
UNLIMITED = ("info", "debug")
"""A change of state, "subscribed" say, is a line each time: it ends what a warning began, and none comes in floods."""
REPEATED = "repeated"
"""In the line that sums up: how many more there were."""


@dataclass(slots=True)
class _Span:
    """What a cause had to say since `began`."""

    method: str
    began: float
    lines: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    """The last line that was not written."""
    count: int = 0
    """The sum of the `count` of the lines that were not written."""

    @property
    def left_out(self) -> int:
        return max(0, self.lines - FIRST)


class LineLimit:
    """A processor of structlog, and a filter of `logging`: drops what is beyond the first lines of its cause."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds and is never set."""
        self._clock = clock
        self._spans: dict[Hashable, _Span] = {}
        self._ended: list[_Span] = []
        self._lock = threading.RLock()  # a signal handler may log while we do

    def __call__(self, _logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The line, if it may be written.

        Raises:
            structlog.DropEvent: it is counted instead.
        """
        passes = method in UNLIMITED or REPEATED in line or STORY in line
        if passes or self._admits((method, line.get("event"), *_names(line)), method, line):
            return line
        raise structlog.DropEvent

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line of a library may be written."""
        error = record.exc_info[0] if record.exc_info else None
        line = {"event": f"{record.name}: {record.msg}"}
        return self._admits((record.name, record.levelno, str(record.msg), error), "warning", line)

    def sum_up(self, *, all_of_them: bool = False) -> None:
        """Write a line for each cause whose span is over and had more lines than were written; or for every cause."""
        with self._lock:
            now = self._clock()
            for cause, span in list(self._spans.items()):
                if all_of_them or now - span.began >= EVERY:
                    self._ended.append(self._spans.pop(cause))
            ended = self._ended
            self._ended = []
        for span in ended:
            if span.left_out:
                _write(span, now)

    def _admits(self, cause: Hashable, method: str, line: MutableMapping[str, Any]) -> bool:
        with self._lock:
            span = self._span(cause, method, line)
            span.lines += 1
            if span.lines <= FIRST:
                return True
            span.last = dict(line)
            count = line.get("count")
            span.count += count if isinstance(count, int) else 0
            return False

    def _span(self, cause: Hashable, method: str, line: MutableMapping[str, Any]) -> _Span:
        now = self._clock()
        if cause not in self._spans and len(self._spans) >= MOST_CAUSES:
            cause = line.get("event")
        span = self._spans.get(cause)
        if span is None or now - span.began >= EVERY:
            if span is not None:
                self._ended.append(span)
            span = self._spans[cause] = _Span(method, now)
        return span


def _names(line: MutableMapping[str, Any]) -> tuple[Hashable, ...]:
    """Of whom the line tells, and the type of the error in it."""
    error: Any = line.get("exc_info")
    if error is True:
        error = sys.exc_info()[0]
    elif isinstance(error, tuple):
        error = error[0]
    elif isinstance(error, BaseException):
        error = type(error)
    return (*(str(line[name]) if name in line else None for name in NAMING), error or None)


def _write(span: _Span, now: float) -> None:
    line = {name: value for name, value in span.last.items() if name not in ("exc_info", "stack_info")}
    if span.count:
        line["count"] = span.count
    since = datetime.now(UTC) - timedelta(seconds=now - span.began)
    log = structlog.get_logger(__name__)
    getattr(log, span.method)(line.pop("event"), **line, **{REPEATED: span.left_out}, since=since.isoformat())
