"""`tickstock-relay reload`: the running relay reads its configuration again, and says what came of it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from relay.cli.running import ask


@click.command(
    help="Have the running relay check its configuration and put it in force; if there is a mistake, or one of its "
    "tests fails, the old one stays in force.\n\nExit code 0 when the new one is in force; 1 when a test fails, a sink"
    " cannot start or no relay runs; 2 when a mistake was found."
)
@click.option("--config", type=click.Path(path_type=Path), help="Only if it runs with this configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON object.")
@click.pass_context
def command(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Ask, and exit by the answer."""
    answer = ask("reload", config)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        from relay.cli.check import print_answer

        print_answer(answer)
        for section in answer.get("restart", []):
            click.echo(f"a change of {section} needs a restart")
        click.echo("reloaded" if answer.get("ok") else "reload refused; the old configuration stays in force", err=True)
    ctx.exit(int(answer.get("exit_code", 1)))
