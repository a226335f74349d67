"""Text of others made harmless for a line: nothing here needs `rich`, which a daemon does without."""

import unicodedata


def plain(text: str) -> str:
    """One line of `text` without control, format and surrogate characters: nothing that steers a terminal."""
    one_line = " ".join(text.split())
    if one_line.isascii() and one_line.isprintable():
        return one_line
    return "".join(sign for sign in one_line if not unicodedata.category(sign).startswith("C"))
