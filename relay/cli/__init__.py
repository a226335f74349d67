"""The command line: one file a command, loaded only when that command is asked for.

`tickstock-relay run` has to be ready within half a second, so a command's module `relay.cli.<name>` is
imported when its name is typed; it holds one click command called `command`.
"""

from __future__ import annotations

import sys

if sys.argv[1:2] == ["run"]:  # before the slower imports: by default these signals end a process
    from relay.process import early_signals

    early_signals.install()

import errno
import gc
import importlib
import io
import os
from importlib.metadata import version
from typing import Any

import click

from relay.process import descriptors

COMMANDS = {
    "run": "Run the relay.",
    "reload": "Have the running relay read its configuration again.",
    "check": "Check the configuration and its tests; --connect tries Redis, the API and each sink.",
    "test-alert": "Send one test alert and its end to a sink.",
    "explain": "Show which routes an event takes, and why not the others.",
    "demo": "A trading afternoon in a minute, on an embedded Valkey.",
    "simulate": "A stand-in TickStockPL: its API and its events, with faults on request.",
    "replay": "Read an archive again: to Redis, to the sinks or to standard output.",
    "outbox": "Events that wait for delivery, and dead letters.",
    "silence": "Mute alerts for a while.",
    "report": "All about one run: what happened, is the day's data usable, what to do.",
    "top": "Live view of the current run, errors, sinks and lag.",
    "status": "What TickStockPL is doing now.",
    "history": "TickStockPL's last runs.",
    "schedule": "Show or change TickStockPL's schedule.",
    "trigger": "Start a run by hand.",
    "cancel": "Cancel the current run.",
    "schema": "JSON schema of the configuration or of an archived event.",
}


class _Lazy(click.Group):
    """A group that knows its commands' names and one-line helps without importing them."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line: what the terminal cannot show is a question mark, what cannot be written one line."""
        descriptors.open_standard()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # None without one, something else in tests
                stream.reconfigure(errors="replace" if stream.errors == "strict" else stream.errors)
        # What was imported never dies, and events hold no cycles and die young: looking through them is work for
        # nothing, and a seventh of a start.
        gc.set_threshold(50_000, 20, 50)
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run what was asked for; a full disk behind standard output is no bug of the program."""
        try:
            from relay.process import logs

            logs.for_commands()
            return super().invoke(ctx)
        except KeyError as error:
            if type(error).__name__ != "ZoneInfoNotFoundError":  # its module is not needed for `--help`
                raise
            why = f"there is no time zone data: {error.args[0]}; install it: pip install --force-reinstall tzdata"
            raise click.ClickException(why) from None
        except OSError as error:
            if error.errno != errno.ENOSPC or ctx.invoked_subcommand == "run":
                raise  # EPIPE is click's business; of the daemon it must be known where
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to write must not fail again
            raise click.ClickException(f"cannot write: {error.strerror}") from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        found = importlib.import_module(f"relay.cli.{cmd_name.replace('-', '_')}").command
        if not isinstance(found, click.Command):
            raise TypeError(f"relay.cli.{cmd_name}.command is not a click command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("tickstock-relay"), prog_name="tickstock-relay")
def main() -> None:
    """TickStock Relay: receives what TickStockPL publishes on Redis and forwards it, losing nothing."""
