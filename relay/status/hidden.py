"""What is shown without secrets: every text in it, wherever it stands, so that no page can show one. Pure."""

from collections.abc import Callable
from enum import Enum
from typing import TypeVar, cast

import msgspec

T = TypeVar("T")
Hide = Callable[[str], str]


def without_secrets(value: T, hide: Hide) -> T:
    """A struct, list, dictionary or text with each text as `hide` gives it: the same object where none changed."""
    hidden: object = value
    if isinstance(value, str) and not isinstance(value, Enum):  # those are words of our own
        hidden = hide(value)
    elif isinstance(value, list):
        items = [without_secrets(item, hide) for item in value]
        if any(item is not before for item, before in zip(items, value, strict=True)):
            hidden = items
    elif isinstance(value, dict):
        hidden = _changed(value, hide) or value
    elif isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {name: after for name, item in fields.items() if (after := without_secrets(item, hide)) is not item}
        hidden = msgspec.structs.replace(value, **changed) if changed else value
    return cast("T", hidden)


def _changed(values: dict[str, object], hide: Hide) -> dict[str, object] | None:
    """The dictionary with what is hidden, also for what its key says; None when nothing is."""
    hidden = {name: _of_field(name, item, hide) for name, item in values.items()}
    return hidden if any(hidden[name] is not item for name, item in values.items()) else None


def _of_field(name: str, value: object, hide: Hide) -> object:
    """The value of a field, whose name may say that it is a secret."""
    if not isinstance(value, str):
        return without_secrets(value, hide)
    shown = hide(f"{name}={value}").partition("=")[2]
    return value if shown == value else shown
