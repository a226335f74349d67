"""What commands share in their options: the configuration, read in one way, and durations."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay.process.plain_text import plain

if TYPE_CHECKING:
    from relay.config.problems import ConfigError
    from relay.config.settings import Settings

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

config_of_store = click.option(
    "--config",
    type=FILE,
    default="config.yaml",
    show_default=True,
    help="The relay's configuration, for its state directory.",
)
"""For commands that work on the relay's store."""


class BadConfig(click.ClickException):
    """The configuration is wrong: exit code 2, as for wrong usage."""

    exit_code = 2


def loaded(config: Path, *, only: Collection[str] | None = None) -> Settings:
    """The configuration, or those sections of it.

    Raises:
        BadConfig: it cannot be read, or has mistakes.
    """
    from relay.config.load import ConfigError, load

    try:
        return load(config, only=only)
    except ConfigError as wrong:
        raise BadConfig(in_lines(wrong)) from wrong


def in_lines(wrong: ConfigError) -> str:
    """Each mistake in a line of its own; what a key or value holds does not steer the terminal."""
    first, *others = str(wrong).splitlines()
    return "\n".join([plain(first), *(f"  {plain(line)}" for line in others)])


def duration(_context: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    """`2h`."""
    try:
        return None if value is None else _span(value)
    except (ValueError, OverflowError):
        raise click.BadParameter("must be a duration such as 30m, 2h or 1d") from None


def moment(value: str, now: datetime, *, ahead: bool) -> datetime:
    """A time (naive: UTC), or a duration: so long ahead of `now`, or before it.

    Raises:
        click.BadParameter: it is neither.
    """
    with suppress(ValueError, OverflowError):
        return now + _span(value) if ahead else now - _span(value)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("must be a time such as 2025-01-27T21:10Z, or a duration such as 2h") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _span(text: str) -> timedelta:
    from sinks.options import parse_duration

    return timedelta(seconds=float(str(parse_duration(text))))
