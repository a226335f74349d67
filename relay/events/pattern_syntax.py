r"""From Python's regular expressions to RE2's: what is written otherwise, and what RE2 cannot do, in plain words.

A pattern becomes two: one for texts in ASCII, and one for all others, in which `\w \d \s` are Unicode's as in Python.
RE2 knows only ASCII's word boundaries, so `\b` becomes a character that is put at every boundary of the text
beforehand, and whatever else stands in the pattern steps over it.
"""

import re
import unicodedata
from functools import lru_cache

BOUNDARY = "\ufdd0"
"""Stands where a word begins or ends. Unicode reserves it for such uses; in a text it is replaced beforehand."""
MOST_REPEATS = 1000
"""RE2's own limit."""
MOST_BOUNDARIES = 40
r"""`\b` on one way through a pattern that are told apart; so many at one place of a text mean nothing more."""
_LAST_KNOWN = 0x3FFFF
"""No letter, digit or blank is beyond it."""
_ESCAPE = (
    r"\\(?:x[0-9a-fA-F]{2}|x\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}"
    r"|[pP](?:\{[^}]*\}|.)|0[0-7]{0,2}|[1-3][0-7]{2}|[1-9][0-9]?|.)"
)
_IN_SET = re.compile(_ESCAPE, re.DOTALL)
_TOKEN = re.compile(
    rf"(?P<escape>{_ESCAPE})"
    r"|(?P<set>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])"
    r"|(?P<comment>\(\?#[^)]*\))"
    r"|(?P<group>\((?:\?(?:P=|P?<[=!]|P?<\w+>|[a-zA-Z-]*[:)]|.))?)"
    r"|(?P<close>\))"
    r"|(?P<repeat>(?:[*+?]|\{(?:\d+,?\d*|,\d*)\})[?+]?)"
    r"|(?P<anchor>[|^$])"
    r"|(?P<literal>.)",
    re.DOTALL,
)
_REFUSED = tuple(
    (re.compile(shape, re.DOTALL), what)
    for shape, what in (
        (r"\(\?P=|\\[1-9]\d?", "refers back to a group"),
        (r"\(\?<[=!]", "looks behind"),
        (r"\(\?[=!]", "looks ahead"),
        (r"\(\?>", "is an atomic group"),
        (r"\(\?\(", "depends on another group"),
        (r".*[*+?}]\+", "is a possessive repeat"),
        (r"\\B", "asks for a place without a word boundary"),
        (r"\(\?[a-zA-Z-]*x[a-zA-Z-]*[:)]", "ignores blanks"),
        (r"\(\?[a-zA-Z-]*[aL][a-zA-Z-]*[:)]", "limits what letters are"),
    )
)


_FLAGS_ONLY = re.compile(r"\(\?[a-zA-Z-]*\)")
_SAME_IN_BOTH = frozenset("afnrtv")


class PatternError(ValueError):
    """A pattern that cannot be used: why, and at which position, in words for who wrote it."""


def translate(text: str, *, unicode: bool) -> str:
    r"""`text` as RE2 takes it, for texts in ASCII, or for all others with `BOUNDARY` in them.

    Raises:
        PatternError: it has something that RE2 cannot do.
    """
    return _Translation(text, unicode=unicode).result


def boundaries(text: str) -> int:
    r"""How often `BOUNDARY` must stand at each boundary of a text for this pattern: each `\b` takes one.

    All on one way through it can be at one place, as in `\ba*\b`; of alternatives only one is taken.
    """
    ways = [[0]]
    for token in _TOKEN.finditer(text):
        written, kind = token[0], token.lastgroup
        if written == r"\b":
            ways[-1][-1] += 1
        elif written == "|":
            ways[-1].append(0)
        elif kind == "group" and not _FLAGS_ONLY.fullmatch(written):
            ways.append([0])
        elif kind == "close" and len(ways) > 1:
            longest = max(ways.pop())
            ways[-1][-1] += longest
    return min(MOST_BOUNDARIES, max(ways[0]))


class _Translation:
    """One pattern on its way through its tokens."""

    def __init__(self, text: str, *, unicode: bool) -> None:
        self._last = 0x10FFFF if unicode else 0x7F
        self._marks = unicode and boundaries(text) > 0
        self._dot_is_all = [False]
        """Whether `.` takes line breaks too: in each group that is open, the innermost last."""
        self.result = "".join(map(self._token, _TOKEN.finditer(text)))

    def _token(self, token: re.Match[str]) -> str:
        written, kind = token[0], token.lastgroup
        _refuse(written, token.start())
        if kind == "comment":
            return ""
        if kind == "group":
            return self._opened(written)
        if kind == "close":
            self._dot_is_all[1:] = self._dot_is_all[1:-1]
            return written
        if kind == "repeat":
            return _repeat(written, token.start())
        if kind == "anchor":
            return f"{BOUNDARY}*$" if self._marks and written == "$" else written
        if kind == "escape" and written in (r"\A", r"\b", r"\z", r"\Z"):
            return self._place(written)
        one = self._character(written, kind)
        return f"(?:{BOUNDARY}*{one})" if self._marks else one

    def _opened(self, written: str) -> str:
        """A group's beginning, or flags for the rest of this one."""
        flags = re.fullmatch(r"\(\?([a-zA-Z-]*)([:)])", written)
        inside = self._dot_is_all[-1]
        if flags:
            on, _, off = flags[1].partition("-")
            inside = (inside or "s" in on) and "s" not in off
            written = f"(?{flags[1].replace('u', '')}{flags[2]}"
        if flags and flags[2] == ")":
            self._dot_is_all[-1] = inside
            return "" if written == "(?)" else written
        self._dot_is_all.append(inside)
        return written

    def _place(self, written: str) -> str:
        """What takes no character: the text's beginning and end, a word's boundary."""
        if written == r"\b":
            return BOUNDARY if self._marks else written
        if written == r"\A":
            return written
        return rf"{BOUNDARY}*\z" if self._marks else r"\z"

    def _character(self, written: str, kind: str | None) -> str:
        """What takes one character."""
        if kind == "set":
            inner = _IN_SET.sub(lambda escape: _escaped(escape[0], self._last), written[1:-1])
            return f"[{inner}{BOUNDARY}]" if self._marks and inner.startswith("^") else f"[{inner}]"
        if kind == "escape":
            escaped = _escaped(written, self._last)
            return f"[{escaped}]" if written[1] in "wWdDsS" else escaped
        if written == "." and self._marks:
            return f"[^{BOUNDARY}]" if self._dot_is_all[-1] else f"[^\\n{BOUNDARY}]"
        return written


def _refuse(written: str, position: int) -> None:
    for shape, what in _REFUSED:
        if shape.fullmatch(written):
            raise PatternError(
                f"not a pattern that can be used: {written} at position {position} {what}, which patterns here cannot,"
                " so that no text can make one slow"
            )


def _repeat(written: str, position: int) -> str:
    if not written.startswith("{"):
        return written
    least, comma, most = re.match(r"\{(\d*)(,?)(\d*)", written).groups()  # type: ignore[union-attr]  # a token's shape
    if max(int(least or 0), int(most or 0)) > MOST_REPEATS:
        raise PatternError(
            f"not a pattern that can be used: {written} at position {position} repeats more than {MOST_REPEATS:,} times"
        )
    return f"{{{least or 0}{comma}{most}" + written[written.index("}") :]


def _escaped(written: str, last: int) -> str:
    r"""A character, or several, as it stands between brackets or outside: `\w`, `\n`, `\u00e9`, `\pL`, `\.`."""
    letter = written[1]
    if letter in "wWdDsS":
        return _ranges(written, last)
    if letter in "pP" or written.startswith(r"\x{"):
        return written
    if letter == "N":
        try:
            return f"\\x{{{ord(unicodedata.lookup(written[3:-1])):x}}}"
        except KeyError:
            raise PatternError(f"not a regular expression: {written} names no character") from None
    if letter in "xuU":
        return f"\\x{{{written[2:]}}}" if len(written) > 2 else written  # else Python says what is missing
    if letter.isdigit():
        return f"\\x{{{int(written[1:], 8):x}}}"
    if letter == "b":
        return r"\x{8}"
    if letter.isascii() and letter.isalpha():
        if letter not in _SAME_IN_BOTH:
            raise PatternError(f"not a regular expression: bad escape {written}")
        return written
    return f"\\x{{{ord(letter):x}}}"


@lru_cache(maxsize=12)
def _ranges(escape: str, last: int) -> str:
    """The characters up to `last` that Python's `re` means by an escape, as ranges; never the boundary's."""
    known = "".join(map(chr, range(min(last, _LAST_KNOWN) + 1)))
    known = known.replace(BOUNDARY, next(other for other in "0a " if not re.match(escape, other)))
    spans = [(found.start(), found.end() - 1) for found in re.finditer(f"{escape}+", known)]
    if escape.isupper() and last > _LAST_KNOWN:
        spans.append((_LAST_KNOWN + 1, last))
    return "".join(f"\\x{{{first:x}}}-\\x{{{end:x}}}" for first, end in spans)
