"""JSON as publishers really write it: `NaN`, lone surrogates, a byte order mark.

The fast decoder is strict. What it refuses, but Python's own `json.dumps` would have written, is read here and made
valid, so that one odd number does not cost an event.
"""

import json
import math
import re
from typing import Any

import msgspec


class NotAnObjectError(ValueError):
    """It is JSON, but a bare string, number, list, true, false or null."""


MOST_DIGITS = 4000
"""Of a whole number: Python refuses to read one of more than 4300, and nobody counts so far."""
_DIGITS = bytes(range(ord("0"), ord("9") + 1))
_DIGITS_ALIKE = bytes.maketrans(_DIGITS, b"0" * 10)
_ENDLESS = b"0" * (MOST_DIGITS + 1)
_decode_any = msgspec.json.Decoder().decode
_NAMES = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
_SURROGATES = re.compile("[\ud800-\udfff]")


def decode_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`.

    Raises:
        NotAnObjectError: `raw` is JSON of another type.
        ValueError: `raw` is not JSON by any reading.
    """
    value = decode_any(raw)
    if type(value) is not dict:
        raise NotAnObjectError(f"it is {_NAMES.get(type(value), 'a number')}, not a JSON object")
    return value


def decode_any(raw: bytes) -> Any:
    """The JSON value in `raw`.

    Raises:
        ValueError: `raw` is not JSON by any reading.
    """
    try:
        return decode_leniently(raw) if has_endless_number(raw) else _decode_any(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return decode_leniently(raw)


def has_endless_number(raw: bytes) -> bool:
    """Whether more than `MOST_DIGITS` digits stand in a row, in a text or not; costs a look only where they fit in."""
    return len(raw) > MOST_DIGITS and _ENDLESS in raw.translate(_DIGITS_ALIKE)


def decode_leniently(raw: bytes) -> Any:
    """Any JSON value: `NaN`, infinities and endless numbers become null, lone surrogates the replacement character.

    Raises:
        ValueError: not JSON (RecursionError, nested too deep, is turned into it).
    """
    try:
        value = json.loads(raw.decode("utf-8-sig"), parse_constant=_none, parse_float=_finite, parse_int=_whole)
        return _without_surrogates(value)
    except RecursionError as deep:
        raise ValueError("nested too deep") from deep


def _none(_: str) -> None:
    """`NaN` and the infinities are no numbers."""


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _whole(text: str) -> int | None:
    return int(text) if len(text.lstrip("-")) <= MOST_DIGITS else None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
