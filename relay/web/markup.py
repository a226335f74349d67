"""HTML and SVG, safe by construction: every text is escaped unless it is markup already. No templates, no state."""

import html
import re
from collections.abc import Iterable

Child = object
"""Text, a number, `Html`, None (nothing), or a list of these."""

_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control characters, and those that hide text or turn its direction round."""
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Html(str):
    """Text that is markup: made here only, by `tag` and `markup`."""

    __slots__ = ()


def markup(*children: Child) -> Html:
    """The children one after the other; what is no `Html` is escaped."""
    return Html("".join(map(_one, children)))


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element. `class_` is `class`, `aria_label` is `aria-label`; None and False leave an attribute out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{markup(*children)}</{name}>")


def wired(text: object) -> Html:
    """Text from the wire: escaped, and kept from turning the direction of what stands around it."""
    return tag("bdi", text)


def _one(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, Iterable) and not isinstance(child, str):
        return "".join(map(_one, child))
    return html.escape(_UNSEEN.sub("\ufffd", str(child)), quote=True)


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_one(str(value))}"'
