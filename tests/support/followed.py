"""Runs that are heard of, for the tests that follow them."""

from datetime import datetime, timedelta
from typing import Any

from relay.events import Announcement, Event
from relay.runs.runs import Runs
from tests.support.wire import utc

START = utc("2025-01-27 21:10")


def played(runs: Runs, events: list[Event]) -> list[Announcement]:
    return [said for one in events for said in runs.observe(one, one.received)]


def names(said: list[Announcement]) -> list[str]:
    return [one.channel.removeprefix("relay:run:") + (f" {one.phase}" if one.phase else "") for one in said]


def minutes(number: float) -> datetime:
    return START + timedelta(minutes=number)


def only_run(runs: Runs) -> Any:
    (run,) = runs.recent()
    return run
