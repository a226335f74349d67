"""The id of a row of the outbox as people type it and as JSON has it: twelve signs for nineteen digits.

A row's id is the nanoseconds of its acceptance. jq 1.6 and JavaScript round whole numbers of so many digits, so that
each row of a list would get its neighbour's id; text stays as it is.
"""

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LONG = 16
"""So many digits or more are the number itself, as 0.1 printed it: a short id has twelve signs."""


def short_id(row_id: int) -> str:
    """`1738013285000100200` -> `d7d0f2p3x8mw`."""
    signs = ""
    while row_id:
        row_id, digit = divmod(row_id, len(DIGITS))
        signs = DIGITS[digit] + signs
    return signs or "0"


def row_id_of(text: str) -> int:
    """What `short_id` was given; the number itself is taken too.

    Raises:
        ValueError: it is neither.
    """
    if not text.isascii() or not text.isalnum():
        raise ValueError(f"not an id: {text}")
    return int(text) if text.isdecimal() and len(text) >= LONG else int(text, len(DIGITS))
