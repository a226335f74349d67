"""`tickstock-relay replay`: read an archive again, in order and at a pace, to Redis, the sinks or standard output.

Facts go to standard error, since standard output may be the events'.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay.cli.matchers import MATCHERS, matching, read_matchers
from relay.cli.options import loaded, moment
from relay.cli.recording import Recorded, recorded
from relay.events.wording import plural
from relay.process.terminal import plain

if TYPE_CHECKING:
    from relay.config.settings import Settings
    from relay.replay.archive import Archive, ReplaySelection

INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended, as a shell has it."""


def _moment(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    return None if value is None else moment(value, datetime.now(UTC), ahead=False)


def _paths(_context: click.Context, _argument: click.Parameter, values: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(Path("/dev/stdin" if value == "-" else value) for value in values)


@click.command(
    help="Read archives (plain, gzip, zstd; - for standard input) again, the file with the oldest events first.\n\n"
    "Each event is marked as replayed, so that alerting sinks skip it, unless --alerts is given. On Redis all"
    " subscribers receive it again. To standard output it goes as fast as possible, to the others at its original"
    " speed, unless --speed or --as-fast say otherwise.\n\n"
    "Exit code 1 when an archive is damaged, has lines and none of them an event,"
    " or something could not be delivered."
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, callback=_paths)
@click.option("--to", "target", type=click.Choice(["stdout", "redis", "sinks"]), default="stdout", show_default=True)
@click.option(
    "--since",
    callback=_moment,
    metavar="WHEN",
    help="Only events received at this time or later: a time, or 2h for two hours ago.",
)
@click.option("--until", callback=_moment, metavar="WHEN", help="Only events received before this time.")
@click.option("--match", "matchers", multiple=True, metavar="MATCHER", help=f"{MATCHERS}; all must hold.")
@click.option(
    "--speed", type=click.FloatRange(0, min_open=True), help="Times the original speed; 1 keeps the original timing."
)
@click.option("--as-fast", is_flag=True, help="As fast as possible.")
@click.option("--alerts", is_flag=True, help="Do not mark events as replayed: alerts are sent again.")
@click.option(
    "--sink", "sinks", multiple=True, help="With --to sinks: these only. [default: all but archive and metrics]"
)
@click.option("--config", "path", type=click.Path(path_type=Path), default="config.yaml", help="For redis and sinks.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before publishing on Redis.")
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    target: str,
    since: datetime | None,
    until: datetime | None,
    matchers: tuple[str, ...],
    speed: float | None,
    as_fast: bool,
    alerts: bool,
    sinks: tuple[str, ...],
    path: Path,
    yes: bool,
) -> None:
    """Put the archive together, and send it on its way."""
    from relay.replay.archive import ReplaySelection

    if speed is not None and as_fast:
        raise click.UsageError("--speed and --as-fast exclude each other")
    if sinks and target != "sinks":
        raise click.UsageError("--sink needs --to sinks")
    match = read_matchers(matchers)
    selection = ReplaySelection(since, until, matching(match) if match else None)
    sections = ("redis",) if target == "redis" else None
    settings = loaded(path, only=sections) if target != "stdout" else None
    if target == "redis":
        _confirm(yes=yes)
    pace = None if as_fast else _pace(speed, target)
    if settings is None:
        ctx.exit(_replay(files, selection, settings, target, pace, sinks, mark=not alerts))
    words = [f"--to={target}", *(f"--sink={name}" for name in sinks), *(["--alerts"] if alerts else []), *matchers]
    words += [f"{name}={at.isoformat()}" for name, at in (("--since", since), ("--until", until)) if at]
    with recorded("replay", [*words, *(path.name for path in files)], path if path.exists() else None) as record:
        code = _replay(files, selection, settings, target, pace, sinks, mark=not alerts, record=record)
    ctx.exit(code)


def _pace(speed: float | None, target: str) -> float | None:
    """Times the original speed; None: as fast as possible."""
    if speed is not None:
        return speed
    return None if target == "stdout" else 1.0


def _confirm(*, yes: bool) -> None:
    """Publishing cannot be taken back: somebody must want it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: --yes publishes the events again, to all subscribers")
    click.confirm("Publish on Redis? All subscribers receive these events again", abort=True, err=True)


def _replay(
    files: tuple[Path, ...],
    selection: ReplaySelection,
    settings: Settings | None,
    target: str,
    pace: float | None,
    sinks: tuple[str, ...],
    *,
    mark: bool,
    record: Recorded | None = None,
) -> int:
    import uvloop

    from relay.cli.replay_delivery import to_redis, to_sinks, to_stdout
    from relay.cli.replay_progress import ReplayProgress
    from relay.replay.archive import Archive, ReplayError, paced

    progress = ReplayProgress(files)
    try:
        archive = Archive(files, selection, mark=mark, progress=progress.advance)
        with progress:
            pieces = paced(archive.blocks(), pace)
            if settings is None:
                end = to_stdout(pieces, progress)
            else:
                events = ((wait, archive.decoded(block)) for wait, block in pieces)
                if target == "redis":
                    end = to_redis(events, settings, progress, mark=mark)
                else:
                    end = uvloop.run(to_sinks(events, settings, sinks, progress))
    except ReplayError as error:
        raise click.ClickException(plain(str(error))) from None
    text = _summary(archive, end.summary)
    click.echo(text, err=True)
    if record is not None:
        record.answer = text
    if end.interrupted:
        click.echo(progress.how_to_go_on(), err=True)
        return INTERRUPTED
    is_archive = archive.events or archive.passed_over or not archive.damaged
    return 0 if end.well and is_archive else 1


def _summary(archive: Archive, summary: str) -> str:
    damaged = f", {plural(archive.damaged, 'unreadable line')} skipped" if archive.damaged else ""
    return f"{plural(archive.events, 'event')}{summary}{damaged}"
