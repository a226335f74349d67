"""What is wrong with a configuration, in words for the one who wrote it: YAML's and pydantic's complaints, and hints.

Only wording; the mistakes themselves come from `relay.config.problems` and `relay.config.cross_checks`.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from relay.events.matching import FIELDS, MatchError, UnknownFieldError

QUOTE = "put it in quotes"
YAML_HINTS = (
    (r"^<< is no key", "merge keys belong to YAML 1.1: write the merged keys out here, or put << in quotes"),
    (r"alias|expected alphabetic or numeric", "a value that begins with * or & needs quotes"),
    (r"'\\t'", "indent with blanks, never with tabs"),
    (
        r"cannot start any token|indentation indicators",
        "a value that begins with >, %, @, ! or ` needs quotes",
    ),
    (r"mapping values are not allowed", "indent it like its neighbours; a value with a colon and a blank needs quotes"),
    (r"could not find expected ':'", "a key needs a colon and a blank behind it"),
    (r"end of stream|end of file|document separator", "a quote or a bracket that opens here is never closed"),
    (r"another document", "one document only: no line with --- between sections"),
    (
        r"expected <block end>|expected ',' or|did not find expected",
        "look at the indentation, commas and brackets just above",
    ),
    (r"constructor for the tag", "a value that begins with ! needs quotes"),
    (r"escape", "in double quotes a backslash begins an escape: use single quotes"),
)
"""What YAML says -> what to do."""
_PLAIN = {
    "missing": "is missing",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of names and values",
    "model_type": "must be a mapping of names and values",
    "string_type": "must be text",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "path_type": "must be a path",
    "extra_forbidden": "is not known here",
    "string_pattern_mismatch": "is not written as it must be",
}
_SHAPES = {
    "list_type": "write [a, b], or a line with a dash for each",
    "tuple_type": "write [a, b], or a line with a dash for each",
    "string_type": f"YAML takes it for something else: {QUOTE}",
}


def in_words(found: ErrorDetails, where: Sequence[str | int], model: type[BaseModel]) -> tuple[str, str]:
    """What pydantic found, and a hint; `where` is the path in the document, below `model`."""
    kind = found["type"]
    message = _PLAIN.get(kind) or found["msg"].removeprefix("Value error, ").replace("Input should", "must")
    if kind == "extra_forbidden":
        return message, nearest(str(where[-1]), _keys(model, where[:-1]))
    if kind == "value_error":
        return message, ""
    return message, _SHAPES.get(kind) or _meaning(model, where)


def match_hint(error: MatchError) -> str:
    """What could have been meant by a condition."""
    if not isinstance(error, UnknownFieldError):
        return ""
    close = nearest(error.key, FIELDS)
    return close if close.startswith("did you mean") else f"did you mean payload.{error.key}?"


def yaml_hint(problem: str) -> str:
    """What to do about something that is not YAML."""
    return next((hint for pattern, hint in YAML_HINTS if re.search(pattern, problem)), "")


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like `word`, as a question, else all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"one of {', '.join(known)}" if known else ""


def is_tag(part: str | int) -> bool:
    """Whether pydantic may have put this part into a location itself, for a branch of a union: a key may look so."""
    return isinstance(part, str) and ("[" in part or part in ("str", "int", "float", "bool", "function-before"))


def _meaning(model: type[BaseModel], path: Sequence[str | int]) -> str:
    """The description of the field at `path`."""
    inner = _model_at(model, path[:-1]) if path else None
    fields = {field.alias or name: field for name, field in inner.model_fields.items()} if inner else {}
    field = fields.get(str(path[-1])) if path else None
    return field.description.rstrip(".") if field and field.description else ""


def _keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys that are known at `path` below `model`; a secret may also come from a file."""
    inner = _model_at(model, path)
    if inner is None:
        return []
    keys = [field.alias or name for name, field in inner.model_fields.items()]
    secret = [name for name, field in inner.model_fields.items() if "SecretStr" in str(field.annotation)]
    return keys + [f"{name}_file" for name in secret]


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model at `path`; an index, or a name that the user chose in a mapping, leads to what the container holds."""
    current: Any = model
    for part in path:
        if _is_model(current):
            fields = {field.alias or name: field for name, field in current.model_fields.items()}
            current = _without_none(fields[part].annotation) if part in fields else None
        else:
            current = _without_none(get_args(current)[-1]) if get_args(current) else None
    return current if _is_model(current) else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_none(annotation: Any) -> Any:
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    return choices[0] if get_origin(annotation) in (Union, UnionType) and choices else annotation
