"""`tickstock-relay trigger`: start a run by hand."""

from __future__ import annotations

import click

from relay.cli.api import Api, api_options
from relay.cli.recording import recorded
from relay.process.terminal import fact_table, plain


def _split(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> list[str]:
    return [phase for text in value for phase in text.replace(",", " ").split()]


@click.command(help="Start a run by hand.\n\nExit code 1 when TickStockPL refuses or does not name the new run.")
@click.option("--skip-market-check", is_flag=True, help="Run although the market is closed.")
@click.option(
    "--phases", multiple=True, callback=_split, metavar="PHASE[,PHASE…]", help="Only these phases. [default: all]"
)
@click.option("--universe", help="Symbols to process. [default: TickStockPL's own]")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@api_options
def command(api: Api, skip_market_check: bool, phases: list[str], universe: str | None, yes: bool) -> None:
    """Ask the user, then TickStockPL, and say which run began."""
    what = f"phases {', '.join(phases) or 'all'}, universe {universe or 'as configured there'}"
    check = "no market check" if skip_market_check else "with market check"
    api.confirm(f"Start a run on {api.url} ({what}, {check})?", yes=yes)
    words = ["--skip-market-check"] * skip_market_check + [f"--phases={','.join(phases)}"] * bool(phases)
    with recorded("trigger", [*words, *([f"--universe={universe}"] if universe else [])], api.config) as record:
        started = api.ask(
            lambda client: client.trigger(skip_market_check=skip_market_check, phases=phases, universe=universe)
        )
        api.show(started, fact_table({"run": started.run_id, "status": started.status, "message": started.message}))
        answer = started.message or started.status or "nothing"
        if not started.is_confirmed:
            raise click.ClickException(plain(f"TickStockPL did not confirm a new run; it answered: {answer}"))
        record.answer = f"run {started.run_id}: {answer}"
