"""`tickstock-relay silence add|list|expire`: keep alerts quiet for a while, also while the relay runs."""

import getpass
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relay.cli.api import BadConfig
from relay.cli.matchers import MATCHERS, read_matchers
from relay.process.terminal import both_times, console, plain, shown

if TYPE_CHECKING:
    from relay.watchdog.silences import Silence, Silences

SHELF = "silences"
MATCH_HELP = f"{MATCHERS}; severity>=error, say, or payload.component=data_import."


class _Shelf:
    """A shelf of the store's file, each put committed at once; the daemon reads it again within seconds."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, key: str) -> str | None:
        return self.items().get(key)

    def put(self, key: str, value: str | None) -> None:
        if value is None:
            self._db.execute("DELETE FROM shelf WHERE name = ? AND key = ?", (SHELF, key))
        else:
            self._db.execute("INSERT OR REPLACE INTO shelf VALUES (?, ?, ?)", (SHELF, key, value))

    def items(self) -> Mapping[str, str]:
        return dict(self._db.execute("SELECT key, value FROM shelf WHERE name = ?", (SHELF,)).fetchall())


@contextmanager
def _silences(config: Path) -> Iterator["Silences"]:
    """The silences of the relay with that config."""
    from relay.config.load import ConfigError, load
    from relay.events.matching import predicate
    from relay.store.store import open_for_tools
    from relay.watchdog.silences import Silences

    try:
        path = load(config, only=("state_dir",)).state_dir / "relay.db"
    except ConfigError as wrong:
        raise BadConfig(str(wrong)) from wrong
    if not path.exists():
        raise click.ClickException(
            f"there is no store {path}: check state_dir, and the directory that this command runs in"
        )
    try:
        db = open_for_tools(path)
    except sqlite3.Error as error:
        raise click.ClickException(f"cannot open the relay's store {path}: {error}") from error
    try:
        yield Silences(_Shelf(db), predicate)
    except sqlite3.Error as error:
        raise click.ClickException(f"cannot use the relay's store {path}: {error}") from error
    finally:
        db.close()


def _options(body: Callable[..., None]) -> Callable[..., None]:
    config = click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        default="config.yaml",
        show_default=True,
        help="The relay's configuration, for its state directory.",
    )
    return config(click.option("--json", "as_json", is_flag=True, help="Print JSON.")(body))


def _now() -> datetime:
    return datetime.now(UTC)


def _until(_context: click.Context, _option: click.Parameter, value: str) -> datetime:
    """`2h` from now, or a time of its own; a naive one is UTC."""
    from sinks.options import parse_duration

    try:
        return _now() + timedelta(seconds=float(str(parse_duration(value))))
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("must be a duration such as 2h or 1d, or a time such as 2025-01-28T06:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _match(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    return read_matchers(values)


def _facts(silence: "Silence") -> dict[str, Any]:
    return {
        "id": silence.id,
        "match": silence.match,
        "created": silence.created.isoformat(),
        "until": silence.until.isoformat(),
        "comment": silence.comment,
        "who": silence.who,
    }


@click.group(help="Mute alerts for a while; the archive and the metrics still get every event.")
def command() -> None:
    """`add`, `list` and `expire`."""


@command.command(help=f"Add a silence. MATCH is {MATCH_HELP} Several must hold together.")
@click.argument("match", nargs=-1, required=True, callback=_match)
@click.option("--until", required=True, callback=_until, help="A duration from now (2h, 1d) or a time (ISO 8601).")
@click.option("--comment", default="", help="Why.")
@click.option("--who", default=getpass.getuser, help="Who; the user's name by default.")
@_options
def add(match: dict[str, Any], until: datetime, comment: str, who: str, config: Path, as_json: bool) -> None:
    """Put one more on the shelf."""
    with _silences(config) as silences:
        try:
            silence = silences.add(match, until, _now(), comment=comment, who=who)
        except ValueError as wrong:
            raise click.UsageError(plain(str(wrong))) from None
    if as_json:
        click.echo(json.dumps(_facts(silence), indent=2))
    else:
        click.echo(f"{silence.id}: muted until {both_times(silence.until)}")


@command.command(name="list", help="List the active silences.")
@click.option("--all", "ended", is_flag=True, help="Also those that ended in the last days.")
@_options
def list_(ended: bool, config: Path, as_json: bool) -> None:
    """Show what is on the shelf."""
    from rich.table import Table

    with _silences(config) as silences:
        found = silences.listed(_now(), ended=ended)
    if as_json:
        click.echo(json.dumps([_facts(silence) for silence in found], indent=2))
        return
    if not found:
        click.echo("no silences")
        return
    table = Table("id", "matches", "until", "who", "comment", box=None)
    for silence in found:
        match = ", ".join(f"{field}={test}" for field, test in silence.match.items())
        table.add_row(
            *(shown(cell) for cell in (silence.id, match, both_times(silence.until), silence.who, silence.comment))
        )
    console().print(table)


@command.command(help="End a silence now, by its id.")
@click.argument("silence_id", metavar="ID")
@_options
def expire(silence_id: str, config: Path, as_json: bool) -> None:
    """End one."""
    with _silences(config) as silences:
        try:
            silence = silences.expire(silence_id, _now())
        except KeyError:
            raise click.ClickException(f"there is no active silence {plain(silence_id)}") from None
    click.echo(json.dumps(_facts(silence), indent=2) if as_json else f"{silence.id}: ended")
