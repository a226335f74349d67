"""`tickstock-relay silence add|list|expire`: keep alerts quiet for a while, also while the relay runs."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relay.cli.matchers import MATCHERS, read_matchers
from relay.cli.options import config_of_store, duration, moment
from relay.cli.recording import recorded
from relay.cli.store import StoreShelf, opened_store
from relay.process.operations import who_am_i
from relay.process.terminal import console, moment_text, plain, shown

if TYPE_CHECKING:
    from relay.watchdog.silences import Silence, Silences

LEAST_OF_AN_ID = 4
"""Characters of an id that may stand for it, if only one begins so."""
MATCH_HELP = f"{MATCHERS}; severity>=error, say, or payload.component=data_import."


@contextmanager
def _silences(config: Path) -> Iterator["Silences"]:
    """The silences of the relay with that config."""
    from relay.watchdog.silences import SHELF, Silences

    with opened_store(config) as db:
        yield Silences(StoreShelf(db, SHELF))


def _options(body: Callable[..., None]) -> Callable[..., None]:
    return config_of_store(click.option("--json", "as_json", is_flag=True, help="Print JSON.")(body))


def _now() -> datetime:
    return datetime.now(UTC)


def _until(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    return None if value is None else moment(value, _now(), ahead=True)


def _known_incident(config: Path, given: str) -> str:
    """The whole id of which `given` is all or, if only one begins so, the beginning.

    Raises:
        click.UsageError: there is none, or several begin so.
    """
    from relay.config.messages import nearest
    from relay.watchdog.incidents import ids_on

    with opened_store(config) as db:
        known = sorted(ids_on(StoreShelf(db, "incidents")))
    if given in known:
        return given
    found = [key for key in known if key.startswith(given)] if len(given) >= LEAST_OF_AN_ID else []
    if len(found) == 1:
        return found[0]
    hint = f"several begin so: {', '.join(found[:5])}" if found else nearest(given, known[-5:])
    raise click.UsageError(plain(f"there is no incident {given}" + (f" ({hint})" if hint else "")))


def _match(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    return read_matchers(values)


def _facts(silence: "Silence") -> dict[str, Any]:
    return {
        "id": silence.id,
        "match": silence.match,
        "incident": silence.incident or None,
        "maintenance": silence.is_maintenance,
        "created": silence.created.isoformat(),
        "until": silence.until.isoformat(),
        "comment": silence.comment,
        "who": silence.who,
    }


@click.group(help="Mute alerts for a while; the archive and the metrics still get every event.")
def command() -> None:
    """`add`, `list` and `expire`."""


@command.command(
    help="Add a silence: nobody is told of alerts and errors that match. What still fires at its end is told then.\n\n"
    f"MATCH is {MATCH_HELP} Several must hold together. In place of it: --incident, or --all."
)
@click.argument("match", nargs=-1, callback=_match)
@click.option("--for", "lasting", callback=duration, metavar="DURATION", help="How long: 30m, 2h, 1d.")
@click.option("--until", callback=_until, metavar="WHEN", help="Its end in place of --for: a time (ISO 8601), or 2h.")
@click.option(
    "--incident", default="", metavar="ID", help="What belongs to this incident; its page and Slack have the id."
)
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--comment", default="", help="Why.")
@click.option("--who", default=who_am_i, help="Who. [default: the user's name]")
@_options
def add(
    match: dict[str, Any],
    lasting: timedelta | None,
    until: datetime | None,
    incident: str,
    everything: bool,
    comment: str,
    who: str,
    config: Path,
    as_json: bool,
) -> None:
    """Put one more on the shelf."""
    _one_choice(match, incident, everything=everything)
    now = _now()
    end = _end(lasting, until, now)
    whole_id = _known_incident(config, incident) if incident else ""
    with recorded("silence add", _words(match, end - now, whole_id, comment, everything=everything), config) as record:
        with _silences(config) as silences:
            silence = _added(
                silences, match, end, now, incident=whole_id, everything=everything, comment=comment, who=who
            )
        record.answer = f"{silence.id}: silenced until {moment_text(silence.until)}"
    click.echo(json.dumps(_facts(silence), indent=2) if as_json else record.answer)


def _one_choice(match: dict[str, Any], incident: str, *, everything: bool) -> None:
    if everything and (match or incident):
        raise click.UsageError("--all is everything: leave out MATCH and --incident, or --all")
    if not match and not incident and not everything:
        raise click.UsageError(f"what is to be silenced? Write MATCH ({MATCHERS}), --incident ID or --all")


def _end(lasting: timedelta | None, until: datetime | None, now: datetime) -> datetime:
    if (lasting is None) == (until is None):
        raise click.UsageError("write one of --for 2h and --until 2025-01-28T06:00Z")
    try:
        return now + lasting if lasting is not None else until or now
    except OverflowError:
        raise click.UsageError("a silence must end within a year") from None


def _added(silences: "Silences", match: dict[str, Any], end: datetime, now: datetime, **more: Any) -> "Silence":
    from relay.config.messages import match_hint
    from relay.events.matching import MatchError

    try:
        return silences.add(match, end, now, **more)
    except MatchError as wrong:
        raise click.UsageError(plain("; ".join(filter(None, (str(wrong), match_hint(wrong)))))) from None
    except ValueError as wrong:
        raise click.UsageError(plain(str(wrong))) from None


def _words(
    match: dict[str, Any], lasting: timedelta, incident: str, comment: str, *, everything: bool
) -> Iterable[str]:
    """The command as it was meant, for the record."""
    conditions = [f"{field}={test}" for field, test in match.items()]
    words = [f"--incident={incident}"] if incident else []
    words += [f"--comment={comment}"] if comment else []
    return [*conditions, *words, *(["--all"] if everything else []), f"--for={round(lasting.total_seconds())}s"]


@command.command(name="list", help="List the active silences and maintenance windows.")
@click.option("--all", "ended", is_flag=True, help="Also those that ended in the last days.")
@_options
def list_(ended: bool, config: Path, as_json: bool) -> None:
    """Show what is on the shelf."""
    from rich.table import Table

    now = _now()
    with _silences(config) as silences:
        found = [*_maintenance(config, now), *silences.listed(now, ended=ended)]
    if as_json:
        click.echo(json.dumps([_facts(silence) for silence in found], indent=2))
        return
    if not found:
        click.echo("no silences")
        return
    table = Table("id", "matches", "until", "who", "comment", box=None)
    for silence in found:
        table.add_row(
            *(
                shown(cell)
                for cell in (silence.id, silence.matches, moment_text(silence.until), silence.who, silence.comment)
            )
        )
    console().print(table)


def _maintenance(config: Path, now: datetime) -> list["Silence"]:
    """The windows of the configuration that hold now; a mistake elsewhere in it does not matter here."""
    from relay.config.load import ConfigError, load
    from relay.watchdog.quiet import windows

    try:
        return windows(load(config, only=("watchdog",)).watchdog, now)
    except ConfigError:
        return []


@command.command(help="End a silence now, by its id.")
@click.argument("silence_id", metavar="ID")
@_options
def expire(silence_id: str, config: Path, as_json: bool) -> None:
    """End one."""
    with recorded("silence expire", [silence_id], config) as record, _silences(config) as silences:
        try:
            silence = silences.expire(silence_id, _now())
        except KeyError:
            raise click.ClickException(f"there is no active silence {plain(silence_id)}") from None
        record.answer = "ended"
    click.echo(json.dumps(_facts(silence), indent=2) if as_json else f"{silence.id}: ended")
