"""A relay with a past, and the simulator that it hears, on one fast clock: something to look at."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from relay.schedule.timetable import is_trading_day
from tests.support.valkey import Valkey
from tests.support.warped_relay import WarpedRelay
from tickstock_simulator.tickstockpl import Simulator

NEW_YORK = ZoneInfo("America/New_York")
MONDAY = datetime(2025, 1, 27, 16, 10, tzinfo=NEW_YORK)
"""When that day's run is due."""


def before(day: date, count: int) -> list[datetime]:
    """The due moments of the trading days before `day`, the oldest first."""
    days = [day - timedelta(days=back) for back in range(1, 60)]
    trading = [each for each in days if is_trading_day(each)][:count]
    return [datetime.combine(each, MONDAY.time(), NEW_YORK) for each in reversed(trading)]


@dataclass
class Scene:
    """A relay, and the TickStockPL that it hears."""

    relay: WarpedRelay
    simulator: Simulator


@asynccontextmanager
async def scene(
    directory: Path,
    valkey: Valkey,
    *,
    starts: datetime,
    speed: float = 60.0,
    faults: tuple[str, ...] = (),
    more: dict[str, Any] | None = None,
) -> AsyncIterator[Scene]:
    """Both, on a clock that shows `starts` when both are up; the relay remembers 17 runs.

    `more` is configuration beside ours.
    """
    simulator = Simulator(
        valkey.url, speed=speed, start=starts, clock="simulated", held=True, run="scheduled", runs=1, faults=faults
    )
    async with simulator:
        config: dict[str, Any] = {"tickstockpl": {"base_url": simulator.url}, "watchdog": {"poll_interval": "1s"}}
        config |= more or {}
        relay = WarpedRelay(directory, valkey.url, config=config)
        relay.remember(before(starts.date(), 17))
        relay.set_clock(starts, speed)
        await asyncio.to_thread(relay.start)  # the simulator answers meanwhile
        with contextlib.ExitStack() as stack:
            stack.push(relay)
            simulator.set_going()
            yield Scene(relay, simulator)
