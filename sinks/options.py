"""How a sink's options are written in config.yaml: durations, sizes and secrets.

A sink's options are one pydantic model; unknown keys are refused, and a secret may come from a file.
"""

import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, WithJsonSchema, model_validator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mb": 1 << 20}
_BYTES |= {"mib": 1 << 20, "g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)")


def parse_duration(value: object) -> object:
    """Seconds from `30s`, `5m`, `1h30m`, `400d`, or a number of seconds.

    Raises:
        ValueError: text that is no duration, a truth value, infinity.
    """
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{value!r} is not a duration such as 30s, 5m, 1h30m or 400d")
    if not isinstance(value, str):
        return value
    parts = _QUANTITY.findall(value)
    if not parts or _QUANTITY.sub("", value).strip() or any(unit not in _SECONDS for _, unit in parts):
        raise ValueError(f"{value!r} is not a duration such as 30s, 5m, 1h30m or 400d")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_size(value: object) -> object:
    """Bytes from `64MB`, `1GiB` (both powers of two) or a number of bytes.

    Raises:
        ValueError: text that is no size, or a truth value.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a size such as 512KB, 64MB or 1GB")  # noqa: TRY004 - pydantic wants this one
    if not isinstance(value, str):
        return value
    match = _QUANTITY.fullmatch(value.strip())
    if match is None or match[2].lower() not in _BYTES:
        raise ValueError(f"{value!r} is not a size such as 512KB, 64MB or 1GB")
    return int(float(match[1]) * _BYTES[match[2].lower()])


def known_zone(name: str) -> str:
    """The name of a time zone, as it is.

    Raises:
        ValueError: this machine knows none of that name.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a valid time zone on this machine, such as America/New_York") from None
    return name


_DURATION_TEXT = {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*)+$"}
_SIZE_TEXT = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([bB]|[kKmMgG]([iI]?[bB])?)?\s*$"}

Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"anyOf": [{"type": "number"}, _DURATION_TEXT]})
]
"""Seconds; written `30s`, `5m`, `1h30m`, `400d`."""
Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema({"anyOf": [{"type": "integer"}, _SIZE_TEXT]})]
"""Bytes; written `512KB`, `64MB`, `1GB`."""


class FileSecret(SecretStr):
    """A secret out of a named file."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            OSError: it cannot be read.
            UnicodeDecodeError: it is no text.
        """
        super().__init__(_content(path))
        self.path = path


def current_secret(secret: SecretStr) -> str:
    """The secret as its file has it now; as it was read first where it has none, or it cannot be read."""
    if isinstance(secret, FileSecret):
        with suppress(OSError, UnicodeDecodeError):
            return _content(secret.path)
    return secret.get_secret_value()


def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


class Options(BaseModel):
    """Base of every part of the config: unknown keys are errors, values fixed once read.

    For each secret field `x` the config may say `x_file: PATH`; the file's content, stripped, is the secret. A key with
    nothing behind it (all lines below it commented out) is as good as left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    def writes_to(self) -> Path | None:
        """The file that a sink with these options writes, which no other may write; None: it writes none."""
        return None

    def publishes_to(self) -> str | None:
        """The Redis channel that a sink with these options publishes to, which the relay must not subscribe to."""
        return None

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        usual = {f.alias or name: f for name, f in cls.model_fields.items() if not f.is_required()}
        read = {name: value for name, value in values.items() if value is not None or name not in usual}
        for name, field in cls.model_fields.items():
            path = read.pop(f"{name}_file", None) if "SecretStr" in str(field.annotation) else None
            if path is None:
                continue
            if name in read:
                raise ValueError(f"give {name} or {name}_file, not both")
            read[name] = _secret_in(Path(str(path)), f"{name}_file")
        return read


def _secret_in(path: Path, key: str) -> SecretStr:
    try:
        return FileSecret(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{key}: cannot read {path}: {why}") from None
