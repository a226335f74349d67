"""`tickstock-relay outbox list|show|retry|drop|export`: what waits for delivery and what was given up.

It works on the store of a relay that may be running, which notices within a second.
"""

from __future__ import annotations

import functools
import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relay.cli.options import config_of_store, duration
from relay.cli.outbox_lines import listed
from relay.cli.recording import recorded
from relay.cli.store import opened_store
from relay.process.terminal import console, fact_table, plain
from relay.store.short_id import row_id_of, short_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from relay.store.outbox import Row
    from relay.store.outbox_admin import OutboxSelection, Undelivered

MOST_IDS = 10
"""Ids that are recorded one by one."""


def _row_id(_context: click.Context, _argument: click.Parameter, value: str) -> int:
    """The row's number, of what `outbox list` has printed."""
    try:
        return row_id_of(value)
    except ValueError:
        raise click.BadParameter(f"{plain(value)} is not an id of `outbox list`") from None


def _row_ids(context: click.Context, argument: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(_row_id(context, argument, value) for value in values)


@click.group(help="Events that wait for delivery, and dead letters (events that could not be delivered).")
def command() -> None:
    """`list`, `show`, `retry`, `drop` and `export`."""


def _selecting(body: Callable[..., None]) -> Callable[..., None]:
    """The filters; the command gets them as one `selection`."""

    @click.option("--lane", help="Only events for this sink.")
    @click.option("--dead", "state", flag_value="dead", help="Only dead letters.")
    @click.option("--waiting", "state", flag_value="waiting", help="Only events that still wait.")
    @click.option(
        "--older-than",
        callback=duration,
        metavar="AGE",
        help="Only events accepted longer ago than this, such as 2h.",
    )
    @functools.wraps(body)
    def selected(
        lane: str | None, state: str | None, older_than: timedelta | None, ids: tuple[int, ...] = (), **given: Any
    ) -> None:
        from relay.store.outbox_admin import OutboxSelection

        before = None if older_than is None else time.time() - older_than.total_seconds()
        body(selection=OutboxSelection(ids, lane, state, before), **given)

    return selected


@contextmanager
def _opened(config: Path) -> Iterator[Undelivered]:
    """The outbox of the relay with that configuration."""
    from relay.store.outbox_admin import Undelivered

    with opened_store(config) as db:
        yield Undelivered(db)


@command.command(name="list", help="List waiting events and dead letters, oldest first.")
@_selecting
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="So many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@config_of_store
def list_(selection: OutboxSelection, limit: int, as_json: bool, config: Path) -> None:
    """Rows, and how many there are in all."""
    with _opened(config) as outbox:
        rows, counts = list(outbox.rows(selection, limit)), outbox.counts(selection)
    if as_json:
        totals = [{"lane": lane, "state": state, "events": count} for (lane, state), count in counts.items()]
        click.echo(json.dumps({"totals": totals, "events": [_facts(row) for row in rows]}, indent=2))
        return
    out = console()
    for line in listed(rows, time.time(), out.width) if rows else ():
        out.print(line, no_wrap=True, crop=False, soft_wrap=True)
    summary = ", ".join(f"{lane}: {count:,} {state}" for (lane, state), count in sorted(counts.items()))
    click.echo(plain(summary) or "no waiting events, no dead letters")
    if len(rows) < sum(counts.values()):
        click.echo(f"(the oldest {len(rows)} are shown; --limit shows more)")


@command.command(help="Show one event and the state of its delivery.")
@click.argument("row_id", metavar="ID", callback=_row_id)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@config_of_store
def show(row_id: int, as_json: bool, config: Path) -> None:
    """One row."""
    from relay.store.outbox_admin import OutboxSelection

    with _opened(config) as outbox:
        row = next(outbox.rows(OutboxSelection((row_id,))), None)
    if row is None:
        raise click.ClickException(f"there is no event {short_id(row_id)} (it may have been delivered)")
    facts = _facts(row)
    event = facts.pop("event")
    if as_json:
        click.echo(json.dumps(facts | {"event": event}, indent=2))
        return
    console().print(fact_table({name: value for name, value in facts.items() if value is not None}))
    click.echo(json.dumps(event, indent=2))  # ASCII, so that nothing in it steers the terminal


@command.command(
    short_help="Try events again at once.",
    help="Retry events at once, also dead letters: those with these IDs, or those that match the filters.",
)
@click.argument("ids", metavar="[ID]...", callback=_row_ids, nargs=-1)
@_selecting
@click.option("--all", "everything", is_flag=True, help="All waiting events and dead letters.")
@config_of_store
def retry(selection: OutboxSelection, everything: bool, config: Path) -> None:
    """Revive rows."""
    _must_choose(selection, everything=everything)
    with recorded("outbox retry", _words(selection, everything=everything), config) as record:
        with _opened(config) as outbox:
            count = outbox.retry(selection)
        record.answer = f"{count:,} to be retried"
    click.echo(record.answer)
    _nothing_found(selection, count)


@command.command(
    short_help="Forget events for good.",
    help="Delete events: those with these IDs, or those that match the filters.",
)
@click.argument("ids", metavar="[ID]...", callback=_row_ids, nargs=-1)
@_selecting
@click.option("--all", "everything", is_flag=True, help="All waiting events and dead letters.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@config_of_store
def drop(selection: OutboxSelection, everything: bool, yes: bool, config: Path) -> None:
    """Delete rows."""
    _must_choose(selection, everything=everything)
    with _opened(config) as outbox:
        counts = outbox.counts(selection)
        totals = ", ".join(f"{count:,} {state} for {lane}" for (lane, state), count in sorted(counts.items()))
        if counts and not yes:
            click.confirm(plain(f"Delete {totals}? This cannot be undone"), abort=True, err=True)
        with recorded("outbox drop", _words(selection, everything=everything), config) as record:
            count = outbox.drop(selection)
            record.answer = f"{count:,} dropped"
    click.echo(record.answer)
    _nothing_found(selection, count)


@command.command(
    short_help="Write events as lines of the archive.",
    help="Write events as lines of the archive (JSONL), for `replay` or another tool.",
)
@click.argument("ids", metavar="[ID]...", callback=_row_ids, nargs=-1)
@_selecting
@click.option("--output", "-o", type=click.File("wb"), default="-", help="A file in place of standard output.")
@config_of_store
def export(selection: OutboxSelection, output: Any, config: Path) -> None:
    """One line a row; nothing is changed."""
    with _opened(config) as outbox:
        for row in outbox.rows(selection):
            output.write(row.event.partition(b"\n")[0] + b"\n")


def _words(selection: OutboxSelection, *, everything: bool) -> list[str]:
    """The choice as it was typed, for the record."""
    ids = [f"{len(selection.ids)} ids"] if len(selection.ids) > MOST_IDS else [str(each) for each in selection.ids]
    words = [f"--lane={selection.lane}"] if selection.lane else []
    words += [f"--{selection.state}"] if selection.state else []
    words += [f"--older-than={time.time() - selection.before:.0f}s"] if selection.before else []
    return [*ids, *words, *(["--all"] if everything else [])]


def _must_choose(selection: OutboxSelection, *, everything: bool) -> None:
    if selection.is_everything and not everything:
        raise click.UsageError("choose events: IDs, --lane, --dead, --waiting, --older-than, or --all")


def _nothing_found(selection: OutboxSelection, count: int) -> None:
    if selection.ids and not count:
        raise click.ClickException("no such events (they may have been delivered)")


def _facts(row: Row) -> dict[str, Any]:
    def moment(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")

    return {
        "id": short_id(row.id),
        "lane": row.lane,
        "state": row.state,
        "accepted": moment(row.accepted),
        "next_try": moment(row.not_before) if row.state == "waiting" else None,
        "attempts": row.attempts,
        "error": row.error or None,
        "delivery": row.delivery,
        "order_key": row.order_key,
        "repeat_key": row.repeat_key,
        "bytes": len(row.event),
        "event": json.loads(row.event.partition(b"\n")[0]),
    }
