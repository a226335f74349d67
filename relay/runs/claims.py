"""When an event says that it happened: what publishers' clocks, and events that are sent again, make of it. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from relay.events import Event, Mark
from relay.events.values import moment
from relay.events.wording import NEW_YORK

STALE = timedelta(hours=12)
"""What claims to be older was sent again, or comes from a broken clock; no time zone of America explains it."""
AHEAD = timedelta(minutes=5)
"""A clock may be so much ahead of ours."""


class SentAgain(msgspec.Struct, frozen=True):
    """Old events that came once more: of which day, and when they came first."""

    day: date
    received: datetime


def claimed_at(event: Event) -> datetime | None:
    """The time that the event claims, whether it can be true or not; None when it claims none."""
    return None if event.has(Mark.UNDATED) else event.timestamp


def readings(claimed: datetime) -> tuple[datetime, datetime]:
    """What a claimed time can mean: as written, and its digits as New York time (some append `Z` to local time)."""
    return claimed, claimed.replace(tzinfo=NEW_YORK).astimezone(UTC)


def reported_date(payload: Mapping[str, Any]) -> date | None:
    """The day that a payload's `run_date` names."""
    found = payload.get("run_date")
    read = moment(found[:10]) if isinstance(found, str) else None
    return read.date() if read is not None else None


def is_stale(event: Event) -> bool:
    """Whether the event was sent again long after it happened. A `run_date` of today outweighs a broken clock."""
    if event.received - event.timestamp < STALE:
        return False
    return reported_date(event.payload) != event.received.astimezone(NEW_YORK).date()


def sent_again(event: Event) -> SentAgain:
    """What is to be known of a stale event."""
    return SentAgain(reported_date(event.payload) or event.timestamp.astimezone(NEW_YORK).date(), event.received)
