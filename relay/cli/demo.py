"""`tickstock-relay demo`: a trading afternoon in a minute, with every real part: see `tickstock_simulator.demo`."""

import asyncio
import math
import signal
import sys

import click

PIPE_CLOSED = 128 + signal.SIGPIPE
"""What shells show of a program that SIGPIPE ended, and say nothing about."""


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long it may take, in real seconds.")
@click.option(
    "--keep-open", is_flag=True, help="At the end, leave pages, metrics and the stand-in Slack up until Ctrl-C."
)
def command(seconds: float, *, keep_open: bool) -> None:
    """A trading afternoon in a minute, on an embedded Valkey.

    A good run, an error burst, a run that never starts: published by a stand-in TickStockPL, received by the real
    relay, sent to a stand-in Slack and a stand-in web app. The clock is fast, the rest is as in production. Everything
    is written below ./demo-run/ and kept.

    Exit code 0 when all that must come of it did, 1 when not (what is missing is said) or when it was interrupted, 141
    when nobody reads its output any more.
    """
    from rich.console import Console

    from tickstock_simulator.demo.performance import Performance, fresh_directory
    from tickstock_simulator.demo.stage import StageError
    from tickstock_simulator.demo.story import LEAST_SECONDS

    if not LEAST_SECONDS <= seconds < math.inf:
        raise click.UsageError(f"the demo needs at least {LEAST_SECONDS} seconds, not {seconds:g}")
    console = Console(highlight=False, markup=False, emoji=False)
    performance = Performance(seconds, fresh_directory(), console, keep_open=keep_open)
    try:
        complete = asyncio.run(performance.run())
    except (StageError, OSError) as error:
        raise click.ClickException(str(error)) from None
    if performance.unread:
        sys.exit(PIPE_CLOSED)
    sys.exit(0 if complete else 1)
