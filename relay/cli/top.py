"""`tickstock-relay top`: a live view of a running relay, from its `/api/state`. `relay.cli.board` draws it."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from relay.cli.board import board, fitted, trouble
from relay.cli.options import FILE
from relay.cli.relay_http import DEFAULT_URL, NOT_FOUND, UnreachableError, client_of, fetch, where
from relay.process.terminal import PIPED_WIDTH, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from relay.status.snapshot import Snapshot

QUIT = b"qQ\x03\x04"


@dataclass(slots=True)
class View:
    """What was seen last, and what is wrong now."""

    url: str
    snapshot: Snapshot | None = None
    error: str = ""
    since: float = 0.0

    def lines(self, width: int, height: int) -> Group:
        """The whole screen."""
        shown: list[Text] = []
        if self.error:
            ago = round(time.monotonic() - self.since)
            shown.append(trouble(f" {self.url} does not answer since {ago} s: {self.error}; trying again ", width))
            if self.snapshot is None:
                shown += [Text(), fitted(Text("Is the relay running? `systemctl status tickstock-relay`"), width)]
        if self.snapshot is not None:
            shown += board(self.snapshot, width, height - len(shown) - 1)
            if self.error:
                shown[1:] = [fitted(Text(line.plain, style="dim"), width) for line in shown[1:]]
        shown = shown[: height - 1]
        shown += [Text()] * (height - 1 - len(shown))
        return Group(*shown, fitted(Text("q quits", style="dim"), width))


@click.command()
@click.option("--url", help=f"Address of the relay's own HTTP server.  [default: the config's, else {DEFAULT_URL}]")
@click.option("--config", type=FILE, help="Take address and token from this config.yaml.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds between updates."
)
@click.option("--once", is_flag=True, help="Print one view and end; exit code 1 when the relay does not answer.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole state as one JSON object and end.")
def command(url: str | None, config: Path | None, interval: float, *, once: bool, as_json: bool) -> None:
    """Live view of the current run, errors, alerts, sinks and lag.

    A token is taken from the config, else from the environment variable TICKSTOCK_RELAY_TOKEN.
    """
    found, token = where(url, config)
    with client_of(found, token) as client:
        if once or as_json:
            _print_once(client, as_json=as_json)
        else:
            _watch(client, plain(found), interval)


def _fetch(client: httpx.Client) -> bytes:
    status, body = fetch(client, "/api/state")
    if status == NOT_FOUND:
        raise UnreachableError("it answers HTTP 404")
    return body


def _snapshot(client: httpx.Client) -> Snapshot:
    from relay.status.snapshot import Snapshot

    try:
        return msgspec.json.decode(_fetch(client), type=Snapshot)
    except msgspec.MsgspecError as error:
        raise UnreachableError(f"the answer is not a relay's state: {plain(str(error))}") from None


def _print_once(client: httpx.Client, *, as_json: bool) -> None:
    try:
        if as_json:
            click.echo(msgspec.json.format(_fetch(client), indent=2).decode())
            return
        snapshot = _snapshot(client)
    except (UnreachableError, msgspec.MsgspecError) as error:
        raise click.ClickException(f"{plain(str(client.base_url))}: {error}") from None
    console = Console(highlight=False, markup=False, emoji=False)
    width = console.width if console.is_terminal else PIPED_WIDTH
    for line in board(snapshot, width, 60):
        console.print(line, no_wrap=True, crop=False, soft_wrap=True)


def _watch(client: httpx.Client, url: str, interval: float) -> None:
    """Until q, Ctrl-C or Ctrl-D."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal or console.is_dumb_terminal:
        raise click.UsageError("this terminal cannot show a live view: use --once or --json")
    view = View(url)
    first = view.lines(*console.size)
    stopped = contextlib.suppress(KeyboardInterrupt)
    with stopped, _keys() as pressed, Live(first, console=console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                view.snapshot = _snapshot(client)
                view.error = ""
            except UnreachableError as error:
                view.since = view.since if view.error else time.monotonic()
                view.error = str(error)
            live.update(view.lines(*console.size), refresh=True)
            if pressed(interval):
                return


@contextlib.contextmanager
def _keys() -> Iterator[_Pressed]:
    """Single keys from the terminal, unseen; it is as it was afterwards."""
    if not sys.stdin.isatty():
        yield _Pressed(None)
        return
    import termios  # not everywhere
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield _Pressed(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@dataclass(slots=True)
class _Pressed:
    descriptor: int | None

    def __call__(self, seconds: float) -> bool:
        """Wait for so long; whether somebody wants to quit."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self.descriptor is None:
                time.sleep(left)
            elif select.select([self.descriptor], [], [], left)[0]:
                key = os.read(self.descriptor, 64)
                if not key or any(byte in QUIT for byte in key):
                    return True
        return False
