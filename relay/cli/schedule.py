"""`tickstock-relay schedule`: when TickStockPL runs by itself, and changing that."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from relay.cli.api import Api, api_options
from relay.cli.recording import Recorded, recorded
from relay.process.terminal import fact_table, moment_text, plain

if TYPE_CHECKING:
    from relay.tickstockpl.client import TickStockPL
    from relay.tickstockpl.models import Schedule


def _clock_time(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    from relay.tickstockpl.models import clock_time

    if value is not None and clock_time(value) != value:
        raise click.BadParameter('must be "HH:MM", 00:00 to 23:59')
    return value


@click.command(
    help="Show TickStockPL's schedule, or change it with --trigger-time, --enable or --disable.\n\n"
    "After a change the schedule is asked for again; exit code 1 when it does not show the requested change."
)
@click.option("--trigger-time", metavar="HH:MM", callback=_clock_time, help="Time of the daily run.")
@click.option("--enable/--disable", "enabled", default=None, help="Switch the daily run on or off.")
@api_options
def command(api: Api, trigger_time: str | None, enabled: bool | None) -> None:
    """Change what was asked to change, then show the schedule as it is."""

    async def changed_and_read(client: TickStockPL) -> Schedule:
        if trigger_time is not None or enabled is not None:
            await _change(client, trigger_time, enabled)
        return await client.schedule()

    words = [f"--trigger-time={trigger_time}"] if trigger_time else []
    if enabled is not None:
        words.append("--enable" if enabled else "--disable")
    with recorded("schedule", words, api.config) if words else nullcontext(Recorded()) as record:
        schedule = api.ask(changed_and_read)
        _show(api, schedule)
        _compare(schedule, trigger_time, enabled)
        state = "enabled" if schedule.enabled else "disabled"
        record.answer = f"{state}, trigger time {_local_time(schedule) or 'not known'}"


def _show(api: Api, schedule: Schedule) -> None:
    api.show(
        schedule,
        fact_table(
            {
                "TickStockPL": api.url,
                "enabled": schedule.enabled,
                "trigger time": _local_time(schedule),
                "next run": moment_text(schedule.next_run),
                "universes": ", ".join(schedule.universes),
                "market check": schedule.market_check,
            }
        ),
    )


async def _change(client: TickStockPL, trigger_time: str | None, enabled: bool | None) -> None:
    """The contract's update names both, so what stays as it is is sent along where it is known."""
    now = await client.schedule()
    await client.set_schedule(
        enabled=now.enabled if enabled is None else enabled,
        trigger_time=trigger_time or now.trigger_time,
    )


def _local_time(schedule: Schedule) -> str | None:
    return f"{schedule.trigger_time} {schedule.timezone or ''}" if schedule.trigger_time else None


def _compare(schedule: Schedule, trigger_time: str | None, enabled: bool | None) -> None:
    wanted = {"trigger_time": trigger_time, "enabled": enabled}
    for name, value in wanted.items():
        answered = getattr(schedule, name)
        if value is not None and answered != value:
            raise click.ClickException(
                plain(f"TickStockPL took the request, but its schedule has {name} = {answered}, not {value}")
            )
