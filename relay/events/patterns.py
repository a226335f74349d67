"""Users' regular expressions: those of routes, silences and `redaction.patterns`. Compiled here and nowhere else.

They run on RE2, whose time is linear in the text, so no text can hold the daemon up. They are written as for Python:
`pattern_syntax` translates what RE2 takes otherwise, and refuses what it cannot do. The relay's own patterns are no
users' patterns and stay with `re`.
"""

import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import re2

from relay.events.pattern_syntax import BOUNDARY, PatternError, boundaries, translate

__all__ = ["Pattern", "PatternError"]

MAX_MEMORY = 8 << 20
"""Bytes that one compiled pattern may take, its cache of states included."""
_NOT_ENCODABLE = re.compile(f"[\ud800-\udfff{BOUNDARY}]")
_WORD_BOUNDARY = re.compile(r"\b")


class Pattern:
    r"""One compiled pattern. `\w \d \s \b` mean Unicode's words, digits and blanks; `$` is the end of the text."""

    def __init__(self, text: str) -> None:
        """Compile.

        Raises:
            PatternError: it is no regular expression, or it asks for what takes more than linear time.
        """
        self._ascii = _compile(text, translate(text, unicode=False))
        self._unicode = _compile(text, translate(text, unicode=True))
        self._mark = BOUNDARY * boundaries(text)
        self._groups: dict[str, int] = self._ascii.groupindex

    def found_in(self, text: str) -> bool:
        """Whether some part of `text` matches."""
        if text.isascii():
            return self._ascii.search(text.encode()) is not None
        text = _NOT_ENCODABLE.sub("\ufffd", text)
        if self._mark:
            text = _WORD_BOUNDARY.sub(self._mark, text)
        return self._unicode.search(text.encode()) is not None

    def replaced_in(self, text: str, replacement: str, group: str) -> str:
        """`text` with `replacement` in place of every match, or of only its `group` where the pattern has that."""
        number = self._groups.get(group, 0)
        pieces, end = [], 0
        for first, last in self._spans(text, number):
            if first < last:
                pieces += [text[end:first], replacement]
                end = last
        return "".join([*pieces, text[end:]]) if pieces else text

    def _spans(self, text: str, group: int) -> Iterator[tuple[int, int]]:
        """Where the group is in each match; (-1, -1) where it took no part."""
        if text.isascii():
            yield from (match.span(group) for match in self._ascii.finditer(text))
            return
        text = _NOT_ENCODABLE.sub("\ufffd", text)  # one character for one: the places stay the same
        marks: list[int] = []
        for found in _WORD_BOUNDARY.finditer(text) if self._mark else ():
            first = found.start() + len(marks)
            marks += range(first, first + len(self._mark))
        if self._mark:
            text = _WORD_BOUNDARY.sub(self._mark, text)
        for match in self._unicode.finditer(text):
            first, last = match.span(group)
            yield first - bisect_left(marks, first), last - bisect_left(marks, last)


def _compile(text: str, translated: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return re2.compile(translated, options=options)
    except (re2.error, UnicodeEncodeError) as error:
        raise PatternError(_why_not(text, error)) from None


def _why_not(text: str, error: Exception) -> str:
    """In Python's words where it refuses the pattern too, for they name the position."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(text)
    except re.error as refused:
        return f"not a regular expression: {refused}"
    except (RecursionError, OverflowError):
        return "not a regular expression that can be used: it nests too deeply, or repeats too often"
    reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
    if "too large" in reason or "repetition size" in reason:
        return "not a regular expression that can be used: it repeats too much in all; use fewer or smaller counts"
    return f"not a regular expression that can be used: {reason}"
