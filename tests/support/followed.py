"""Runs that are heard of, for the tests that follow them."""

from datetime import datetime, timedelta
from typing import Any

from relay.events import Announcement, Event
from relay.runs.runs import Runs
from tests.support.wire import utc

START = utc("2025-01-27 21:10")


def played(runs: Runs, events: list[Event]) -> list[Announcement]:
    return [announcement for one in events for announcement in runs.observe(one, one.received)]


def names(announcements: list[Announcement]) -> list[str]:
    return [
        announcement.channel.removeprefix("relay:run:") + (f" {announcement.phase}" if announcement.phase else "")
        for announcement in announcements
    ]


def minutes(number: float) -> datetime:
    return START + timedelta(minutes=number)


def only_run(runs: Runs) -> Any:
    (run,) = runs.newest_first()
    return run
