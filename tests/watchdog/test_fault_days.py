"""All alerts and incidents of the days with a fault, held to the letter against one file."""

import json
from collections.abc import Iterator

from relay.events import Announcement
from tests.support.stand_in import day_of
from tests.support.written import assert_as_written
from tests.watchdog.test_simulated_faults import EXPECTED


def _lines(announcement: Announcement) -> Iterator[str]:
    yield f"  {announcement.channel} {announcement.event} {announcement.severity.label}"
    for key, value in sorted(announcement.payload.items()):
        yield f"    {key}: {json.dumps(value, sort_keys=True, ensure_ascii=False)}"


def _day(fault: str) -> Iterator[str]:
    yield fault
    around = day_of(fault)
    alerts = [each for each in around.announcements if each[1].channel.startswith("relay:alert:")]
    incidents = [each for each in around.incident_events if each not in alerts]
    for at, announcement in sorted([*alerts, *incidents], key=lambda each: each[0]):
        yield f" {at:%a %H:%M:%S}"
        yield from _lines(announcement)


def test_each_day_with_a_fault_is_announced_as_it_is_written_down() -> None:
    assert_as_written("\n".join(line for fault in EXPECTED for line in _day(fault)) + "\n", "fault_days.txt")
