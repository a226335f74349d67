"""What the check of an ended run can find, and the words for whether the day's data is usable. Plain data.

What is found is decided in `relay.watchdog.result_findings`, what follows from it in `relay.watchdog.result_check`.
"""

from enum import StrEnum

import msgspec

from relay.events import Severity


class Usable(StrEnum):
    """Whether a day's data can be used: the word that page, Slack, metrics and command line show."""

    NO = "No"
    UNKNOWN = "Unknown"
    PARTLY = "Partly"
    NOT_YET = "Not yet"
    YES = "Yes"
    NOT_AFFECTED = "Not affected"

    @property
    def gauge(self) -> float | None:
        """The word as a metric's value; None when there is nothing to show."""
        return _GAUGES.get(self)

    @property
    def short(self) -> str:
        """The word as a sentence of its own, for a lock screen; empty when the data is not affected."""
        return _SHORT[self]


_GAUGES = {Usable.YES: 1.0, Usable.PARTLY: 0.5, Usable.NO: 0.0}
_SHORT = {
    Usable.NO: "The day's data is not usable.",
    Usable.UNKNOWN: "Whether the day's data is usable is not known.",
    Usable.PARTLY: "The day's data is partly usable.",
    Usable.NOT_YET: "The day's data is not complete yet.",
    Usable.YES: "The day's data is usable.",
    Usable.NOT_AFFECTED: "",
}


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a run. `name` is the alert's, `sentence` for people."""

    name: str
    severity: Severity
    title: str
    sentence: str
    about: str = ""
    """What it is about, where that is more than the run: `patterns`, the names of phases."""
