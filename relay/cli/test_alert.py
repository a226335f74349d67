"""`tickstock-relay test-alert`: see that alerts arrive, with one test incident and its end."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay.cli.options import FILE, loaded
from relay.process.operations import who_am_i
from relay.process.terminal import plain

if TYPE_CHECKING:
    from relay.check.test_alert import Sent

SEVERITIES = ("warning", "error", "critical")


@click.command(
    help="Send one test incident and its end to SINK, or to every sink that alerts people.\n\n"
    "It is marked as a test, and goes straight to the sink: past routes, silences and the outbox, whether the relay"
    " runs or not. Exit code 1 when a sink does not take it."
)
@click.argument("sink", nargs=-1)
@click.option(
    "--severity",
    type=click.Choice(SEVERITIES),
    default=SEVERITIES[0],
    show_default=True,
    help="How bad it claims to be: with critical you see the sink's mentions, too.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 60),
    metavar="SECONDS",
    default=3.0,
    show_default=True,
    help="How long after its beginning the end is sent.",
)
@click.option("--config", "path", type=FILE, default="config.yaml", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, sink: tuple[str, ...], severity: str, wait: float, path: Path, as_json: bool) -> None:
    """Send it, then say what came of it."""
    import uvloop

    from relay.check.test_alert import NoSinkError
    from sinks.base import SinkError

    try:
        found = uvloop.run(_send(path, sink, severity, wait))
    except (NoSinkError, SinkError) as wrong:
        raise click.UsageError(plain(str(wrong))) from None
    works = all(each.works for each in found)
    if as_json:
        click.echo(json.dumps({"ok": works, "sinks": [asdict(each) for each in found]}, indent=2))
    else:
        for each in found:
            where = "" if each.works else f"not taken ({each.step}): "
            label = "ok" if each.works else "failed"
            click.echo(f"{label:<12}{plain(f'{each.sink}: {where}{each.detail}')}")
    ctx.exit(int(not works))


async def _send(path: Path, sinks: tuple[str, ...], severity: str, wait: float) -> list[Sent]:
    from relay.check.test_alert import send_test_alert
    from relay.events import SEVERITIES as BY_LABEL

    sender = f"{who_am_i()} on {socket.gethostname()}"
    return await send_test_alert(loaded(path), sinks, BY_LABEL[severity], sender, wait)
