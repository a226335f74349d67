"""Asking a relay over HTTP, for `top` and `report`: where it is, its token, and what went wrong in one line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from relay.cli.options import loaded
from relay.process.terminal import plain

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

DEFAULT_URL = "http://127.0.0.1:9108"
TOKEN_VARIABLE = "TICKSTOCK_RELAY_TOKEN"  # noqa: S105 - the variable's name
TIMEOUT = 2.0
UNAUTHORIZED, NOT_FOUND = 401, 404


class UnreachableError(Exception):
    """The relay does not answer; one line for people."""


def where(url: str | None, config: Path | None) -> tuple[str, str | None]:
    """Address and token: what was typed goes before the config file, and that before the environment.

    Raises:
        BadConfig: the config cannot be used.
    """
    token = os.environ.get(TOKEN_VARIABLE) or None
    if config is None:
        return (url or DEFAULT_URL).rstrip("/"), token
    http = loaded(config, only=("http",)).http
    host, port = http.address
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what the config may say
    at = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return (url or at).rstrip("/"), http.token.get_secret_value() if http.token else token


def client_of(url: str, token: str | None) -> httpx.Client:
    """A client for that relay; use it in a `with`."""
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False)
    except (httpx.InvalidURL, ValueError) as wrong:
        raise click.UsageError(f"--url {plain(url)}: {plain(str(wrong))}") from None


def fetch(client: httpx.Client, path: str) -> tuple[int, bytes]:
    """Status and body: 200, or 404 for what the relay does not know.

    Raises:
        UnreachableError: it does not answer, or refuses.
    """
    import httpx

    try:
        answer = client.get(path)
    except httpx.TimeoutException:
        raise UnreachableError(f"no answer within {TIMEOUT:.0f} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise UnreachableError(plain(str(error)) or type(error).__name__) from None
    if answer.status_code == UNAUTHORIZED:
        raise UnreachableError(f"it asks for a token: give --config or set {TOKEN_VARIABLE}")
    if not answer.is_success and answer.status_code != NOT_FOUND:
        raise UnreachableError(f"it answers HTTP {answer.status_code}")
    return answer.status_code, answer.content
