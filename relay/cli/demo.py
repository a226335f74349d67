"""`tickstock-relay demo`: a trading day in a minute, with every real part; what plays is in `relay.demo`."""

import asyncio
import math
import sys

import click


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long the day may take, in real seconds.")
def command(seconds: float) -> None:
    """A whole trading day in a minute, on an embedded Valkey.

    A good run, an error burst, a run that never starts: published by a stand-in TickStockPL, heard by the real relay,
    told to a stand-in Slack and a stand-in web app. The clock is fast, the rest is as in production. Everything is
    written below ./demo-run/ and kept.

    Exit code 0 when all that must come of it did, 1 when not: what is missing is said.
    """
    from rich.console import Console  # noqa: PLC0415 - this command only

    from relay.demo.performance import perform  # noqa: PLC0415
    from relay.demo.stage import StageError  # noqa: PLC0415
    from relay.demo.story import LEAST_SECONDS  # noqa: PLC0415

    if not LEAST_SECONDS <= seconds < math.inf:
        raise click.UsageError(f"a day needs at least {LEAST_SECONDS} seconds, not {seconds:g}")
    try:
        complete = asyncio.run(perform(seconds, Console(highlight=False, markup=False, emoji=False)))
    except (StageError, OSError) as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0 if complete else 1)
