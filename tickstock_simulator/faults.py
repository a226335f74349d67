"""The faults that can be asked for, by name, and what an argument means to each.

Only the list and its parsing: what a fault does is written where it happens (disturbance, traffic, the API).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from tickstock_simulator.wire import PHASES


class Argument(Enum):
    """What may follow a fault's name."""

    NOTHING = ""
    NUMBER = "[:NUMBER]"
    PHASE = ":PHASE"
    PHASE_AND_NUMBER = ":PHASE[:SECONDS]"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: its argument, the number when none is given, and what it does."""

    argument: Argument
    default: float | None
    help: str


FAULTS: dict[str, Kind] = {
    "never-starts": Kind(Argument.NOTHING, None, "no run starts by itself; a manual trigger still works"),
    "stall": Kind(
        Argument.PHASE_AND_NUMBER, None, "the phase stops half-way, for SECONDS (simulated) or until cleared"
    ),
    "error-burst": Kind(Argument.NUMBER, 50, "the same error NUMBER times within seconds"),
    "malformed": Kind(Argument.NOTHING, None, "messages that are not JSON objects"),
    "older-names": Kind(Argument.NOTHING, None, "event names and numbers of earlier releases"),
    "streaming": Kind(Argument.NOTHING, None, "a streaming session: health, detections, monitoring"),
    "ticks": Kind(Argument.NUMBER, 64, "market ticks, NUMBER a real second"),
    "no-completion": Kind(Argument.NOTHING, None, "the run ends without processing_completed"),
    "api-down": Kind(
        Argument.NUMBER, None, "the API refuses connections, for NUMBER simulated seconds or until cleared"
    ),
    "api-slow": Kind(Argument.NUMBER, 5, "the API answers NUMBER real seconds late"),
    "fails-at": Kind(Argument.PHASE, None, "the run fails half-way through the phase"),
    "zero-results": Kind(Argument.NOTHING, None, "the run completes and has done nothing"),
    "low-success": Kind(Argument.NUMBER, 62.5, "the run completes with a success rate of NUMBER percent"),
    "too-fast": Kind(Argument.NOTHING, None, "every phase takes a tenth of its time (from the next run on)"),
    "missing-phase": Kind(Argument.PHASE, None, "the phase publishes no events"),
    "out-of-order": Kind(Argument.NOTHING, None, "phases end after the next one has started"),
    "overlap": Kind(Argument.NOTHING, None, "a second run starts a minute after the first"),
    "wrong-clock": Kind(Argument.NOTHING, None, "times are New York's, with a Z appended"),
    "no-run-id": Kind(Argument.NOTHING, None, "no event carries a run_id"),
    "cancelled": Kind(Argument.NOTHING, None, "the run is cancelled half-way"),
    "duplicate-patterns": Kind(Argument.NOTHING, None, "each pattern appears on :detected and on :streaming"),
    "flapping-health": Kind(Argument.NOTHING, None, "streaming health with nothing and with real values in turn"),
    "events-silent": Kind(Argument.NOTHING, None, "the API shows a run, and no event is published"),
    "html-in-error": Kind(Argument.NOTHING, None, "an error whose message holds a <script>"),
}
ALIASES = {"fast-restart": "overlap"}
# These happen at one moment: half-way through a run's first phase, or at once when injected into a running simulator.
ONE_SHOT = frozenset({"error-burst", "malformed", "html-in-error"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as asked for."""

    name: str
    phase: str | None = None
    number: float | None = None

    def __str__(self) -> str:
        parts = [self.name, self.phase, None if self.number is None else f"{self.number:g}"]
        return ":".join(part for part in parts if part is not None)


def parse_fault(text: str) -> Fault:
    """`NAME[:ARG]` as on the command line.

    Raises:
        ValueError: the name is unknown or the argument does not fit it; says what would be right.
    """
    given, *arguments = text.strip().split(":")
    name = ALIASES.get(given, given)
    kind = FAULTS.get(name)
    if kind is None:
        raise ValueError(f"there is no fault {given!r}; there are: {', '.join(FAULTS)}")
    usage = f"{name}{kind.argument.value}"
    phase = None
    if kind.argument in (Argument.PHASE, Argument.PHASE_AND_NUMBER):
        phase = arguments.pop(0) if arguments else None
        if phase not in PHASES:
            raise ValueError(f"{text!r}: write {usage}, PHASE one of {', '.join(PHASES)}")
    number = kind.default
    if arguments and kind.argument in (Argument.NUMBER, Argument.PHASE_AND_NUMBER):
        number = _positive(arguments.pop(0), text, usage)
    if arguments:
        raise ValueError(f"{text!r}: too much after the name; write {usage}")
    return Fault(name, phase, number)


def _positive(given: str, text: str, usage: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError(f"{text!r}: {given!r} is not a number of 0 or more; write {usage}")
    return number


class Faults:
    """The faults in force; one of each name and phase, the last one asked for."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._active: dict[tuple[str, str | None], Fault] = {}
        for text in texts:
            self.add(parse_fault(text))

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __str__(self) -> str:
        return ", ".join(self.names()) or "none"

    def names(self) -> list[str]:
        """As on the command line, in the order in which they were added."""
        return [str(fault) for fault in self._active.values()]

    def add(self, fault: Fault) -> None:
        """Puts a fault in force."""
        self._active[fault.name, fault.phase] = fault

    def clear(self) -> None:
        """Ends them all."""
        self._active.clear()

    def discard(self, name: str) -> None:
        """Ends every fault of that name."""
        for key in [key for key in self._active if key[0] == name]:
            del self._active[key]

    def get(self, name: str, phase: str | None = None) -> Fault | None:
        """The fault of that name (and phase, when one is given), if it is in force."""
        for (active, where), fault in self._active.items():
            if active == name and phase in (None, where):
                return fault
        return None
