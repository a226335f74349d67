"""`tickstock-relay explain`: where does this event go, by which routes, why not by others, and what holds it back?"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from rich.text import Text

from relay.cli.options import loaded
from relay.process.terminal import console, moment_text, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.cli.explain_held import Held, Muted
    from relay.events import Event
    from relay.normalize.normalize import Normalizer, Unreadable
    from relay.routing import MatchResult, Routes, Throttle

MOST_SHOWN = 120
"""Characters of a value that are shown to people; JSON has all of it."""


@dataclass(frozen=True, slots=True)
class _Explained:
    """One event, and what each route says of it."""

    event: Event
    verdicts: list[MatchResult]
    throttled: tuple[str, ...]
    """Routes whose throttle holds it."""
    sinks: tuple[str, ...]
    muted: Muted | None
    """Why alerting sinks among them do not get it."""

    def facts(self) -> dict[str, Any]:
        from relay.events import encode

        return {
            "event": json.loads(encode(self.event)),
            "routes": [_route_facts(verdict, self) for verdict in self.verdicts],
            "sinks": list(self.sinks),
            "muted": self.muted.facts() if self.muted else None,
        }


@click.command(
    help="Show which routes an event takes, why not the others, and which sinks get it: throttles (as if the first of"
    " the given events were the first of all) and the silences that are active now count.\n\n"
    "The event is a line of the archive, from FILE or standard input; with --channel it is a message as published"
    " there, from FILE, standard input or --json. Several lines are explained one after the other.\n\n"
    "Exit code 1 when a message is none (it would go to the quarantine)."
)
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--channel", help="The message was published there.")
@click.option(
    "--json",
    "message",
    metavar="[MESSAGE]",
    is_flag=False,
    flag_value="",
    help="The message itself. Without one: print JSON, as --as-json.",
)
@click.option("--config", "path", type=click.Path(path_type=Path), default="config.yaml", show_default=True)
@click.option("--as-json", is_flag=True, help="Print one JSON object for each event.")
@click.pass_context
def command(
    ctx: click.Context, file: BinaryIO | None, channel: str | None, message: str | None, path: Path, as_json: bool
) -> None:
    """Read, normalise, explain."""
    as_json, message = as_json or message == "", message or None
    if message is not None and (file is not None or channel is None):
        raise click.UsageError("--json MESSAGE goes with --channel, and in place of FILE")
    routes, normalizer, held = _configured(path)
    data = message.encode(errors="surrogateescape") if message is not None else _given(file)
    show: Callable[[Event | Unreadable, Routes, Held], bool] = _show_json if as_json else _show
    quarantined = False
    for event in [_published(channel, data, normalizer)] if channel is not None else _archived(data):
        quarantined |= show(event, routes, held)
    ctx.exit(int(quarantined))


def _configured(path: Path) -> tuple[Routes, Normalizer, Held]:
    from relay.cli.explain_held import Held
    from relay.normalize.normalize import Normalizer
    from relay.routing import Routes

    settings = loaded(path)
    limits = settings.limits
    normalizer = Normalizer(
        max_bytes=limits.max_message_bytes, max_depth=limits.max_depth, max_values=limits.max_values
    )
    return Routes(settings.routes), normalizer, Held(settings)


def _given(file: BinaryIO | None) -> bytes:
    stream = file or sys.stdin.buffer
    if file is None and stream.isatty():
        raise click.UsageError("give a FILE, --channel and --json, or an event on standard input")
    return stream.read()


def _published(channel: str | None, data: bytes, normalizer: Normalizer) -> Event | Unreadable:
    from relay.normalize.sample import from_message

    return from_message(channel or "", data, datetime.now(UTC), normalizer)


def _archived(data: bytes) -> list[Event]:
    from relay.normalize.sample import SpecimenError, from_line

    lines = [line for line in data.splitlines() if line.strip()]
    try:
        return [from_line(line) for line in lines]
    except SpecimenError as error:
        hint = "a message as it was published needs --channel"
        raise click.UsageError(f"{plain(str(error))}; {hint}") from None


def _explain(event: Event, routes: Routes, held: Held) -> _Explained:
    from relay.routing import explain

    verdicts = explain(routes, event)
    throttled = tuple(verdict.route.name for verdict in verdicts if held.throttled(event, verdict))
    taking = [verdict.route for verdict in verdicts if verdict.matches and verdict.route.name not in throttled]
    sinks = tuple(dict.fromkeys(sink for route in taking for sink in route.sinks))
    return _Explained(event, verdicts, throttled, sinks, held.muted(event, sinks))


def _show_json(event: Event | Unreadable, routes: Routes, held: Held) -> bool:
    """Print it; whether it is for the quarantine."""
    from relay.normalize.normalize import Unreadable

    if isinstance(event, Unreadable):
        channel = event.channel.decode(errors="backslashreplace")
        click.echo(json.dumps({"quarantine": event.reason, "channel": channel, "bytes": len(event.data)}))
        return True
    click.echo(json.dumps(_explain(event, routes, held).facts()))
    return False


def _show(event: Event | Unreadable, routes: Routes, held: Held) -> bool:
    from relay.normalize.normalize import Unreadable

    out = console()
    if isinstance(event, Unreadable):
        out.print(Text.assemble(("quarantine  ", "bold red"), f"{event.reason}: no event can be made of this message"))
        return True
    explained = _explain(event, routes, held)
    out.print(_headline(event), soft_wrap=True)
    for verdict in explained.verdicts:
        out.print(_verdict_line(verdict, explained), soft_wrap=True)
    where = ", ".join(map(plain, explained.sinks)) or "no sink: it is counted as unrouted"
    out.print(Text.assemble(("sinks       ", "bold"), where), soft_wrap=True)
    if explained.muted:
        out.print(_muted_line(explained.muted), soft_wrap=True)
    return False


def _headline(event: Event) -> Text:
    marks = "".join(f" {mark.name.lower()}" for mark in event.marks if mark.name)
    known_as = f" (published as {event.wire_event})" if event.wire_event else ""
    facts = {"phase": event.phase, "run": event.run_id, "source": event.source}
    rest = "".join(f" {name}={value}" for name, value in facts.items() if value is not None)
    text = f"{event.event}{known_as} on {event.channel}, {event.severity.label},{rest}{marks}".rstrip(",")
    return Text.assemble(("event       ", "bold"), plain(text))


def _verdict_line(verdict: MatchResult, explained: _Explained) -> Text:
    route = verdict.route
    if verdict.matches:
        extra = f", {_throttle(route.throttle, explained.event)}" if route.throttle else ""
        text = f"{route.name} -> {', '.join(route.sinks) or 'nowhere'}{extra}{'; stop' if route.stop else ''}"
        held = route.name in explained.throttled
        return Text.assemble(("throttled   ", "yellow") if held else ("matches     ", "green"), plain(text))
    if verdict.failed is None:
        return Text.assemble(("not asked   ", "dim"), plain(f"{route.name}: {verdict.stopped_by} has stopped"))
    return Text.assemble(("no match    ", "yellow"), plain(f"{route.name}: wants {verdict.failed}, {_found(verdict)}"))


def _throttle(throttle: Throttle, event: Event) -> str:
    """`at most one in 5 min for each payload.symbol (here AAPL)`."""
    from relay.events.wording import duration

    most = f"at most one in {duration(throttle.every)}"
    if not throttle.by:
        return most
    return f"{most} for each {', '.join(throttle.by)} (here {', '.join(throttle.key_of(event))})"


def _muted_line(muted: Muted) -> Text:
    """Which sinks do not get it, and why."""
    text = {"test": "a test wakes nobody", "replayed": "a replayed event wakes nobody"}.get(muted.reason, "")
    if silence := muted.silence:
        what = "maintenance" if silence.is_maintenance else f"silence {silence.id}"
        text = f"{what} until {moment_text(silence.until)}: {silence.why}"
    return Text.assemble(("muted       ", "yellow"), plain(f"{', '.join(muted.sinks)}: {text}"))


def _found(verdict: MatchResult) -> str:
    if verdict.failed is not None and verdict.failed.key == "not":
        return "and all of that holds"
    if verdict.found is None:
        return "but the event has none"
    text = plain(_text(verdict.found))
    return f"but found {text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + '…'}"


def _text(value: object) -> str:
    from relay.events import Severity
    from relay.events.scalars import text_of

    return value.label if isinstance(value, Severity) else text_of(value)


def _route_facts(verdict: MatchResult, explained: _Explained) -> dict[str, Any]:
    route = verdict.route
    facts: dict[str, Any] = {"name": route.name, "matches": verdict.matches, "sinks": list(route.sinks)}
    if verdict.matches and (throttle := route.throttle):
        facts["throttle"] = {
            "every_seconds": throttle.every,
            "key": dict(zip(throttle.by, throttle.key_of(explained.event), strict=True)),
            "holds": route.name in explained.throttled,
        }
    if verdict.failed is not None:
        from relay.events import Severity

        found = verdict.found.label if isinstance(verdict.found, Severity) else verdict.found
        facts |= {"failed": str(verdict.failed.key), "wanted": verdict.failed.spec, "found": found}
    if verdict.stopped_by is not None:
        facts["stopped_by"] = verdict.stopped_by
    return facts
