"""Pages from the templates in `templates/`. Every text is escaped; Jinja2 is imported when the first page is asked for.

Templates are given plain facts and decide nothing but how these stand on the page.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from relay.events.wording import between, clock_time, duration, figure, percent, usually
from relay.web.assets import address

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control characters, and those that hide text or turn its direction round."""


def render(template: str, **context: Any) -> str:
    """The template with these facts."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - most relays serve no page

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"duration": duration, "figure": figure, "percent": percent}
    environment.globals |= {"between": between, "usually": usually, "asset": address}
    return environment


def _visible(value: object) -> object:
    """What cannot be seen, or would steer what is around it, is shown as a sign of its own."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return _UNSEEN.sub("\ufffd", value)
    return value


@dataclass(frozen=True, slots=True)
class Clock:
    """How moments are written on a page that is made at `now`, in the schedule's zone."""

    now: datetime
    zone: ZoneInfo

    def short(self, at: datetime) -> str:
        """`16:42:00`; of another day `Wed 22 Jan 16:45:00`."""
        return clock_time(at, self.now, zone=self.zone, seconds=True)

    def clock(self, at: datetime) -> str:
        """`16:42`, whatever the day is."""
        return clock_time(at, at, zone=self.zone)

    def minute(self, at: datetime) -> str:
        """`16:42`; of another day `Wed 22 Jan 16:42`."""
        return clock_time(at, self.now, zone=self.zone)

    def named(self, at: datetime) -> str:
        """`16:42 EST`."""
        return clock_time(at, self.now, zone=self.zone, named=True)

    def both(self, at: datetime) -> str:
        """`16:42 EST (21:42 UTC)`."""
        return clock_time(at, self.now, zone=self.zone, utc=True)

    def full(self, at: datetime) -> str:
        """`Mon 27 Jan 16:42:00 EST (21:42:00 UTC)`, for who points at a time."""
        return clock_time(at, zone=self.zone, seconds=True, utc=True)

    def range(self, began: datetime, ended: datetime) -> str:
        """`Mon 27 Jan 16:10 to 16:42 EST (21:10 to 21:42 UTC)`."""
        first, last = clock_time(began, zone=self.zone), clock_time(ended, began, zone=self.zone, named=True)
        in_utc = f"{clock_time(began, began, zone=UTC)} to {clock_time(ended, ended, zone=UTC, named=True)}"
        return f"{first} to {last} ({in_utc})"

    def run(self, at: datetime) -> str:
        """`Today 16:10`, `Fri 24 Jan 16:10`: a run by its begin."""
        shown = clock_time(at, self.now, zone=self.zone)
        return f"Today {shown}" if at.astimezone(self.zone).date() == self.now.astimezone(self.zone).date() else shown

    def month(self, text: str) -> str:
        """`Jan 2025` of `2025-01`."""
        return f"{datetime.strptime(text, '%Y-%m').replace(tzinfo=self.zone):%b %Y}"

    def day(self, at: datetime) -> str:
        """`24 Jan`."""
        here = at.astimezone(self.zone)
        return f"{here.day} {here:%b}"

    def since(self, at: datetime) -> str:
        """How long ago it was."""
        return duration((self.now - at).total_seconds())

    def until(self, at: datetime) -> str:
        """How long it is until then."""
        return duration((at - self.now).total_seconds())

    def zone_words(self, at: datetime) -> str:
        """`America/New_York (EST)`."""
        return f"{self.zone.key} ({at.astimezone(self.zone):%Z})"
