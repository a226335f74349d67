"""`tickstock-relay report`: all that is known of one run, as its page shows it, in 80 columns.

Asked of the running relay; when it does not answer, out of its store.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import msgspec

from relay.cli.options import FILE, loaded
from relay.cli.relay_http import DEFAULT_URL, UnreachableError, client_of, fetch, where
from relay.cli.report_lines import WIDTH, report_lines
from relay.cli.store import store_in
from relay.process.terminal import console, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from relay.status.run_report import NoReport, RunReport
    from relay.status.sources import Sources

DAYS = {"today": 0, "yesterday": 1}
SHORT_ID = 8
"""Signs of a run's id that are shown, and are enough to name it."""
DEFAULT_CONFIG = Path("config.yaml")


@dataclass(frozen=True, slots=True)
class _Answer:
    """A report or why there is none; `stored` when it is what a relay had stored that is not running."""

    report: RunReport | NoReport
    stored: datetime | None = None


@click.command(
    help="All about one run: what happened, whether the day's data is usable, what to do. WHAT is today (default),"
    " yesterday, a date, or a run's id or its first 8 signs.\n\nExit code 1 when nothing is known of that day or run."
)
@click.argument("what", default="today")
@click.option("--url", help=f"Address of the relay's own HTTP server.  [default: the config's, else {DEFAULT_URL}]")
@click.option(
    "--config",
    type=FILE,
    help="Take address, token and state directory from this config.yaml.  [default: ./config.yaml, if it is there]",
)
@click.option("--events", type=click.Choice(["milestones", "all"]), default="milestones", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as one JSON object.")
@click.pass_context
def command(ctx: click.Context, what: str, url: str | None, config: Path | None, events: str, *, as_json: bool) -> None:
    """Ask the relay, or read its store; print the report."""
    from relay.status.run_report import RunReport

    config = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    answer = _answer(what, url, config)
    report = answer.report
    if as_json:
        facts = report.facts() if isinstance(report, RunReport) else msgspec.to_builtins(report)
        click.echo(json.dumps(facts, indent=2))
    elif isinstance(report, RunReport):
        out = console()
        for line in report_lines(report, stored=answer.stored, all_events=events == "all"):
            out.print(line, width=WIDTH, no_wrap=True, crop=False, soft_wrap=True)
    else:
        click.echo(plain(f"nothing is known of {report.asked}: {report.reason}"), err=True)
        if report.archive_command:
            click.echo(f"In the archive: {report.archive_command}", err=True)
    ctx.exit(0 if isinstance(report, RunReport) else 1)


def _answer(what: str, url: str | None, config: Path | None) -> _Answer:
    address, token = where(url, config)
    try:
        with client_of(address, token) as client:
            return _Answer(_asked(client, what))
    except UnreachableError as error:
        if config is None:
            remedy = "is it running? --config shows what it has stored"
            raise click.ClickException(f"{plain(address)}: {error}; {remedy}") from None
        return _out_of_store(what, config)


def _asked(client: httpx.Client, what: str) -> RunReport | NoReport:
    from relay.status.run_report import NoReport, RunReport
    from relay.status.snapshot import Snapshot

    try:
        _, body = fetch(client, "/api/state")
        snapshot = msgspec.json.decode(body, type=Snapshot)
        ids = [run.run_id for run in (*snapshot.running, *snapshot.runs)]
        key = _key(what, snapshot.at, snapshot.timezone, ids)
        status, body = fetch(client, f"/runs/{key}.json")
        kind: type[RunReport | NoReport] = RunReport if status < 400 else NoReport
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise UnreachableError(f"the answer is not a relay's: {plain(str(error))}") from None


def _key(what: str, now: datetime, timezone: str, ids: Sequence[str]) -> str:
    """The day, or the run's whole id."""
    if (back := DAYS.get(what)) is not None:
        return (now.astimezone(ZoneInfo(timezone)).date() - timedelta(days=back)).isoformat()
    if len(what) >= SHORT_ID and what not in ids:  # `daily-run` is a run, and how `daily-run-2-…` begins
        return next((run_id for run_id in ids if run_id.startswith(what)), what)
    return what


def _out_of_store(what: str, config: Path) -> _Answer:
    from relay.status.run_reports import report
    from relay.status.stored import stored_sources, written_at
    from relay.store.store import FILE_NAME

    settings = loaded(config)
    try:
        with store_in(settings.state_dir) as db:
            sources: Sources = stored_sources(settings, db, datetime.now(UTC))
    except click.ClickException as error:
        raise click.ClickException(f"the relay does not answer, and {error.message}") from None
    ids = [run.run_id for run in sources.runs.newest_first()]
    return _Answer(
        report(sources, _key(what, sources.now, sources.zone.key, ids)), written_at(settings.state_dir / FILE_NAME)
    )
