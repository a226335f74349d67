"""A snapshot without secrets: every text in it, wherever it stands, so that no page can show one. Pure."""

from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

T = TypeVar("T")


def without_secrets(value: T, hide: Callable[[str], str]) -> T:
    """`value`, a struct, list or text, with each text as `hide` gives it: the same object when nothing changed."""
    hidden: object = value
    if isinstance(value, str):
        hidden = hide(value)
    elif isinstance(value, list):
        items = [without_secrets(item, hide) for item in value]
        if any(item is not before for item, before in zip(items, value, strict=True)):
            hidden = items
    elif isinstance(value, msgspec.Struct):
        changed = {}
        for name in value.__struct_fields__:
            before = getattr(value, name)
            after = without_secrets(before, hide)
            if after is not before:
                changed[name] = after
        if changed:
            hidden = msgspec.structs.replace(value, **changed)
    return cast("T", hidden)
