"""What looks like a secret never stands in the log: not in a line's fields, not in a traceback, not by a library.

The rules are those for events (`relay.redaction`), loaded with the first line that is written.
"""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from types import TracebackType

    from structlog.typing import ExcInfo

    from relay.redaction.redactor import Redactor

_own: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


def also(patterns: Sequence[str], keys: Sequence[str]) -> None:
    """Hide what the configuration adds too (`config.settings.RedactionOptions`)."""
    global _own  # noqa: PLW0603 - the log is one for the process
    _own = (tuple(patterns), tuple(keys))
    _redactor.cache_clear()


@functools.cache
def _redactor() -> Redactor:
    from relay.redaction.redactor import Redactor  # noqa: PLC0415 - commands that log nothing do not pay for it

    return Redactor(*_own)


def hidden(text: str) -> str:
    """`text` without secrets."""
    return _redactor().redact_text(text)


def in_line(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: the line without secrets. What becomes a traceback is left to `traceback_of`."""
    error = line.pop("exc_info", None)
    hidden_line = _redactor().redact_fields(line)
    return hidden_line if error is None else hidden_line | {"exc_info": error}


def traceback_of(error: ExcInfo) -> str:
    """A traceback as it is printed, without local variables and secrets."""
    return hidden("".join(traceback.format_exception(*error)).rstrip("\n"))


class LibraryLines(logging.Handler):
    """Writes the lines of libraries that log by `logging` on what is standard error at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and its traceback."""
        try:
            sys.stderr.write(f"{hidden(self.format(record))}\n")
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)


def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook`: an exception that nobody has caught ends the program."""
    sys.stderr.write(f"{traceback_of((kind, error, trace))}\n")
