"""Conditions on the command line: `event=error`, `severity>=error`, `channel=~^relay:`, as in a route's match."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from relay.process.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.events import Event

MATCHERS = "FIELD=TEXT, FIELD=~REGEX, FIELD!=TEXT, FIELD>=NUMBER and so on, as in a route's match"
_MATCHER = re.compile(r"\s*([^\s=<>!]+)\s*(=~|>=|<=|!=|>|<|=)\s*(.*?)\s*", re.DOTALL)


def read_matchers(texts: tuple[str, ...]) -> dict[str, Any]:
    """A match as in config.yaml.

    Raises:
        click.BadParameter: a text is no matcher, or two are about one field.
    """
    match: dict[str, Any] = {}
    for text in texts:
        found = _MATCHER.fullmatch(text)
        if found is None:
            raise click.BadParameter(f"{plain(text)!r} is not a valid matcher: write {MATCHERS}")
        field, sign, value = found.groups()
        if field in match:
            raise click.BadParameter(f"two matchers name the field {plain(field)}")
        match[field] = value if sign == "=" else f"{sign}{value}"
    return match


def matching(match: dict[str, Any]) -> Callable[[Event], bool]:
    """The match as a predicate.

    Raises:
        click.BadParameter: a field or a test that does not exist.
    """
    from relay.config.messages import match_hint
    from relay.events.matching import MatchError, predicate

    try:
        return predicate(match)
    except MatchError as error:
        raise click.BadParameter(plain("; ".join(filter(None, (str(error), match_hint(error)))))) from None
