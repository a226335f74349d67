"""The relay's own log: for people on a terminal, JSON otherwise. Text from the wire cannot break a line of it.

Every command sets it up before anything else is loaded (`for_commands`), as structlog's defaults would print every
local variable beside a traceback, and some of them are secrets; the daemon again, as its configuration says (`set_up`),
and through a thread, so that no log keeps it from its work (`write_in_background`).
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import sys
from typing import TYPE_CHECKING, TextIO

from relay.process import log_secrets
from relay.process.log_limit import LineLimit
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


_writers: list[LogWriter] = []
_limit = LineLimit()
_library_lines = log_secrets.LibraryLines()


def write_in_background() -> None:
    """Put a `LogWriter` in the place of standard error: nothing that is printed there blocks or raises any more."""
    writer = LogWriter(2)
    _writers.append(writer)
    sys.stderr = writer
    writer.report = _report_dropped
    atexit.register(writer.finish)


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
    _configure(logging.WARNING, console=True, cached=False, limited=False)


def set_up(options: LogOptions) -> None:
    """Configure structlog, and the libraries that log by `logging`, as the configuration says: once, at start."""
    level = logging.getLevelName(options.level.upper())
    console = options.format == "console" or (options.format == "auto" and sys.stderr.isatty())
    _configure(level, console=console, cached=True, limited=True)


def _configure(level: int, *, console: bool, cached: bool, limited: bool) -> None:
    shared: list[structlog.types.Processor] = [
        *([_limit] if limited else []),
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    ending: list[structlog.types.Processor] = (
        [log_secrets.in_line, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]
        if console
        else [structlog.processors.format_exc_info, log_secrets.in_line, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=cached,
    )
    _library_lines.filters = [_limit] if limited else []
    logging.getLogger().addHandler(_library_lines)  # once, however often
    logging.getLogger().setLevel(max(level, logging.WARNING))
    sys.excepthook = log_secrets.excepthook


def _traceback(out: TextIO, error: structlog.typing.ExcInfo) -> None:
    out.write(f"\n{log_secrets.traceback_of(error)}")
