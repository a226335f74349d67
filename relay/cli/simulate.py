"""`tickstock-relay simulate`: the TickStockPL stand-in, and beside it a Slack one, until a signal or their work's end.

Only options, output and signals; what is simulated stands in `tickstock_simulator`.
"""

import asyncio
import contextlib
import ipaddress
import json
import signal
from datetime import UTC, datetime
from typing import NamedTuple

import click

from relay.events.wording import clock_time
from tickstock_simulator.clock import ClockKind
from tickstock_simulator.faults import FAULTS, parse_fault
from tickstock_simulator.publisher import address
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.tickstockpl import RunMode, Simulator
from tickstock_simulator.wire import NEW_YORK


class Listen(NamedTuple):
    """Where a stand-in listens."""

    host: str
    port: int


class _ListenType(click.ParamType[Listen]):
    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Listen:
        if isinstance(value, Listen):
            return value
        host, _, port = str(value).rpartition(":")
        if not port.isdigit() or int(port) > 65535:  # the last port
            self.fail(f"{value!r} is not HOST:PORT, for example 127.0.0.1:8080", param, ctx)
        return Listen(host.strip("[]") or "127.0.0.1", int(port))


def _faults(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    for text in given:
        try:
            parse_fault(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return given


def _start(_ctx: click.Context, _param: click.Parameter, given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        start = datetime.fromisoformat(given)
    except ValueError as error:
        raise click.BadParameter(f"{given!r} is not a time such as 2025-01-27T16:09:30") from error
    return start if start.tzinfo else start.replace(tzinfo=NEW_YORK)


_EPILOG = "\b\nFaults (NAME[:ARG], repeatable):\n" + "\n".join(
    f"  {name + kind.argument.value:<24} {kind.help}" for name, kind in FAULTS.items()
)


@click.command(epilog=_EPILOG)
@click.option("--redis-url", default="redis://localhost:6379/0", show_default=True, help="Where it publishes.")
@click.option("--listen", type=_ListenType(), default="127.0.0.1:8080", show_default=True, help="The API's address.")
@click.option("--slack-listen", type=_ListenType(), help="Run a Slack stand-in there too (port 0: any free one).")
@click.option("--slack-token", default="xoxb-stand-in", show_default=True, help="The token that it takes.")
@click.option("--speed", default=1.0, show_default=True, help="Simulated seconds a second: 60 is a minute a second.")
@click.option("--run", "mode", type=click.Choice(["now", "scheduled", "none"]), default="now", show_default=True)
@click.option("--runs", type=click.IntRange(min=1), help="End after so many runs.")
@click.option("--duration", type=click.FloatRange(min=0), help="End after so many real seconds.")
@click.option("--fault", "faults", multiple=True, callback=_faults, metavar="NAME[:ARG]", help="See below.")
@click.option("--start", callback=_start, help="Simulated time at the start, New York's if no zone is given.")
@click.option("--clock", type=click.Choice(["real", "simulated"]), default="real", show_default=True)
@click.option("--items", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Share of single results.")
@click.option("--history-days", type=click.IntRange(min=0), default=0, show_default=True, help="Past runs to know of.")
@click.option("--seed", default=0, show_default=True, help="Decides run ids and numbers.")
@click.option("--allow-remote", is_flag=True, help="Allow an address other than loopback; there are no passwords.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(
    *,
    redis_url: str,
    listen: Listen,
    slack_listen: Listen | None,
    slack_token: str,
    speed: float,
    mode: RunMode,
    runs: int | None,
    duration: float | None,
    faults: tuple[str, ...],
    start: datetime | None,
    clock: ClockKind,
    items: float,
    history_days: int,
    seed: int,
    allow_remote: bool,
    as_json: bool,
) -> None:
    """A stand-in TickStockPL: its API and its events, with faults on request.

    Faults can also be changed while it runs: POST {"add": "stall:import", "clear": true} to /simulator/faults.
    """
    for where in filter(None, (listen, slack_listen)):
        _loopback_only(where, allow_remote=allow_remote)
    try:
        simulator = Simulator(
            redis_url,
            host=listen.host,
            port=listen.port,
            speed=speed,
            start=start,
            clock=clock,
            run=mode,
            runs=runs,
            faults=faults,
            seed=seed,
            items=items,
            history_days=history_days,
            say=_log_json if as_json else _log_text,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    slack = None
    if slack_listen is not None:
        slack = SlackStandIn(host=slack_listen.host, port=slack_listen.port, token=slack_token)
    say = _log_json if as_json else _log_text
    say("publishing", redis=address(redis_url), speed=speed, faults=str(simulator.faults))
    try:
        asyncio.run(_simulate(simulator, slack, runs=runs, duration=duration, as_json=as_json))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {error.strerror or error}") from error


async def _simulate(
    simulator: Simulator, slack: SlackStandIn | None, *, runs: int | None, duration: float | None, as_json: bool
) -> None:
    say = _log_json if as_json else _log_text
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        if slack is not None:
            await stack.enter_async_context(slack)
            say("slack_listening", url=slack.url, api=slack.api_url, webhook=slack.webhook_url)
        await stack.enter_async_context(simulator)
        say("api_listening", url=simulator.url)
        waiting: list[asyncio.Task[object]] = [asyncio.create_task(ended.wait())]
        if runs is not None:
            waiting.append(asyncio.create_task(simulator.wait_until_done()))
        await asyncio.wait(waiting, timeout=duration, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
    slack_count = {} if slack is None else {"slack_messages": len(slack.messages)}
    sent, lost = simulator.publisher.sent.total(), simulator.publisher.lost
    say("ended", runs=len(simulator.finished), sent=sent, lost=lost, **slack_count)


def _loopback_only(where: Listen, *, allow_remote: bool) -> None:
    try:
        loopback = where.host == "localhost" or ipaddress.ip_address(where.host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not allow_remote:
        raise click.UsageError(
            f"{where.host}:{where.port} is not on loopback, and the stand-in has no passwords; "
            "use 127.0.0.1, or add --allow-remote"
        )


def _log_text(event: str, **facts: object) -> None:
    now = datetime.now().astimezone()
    details = "  ".join(f"{name}={value}" for name, value in facts.items() if value is not None)
    shown = clock_time(now, now, zone=now.tzinfo or UTC, seconds=True)
    click.echo(f"{shown}  {event.replace('_', ' '):<18} {details}".rstrip())


def _log_json(event: str, **facts: object) -> None:
    click.echo(json.dumps({"time": datetime.now().astimezone().isoformat(), "event": event, **facts}, default=str))
