"""How TickStockPL writes: one step of its traffic, the contract's envelope, its times and its symbols.

Bodies hold `At` and `Span` where a time stands; `Ink` knows the clock and writes them out last, so that the
generators stay pure and a stall moves every later time and duration. It must not know Redis or HTTP.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
PHASES = ("import", "cache", "indicators", "patterns")
SYMBOLS_IN_A_RUN = 505

Kind = Literal["run_started", "started", "progress", "item", "completed", "run_completed", "error", "other"]
Json = dict[str, Any]

_KNOWN = """AAPL MSFT GOOGL AMZN NVDA META TSLA BRK.B UNH JNJ JPM V PG XOM HD CVX MA ABBV PFE AVGO COST PEP KO TMO
WMT CSCO MCD ABT CRM ACN DHR ADBE LIN VZ NKE TXN NEE WFC DIS PM"""


@dataclass(frozen=True, slots=True)
class At:
    """A moment, in simulated seconds after the start of the run or of the traffic."""

    offset: float


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time in simulated seconds; it grows with the delays of `of`: a phase, the "run", or nothing."""

    seconds: float
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that TickStockPL publishes.

    `offset` is in simulated seconds, `done` the share of the phase that lies behind (0 to 1). A `body` of bytes
    goes out as it is.
    """

    channel: str
    body: Json | bytes
    offset: float
    phase: str | None = None
    kind: Kind = "other"
    done: float = 0.0


class Message(NamedTuple):
    """What reaches Redis: the channel, the bytes, and the simulated seconds after the start."""

    channel: str
    body: bytes
    offset: float


@dataclass(slots=True)
class Ink:
    """Writes steps out: claimed times from `stamp`, durations times `scale`, both later by `delays` (per phase)."""

    stamp: Callable[[float], datetime]
    scale: float = 1.0
    delays: dict[str, float] = field(default_factory=dict)
    local_z: bool = False

    @property
    def delay(self) -> float:
        """All simulated seconds lost so far."""
        return sum(self.delays.values())

    def write(self, step: Step) -> Message:
        """The step as it goes to Redis."""
        body = step.body if isinstance(step.body, bytes) else json.dumps(step.body, default=self._value).encode()
        return Message(step.channel, body, step.offset + self.delay)

    def _value(self, value: object) -> str | float:
        if isinstance(value, At):
            moment = self.stamp(value.offset + self.delay)
            return iso(moment.astimezone(NEW_YORK)) if self.local_z else iso(moment.astimezone(UTC))
        if isinstance(value, Span):
            late = self.delay if value.of == "run" else self.delays.get(value.of or "", 0.0)
            return whole((value.seconds + late) * self.scale)
        raise TypeError(f"no way to write {value!r}")


def iso(moment: datetime) -> str:
    """The contract's form, `2025-01-26T21:10:00Z`; fractions only where there are any. The zone is not converted."""
    fractions = "milliseconds" if moment.microsecond >= 1000 else "seconds"  # one millisecond
    return moment.replace(tzinfo=None).isoformat(timespec=fractions) + "Z"


def whole(number: float) -> float:
    """An integer where it is one, as JSON from a Python program shows it, else three digits."""
    rounded = round(number, 3)
    return int(rounded) if rounded == int(rounded) else rounded


def envelope(event: str, source: str, payload: Json, offset: float) -> Json:
    """The contract's canonical envelope."""
    return {"event": event, "timestamp": At(offset), "source": source, "version": "1.0", "payload": payload}


def symbols(count: int = SYMBOLS_IN_A_RUN) -> list[str]:
    """`count` distinct ticker symbols, always the same ones."""
    found = dict.fromkeys(_KNOWN.split())
    dice = random.Random(505)  # noqa: S311 - names, not secrets
    while len(found) < count:
        found["".join(dice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=dice.choice((3, 4))))] = None
    return list(found)[:count]
