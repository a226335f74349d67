"""What the commands that talk to TickStockPL's API share: where it is, asking it, and saying what went wrong.

Exit codes: 1 when the API failed or refused, 2 when the command or the configuration is wrong.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from relay.cli.options import FILE, BadConfig, loaded
from relay.process.terminal import console, plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rich.console import RenderableType

    from relay.tickstockpl.client import TickStockPL

DEFAULT_URL = "http://localhost:8080"
DEFAULT_TIMEOUT = 5.0
TOKEN_VARIABLE = "TICKSTOCKPL_TOKEN"  # noqa: S105 - the variable's name

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Api:
    """Where TickStockPL's API is, how to ask it (timeout in seconds) and how to show what it says."""

    base_url: str
    token: str | None = field(repr=False)
    timeout: float
    as_json: bool
    config: Path | None = None
    """What the user named."""

    def ask(self, question: Callable[[TickStockPL], Awaitable[T]]) -> T:
        """The answer to one question.

        Raises:
            click.ClickException: the API failed (exit code 1).
            BadConfig: base URL or token cannot be used (exit code 2).
        """
        from relay.tickstockpl.errors import ApiError

        async def asked() -> T:
            async with self._client() as client:
                return await question(client)

        try:
            return asyncio.run(asked())
        except ApiError as failed:
            raise click.ClickException(plain(str(failed))) from failed

    @property
    def url(self) -> str:
        """The base URL as it may be shown: without user and password."""
        return plain(self._client().url)

    def show(self, facts: object, picture: RenderableType) -> None:
        """Print `facts` as JSON if `--json` was given, else `picture` for people."""
        if self.as_json:
            click.echo(json.dumps(msgspec.to_builtins(facts), indent=2))
        else:
            console().print(picture)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask on standard error, unless `--yes` was given; no ends the command with exit code 1."""
        if not yes:
            click.confirm(plain(question), abort=True, err=True)

    def _client(self) -> TickStockPL:
        from relay.tickstockpl.client import TickStockPL

        try:
            return TickStockPL(self.base_url, token=self.token, timeout=self.timeout)
        except ValueError as wrong:
            raise BadConfig(str(wrong)) from None


def api_options(body: Callable[..., None]) -> Callable[..., None]:
    """`--config`, `--base-url` and `--json` for a command; its function gets them as one `Api`."""

    @click.option("--config", type=FILE, help="Take base URL, token and timeout from this config.yaml.")
    @click.option(
        "--base-url",
        metavar="URL",
        help=f"Address of the API; overrides the config's. [env: TICKSTOCKPL_BASE_URL; default: {DEFAULT_URL}]",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @functools.wraps(body)
    def with_api(config: Path | None, base_url: str | None, as_json: bool, **given: Any) -> None:
        body(_found_api(config, base_url, as_json=as_json), **given)

    return with_api


def _found_api(config: Path | None, base_url: str | None, *, as_json: bool) -> Api:
    """What was typed goes before the config file, and that before the environment."""
    if config is None:
        url = base_url or os.environ.get("TICKSTOCKPL_BASE_URL") or DEFAULT_URL
        return Api(url, os.environ.get(TOKEN_VARIABLE) or None, DEFAULT_TIMEOUT, as_json)
    settings = loaded(config, only=("tickstockpl",)).tickstockpl
    token = settings.token.get_secret_value() if settings.token else None
    return Api(base_url or settings.base_url, token, settings.timeout, as_json, config)
