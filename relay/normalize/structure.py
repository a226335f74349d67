"""How much structure is in a JSON text: how deep it nests and how many values it has, without decoding it.

Linear in its length, with the memory of one piece; each step is short, so that a worker thread lets the loop run.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

PIECE = 1 << 16
"""Bytes that are looked at in one step: a few milliseconds at most, whatever is in them."""
_STEPS = (-1, 1)
_AS_STEP = bytes.maketrans(b"{[}]", b"\1\1\0\0")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{[}]"))


class Structure(NamedTuple):
    """`depth` is how deep brackets nest; `values` at least how many values there are, each list and object included."""

    depth: int
    values: int


def structure_of(data: bytes) -> Structure:
    """The structure of `data`, what stands inside texts not counted; exact for JSON."""
    depth = deepest = opened = commas = 0
    for outside in _outside_texts(data):
        commas += outside.count(b",")
        brackets = outside.translate(_AS_STEP, _NO_BRACKETS)
        if brackets:
            deepest = max(deepest, *accumulate(map(_STEPS.__getitem__, brackets), initial=depth))
            opens = brackets.count(1)
            opened += opens
            depth += 2 * opens - len(brackets)
    return Structure(deepest, opened + commas)


def depth_of(data: bytes) -> int:
    """How deep brackets nest in `data`."""
    return structure_of(data).depth


def _outside_texts(data: bytes) -> Iterator[bytes]:
    """What stands outside of texts, a piece at a time."""
    inside, at = False, 0
    while at < len(data):
        piece = data[at : at + PIECE]
        at += len(piece)
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # an escape is not cut in two
            piece += data[at : at + 1]
            at += 1
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = piece.split(b'"')
        yield b"".join(parts[inside::2])
        inside ^= len(parts) % 2 == 0
