"""`tickstock-relay cancel`: cancel the run that is going on."""

from __future__ import annotations

import click

from relay.cli.api import Api, api_options
from relay.cli.recording import recorded
from relay.process.terminal import fact_table, plain
from relay.tickstockpl.models import REFUSALS


@click.command(help="Cancel the current run.\n\nExit code 1 when TickStockPL refuses.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@api_options
def command(api: Api, yes: bool) -> None:
    """Ask the user, then TickStockPL, and show what it said."""
    api.confirm(f"Cancel the current run on {api.url}?", yes=yes)
    with recorded("cancel", config=api.config) as record:
        cancelled = api.ask(lambda client: client.cancel())
        api.show(
            cancelled,
            fact_table({"run": cancelled.run_id, "status": cancelled.status, "message": cancelled.message}),
        )
        answer = cancelled.message or cancelled.status
        if (cancelled.status or "").lower() in REFUSALS:
            raise click.ClickException(plain(f"TickStockPL did not cancel: {answer}"))
        record.answer = f"run {cancelled.run_id or 'not named'}: {answer or 'no answer'}"
