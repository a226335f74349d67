"""Substitution in texts of many megabytes, in short steps.

Python's `re` holds the interpreter's lock while it looks through a text: one call over 15 MB would keep the event loop
waiting, also when a thread makes it. So a long text is looked through a window at a time.
"""

import re
from collections.abc import Callable

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
    """What `pattern.sub(replacement, text)` gives, for patterns that cannot match the empty text."""
    if len(text) <= window + REACH:
        return pattern.sub(replacement, text)
    pieces: list[str] = []
    at = kept = 0
    while at < len(text):
        match = _first(pattern, text, at, window)
        if match is None or match.end() == match.start():
            at = at + window if match is None else match.end() + 1
            continue
        pieces += (text[kept : match.start()], replacement(match) if callable(replacement) else match.expand(replacement))
        at = kept = match.end()
    return "".join([*pieces, text[kept:]]) if pieces else text


def _first(pattern: re.Pattern[str], text: str, at: int, window: int) -> re.Match[str] | None:
    """The first match that begins in the window from `at` on, seen whole."""
    end = _end_of_run(text, at + window + REACH)
    match = pattern.search(text, at, end)
    if match is None or match.start() >= at + window:
        return None
    while match.end() > end - EDGE and end < len(text):
        end = _end_of_run(text, end + (end - at))  # twice as much
        match = pattern.search(text, match.start(), end)
        if match is None:
            return None
    return match


def _end_of_run(text: str, end: int) -> int:
    """Where the run of characters around `end` ends, if that is not far."""
    found = _END_OF_RUN.search(text, end, end + RUN)
    return found.start() if found else end + RUN
