"""The relay's own log: for people on a terminal, JSON otherwise. Text from the wire cannot break a line of it.

Every command sets it up before anything else is loaded (`for_commands`), as structlog's defaults would print every
local variable beside a traceback, and some of them are secrets; the daemon again, as its configuration says (`set_up`),
and through a thread, so that no log keeps it from its work (`write_in_background`).
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING

from relay.process import log_secrets, log_text
from relay.process.log_writer import LogWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from relay.config.settings import LogOptions


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    """A module that is None counts as missing (Python's reference, 5.3.1)."""
    known = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    yield
    del sys.modules[name]
    if known is not None:
        sys.modules[name] = known


# structlog takes `rich` along for tracebacks with local variables, which nobody shall see; a daemon would carry 3.5 MB.
with _hidden("rich"):
    import structlog

    from relay.process.log_limit import LineLimit


_writers: list[LogWriter] = []
_limit = LineLimit()
_library_lines = log_secrets.LibraryLines()


def write_in_background() -> None:
    """Put a `LogWriter` in the place of standard error: nothing that is printed there blocks or raises any more."""
    writer = LogWriter(2)
    _writers.append(writer)
    sys.stderr = writer
    writer.report = _report_dropped
    atexit.register(finish)


def finish() -> None:
    """Give what is left to write a moment, as the process is about to end."""
    sum_up(all_of_them=True)
    for writer in _writers:
        writer.finish()


def sum_up(*, all_of_them: bool = False) -> None:
    """Write what lines were left out as there were many of one cause; called about once a second."""
    _limit.sum_up(all_of_them=all_of_them)


def lines_dropped() -> int:
    """How many lines of the log could not be written."""
    return sum(writer.dropped for writer in _writers)


def _report_dropped(count: int) -> None:
    structlog.get_logger(__name__).warning("log lines could not be written and were dropped", count=count)


def for_commands() -> None:
    """Warnings and errors of a command: lines for people on standard error, whatever that is when one is written."""
    _configure(logging.WARNING, log_text.for_terminal, cached=False, limited=False)


def set_up(options: LogOptions) -> None:
    """Configure structlog, and the libraries that log by `logging`, as the configuration says: once, at start."""
    level = logging.getLevelName(options.level.upper())
    in_journal = log_text.names_our_stderr(os.environ.get("JOURNAL_STREAM", ""))
    if options.format == "console" or (options.format == "auto" and sys.stderr.isatty()):
        render: structlog.types.Processor = log_text.for_terminal
    elif options.format == "auto" and in_journal:
        render = log_text.for_journal
    else:
        render = structlog.processors.JSONRenderer()
    _configure(level, render, cached=True, limited=True, in_journal=in_journal)


def _configure(
    level: int, render: structlog.types.Processor, *, cached: bool, limited: bool, in_journal: bool = False
) -> None:
    structlog.configure(
        processors=[
            *([_limit] if limited else []),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            log_secrets.in_line,
            _WithPriority(render) if in_journal and render is not log_text.for_journal else render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=cached,
    )
    _library_lines.filters = [_limit] if limited else []
    _library_lines.setFormatter(_Formatter(in_journal=in_journal))
    logging.getLogger().addHandler(_library_lines)  # once, however often
    logging.getLogger().setLevel(max(level, logging.WARNING))
    sys.excepthook = log_secrets.excepthook


class _WithPriority:
    """Lines of JSON for the journal: the priority in front is taken off by it."""

    def __init__(self, render: structlog.types.Processor) -> None:
        self._render = render

    def __call__(self, logger: object, method: str, line: structlog.types.EventDict) -> str:
        level = str(line.get("level", "info"))
        return log_text.with_priority(str(self._render(logger, method, line)), level)


class _Formatter(logging.Formatter):
    """For the libraries' lines."""

    def __init__(self, *, in_journal: bool) -> None:
        super().__init__("%(name)s: %(message)s")
        self._in_journal = in_journal

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback below it."""
        text = super().format(record)
        return log_text.with_priority(text, record.levelname.lower()) if self._in_journal else text
