"""Asking the running relay at its control socket, for the commands that do."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import click

from relay.process.operations import who_am_i

RUNTIME_DIRECTORY = "/run/tickstock-relay"
TIMEOUT = 60.0
"""Seconds for an answer: a reload starts sinks."""


def ask(verb: str, config: Path | None, *, timeout: float = TIMEOUT, **more: Any) -> dict[str, Any]:
    """The running relay's answer; `config` is what the user named, and must be the relay's own.

    `timeout` is in seconds; `more` goes into the request.

    Raises:
        click.ClickException: no relay answers.
    """
    request = {"verb": verb, "who": who_am_i(), **more} | ({"config": os.path.realpath(config)} if config else {})
    tried: list[str] = []
    for path in places(config):
        try:
            return _asked(path, request, timeout)
        except OSError as error:
            tried.append(f"{path} ({error.strerror or error})")
        except ValueError:
            tried.append(f"{path} (it ended before its answer)")
    raise click.ClickException(f"no running relay answers at {', '.join(tried)}")


def places(config: Path | None) -> list[Path]:
    """Where a relay may listen, likeliest first."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if given:
        return [Path(given) / "control.sock"]
    return [Path(RUNTIME_DIRECTORY) / "control.sock", _state_directory(config or Path("config.yaml")) / "control.sock"]


def _state_directory(config: Path) -> Path:
    """By a configuration that may have mistakes, or not be there: then by default."""
    from relay.config.load import ConfigError, load
    from relay.config.settings import Settings

    try:
        return load(config, only=("state_dir",)).state_dir
    except ConfigError:
        default: Path = Settings.model_fields["state_dir"].default
        return default


def _asked(path: Path, request: dict[str, Any], timeout: float) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as answer:
            found = json.loads(answer.readline())
    if not isinstance(found, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - as for no JSON at all
    return found
