"""Substitution in texts of many megabytes, in short steps.

Python's `re` holds the interpreter's lock while it looks through a text: one call over 15 MB would keep the event loop
waiting, also when a thread makes it. So a long text is looked through a window at a time.
"""

import re
from collections.abc import Callable, Iterator

WINDOW = 1 << 16
"""Characters among which one step looks for a match to begin."""
REACH = 1 << 15
"""Characters beyond the window that a match is seen with at first; the longest bounded rule takes half as many."""
RUN = 1 << 17
"""Characters among which a blank or quote is looked for to end at: some rules go up to the last `@` of a run."""
EDGE = 64
"""A match that ends so close to the end of what was seen is looked at again with more: it might go on."""


_END_OF_RUN = re.compile(r"""[\s"'<>]""")


def substituted(
    pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str], text: str, window: int = WINDOW
) -> str:
    """What `pattern.sub(replacement, text)` gives, for patterns that cannot match the empty text.

    A match is at most `REACH` long, or goes on greedily over what it repeats.
    """
    if len(text) <= window + REACH:
        return pattern.sub(replacement, text)
    pieces: list[str] = []
    kept = 0
    put = _putting(replacement)
    for match in _matches(pattern, text, window):
        pieces += (text[kept : match.start()], put(match))
        kept = match.end()
    return "".join([*pieces, text[kept:]]) if pieces else text


def _putting(replacement: str | Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
    if callable(replacement):
        return replacement
    before, first, behind = replacement.partition(r"\g<1>")
    if first and not before and "\\" not in behind:  # most rules; four times as fast as `expand`
        return lambda match: match[1] + behind
    return lambda match: match.expand(replacement)


def _matches(pattern: re.Pattern[str], text: str, window: int) -> Iterator[re.Match[str]]:
    """All matches that are not empty, one after the other."""
    at = 0
    while at < len(text):
        until = at + window
        end = _end_of_run(text, until + REACH)
        for found in pattern.finditer(text, at, end):
            if found.start() >= until:
                break
            if found.end() > end - EDGE and end < len(text):
                match = _seen_whole(pattern, text, found, end)
                if match is not None:
                    yield match
                    until = match.end()
                break
            if found.end() > found.start():
                yield found
                at = found.end()
        at = max(at, until)


def _seen_whole(pattern: re.Pattern[str], text: str, found: re.Match[str], end: int) -> re.Match[str] | None:
    """The match that begins as `found`, for which more than up to `end` is looked at."""
    match: re.Match[str] | None = found
    while match and match.end() > end - EDGE and end < len(text):
        end = _end_of_run(text, end + (end - found.start()))  # twice as much
        match = pattern.match(text, found.start(), end)
    return match


def _end_of_run(text: str, end: int) -> int:
    """Where the run of characters around `end` ends, if that is not far."""
    found = _END_OF_RUN.search(text, end, end + RUN)
    return found.end() if found else end + RUN
