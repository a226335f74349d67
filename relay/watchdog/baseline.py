"""What is usual: median and median deviation of the last runs, and a sentence about what is not.

Pure arithmetic on the runs that are remembered; nothing is learned that cannot be said in one line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from relay.config.watchdog import LearnedOptions
from relay.events import Phase
from relay.events.wording import between, duration, figure
from relay.runs.run import Run
from relay.runs.signals import State
from relay.watchdog.soundness import is_sound

MAD_TO_SIGMA = 1.4826
"""For normally spread values, so many median deviations are one standard deviation."""
SPREAD = 3.0
"""Standard deviations around the median that are still usual."""
LEAST_SPREAD = 0.05
"""Of the median: what never varied must not make a second's difference remarkable."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What a number usually is."""

    median: float
    low: float
    high: float
    runs: int


def usual(values: Iterable[float], options: LearnedOptions) -> Usual | None:
    """The usual band of `values`; None when there are too few of them."""
    known = sorted(values)
    if not options.enabled or len(known) < options.min_runs:
        return None
    middle = median(known)
    deviation = median(abs(value - middle) for value in known) * MAD_TO_SIGMA
    reach = SPREAD * max(deviation, LEAST_SPREAD * middle)
    return Usual(middle, max(0.0, middle - reach), middle + reach, len(known))


class Baseline:
    """What is usual for runs like one that is looked at."""

    def __init__(self, options: LearnedOptions, runs: Iterable[Run], like: Run) -> None:
        """Compare with the scheduled runs of the last `options.days` days before `like` that have a sound result.

        Others teach nothing: neither a series of bad results, nor an end that was only guessed, becomes what is usual.
        """
        self._options = options
        since = like.began - timedelta(days=options.days * 7 / 5 + 3)  # trading days, and a long weekend
        before = [run for run in runs if run is not like and since <= run.began < like.began]
        comparable = [run for run in before if is_sound(run) and run.is_scheduled and not run.is_guessed]
        same_universe = [run for run in comparable if run.universe in (like.universe, None)]
        self._runs = same_universe[: options.days]

    def duration(self) -> Usual | None:
        """Seconds of a whole run."""
        return usual((run.duration_seconds for run in self._runs if run.duration_seconds), self._options)

    def phase(self, phase: Phase) -> Usual | None:
        """Seconds of a phase."""
        phases = (run.phases.get(phase) for run in self._runs)
        durations = (its.duration_seconds for its in phases if its is not None and its.state is State.COMPLETED)
        return usual((seconds for seconds in durations if seconds), self._options)

    def count(self, name: str) -> Usual | None:
        """One of a run's counts, such as `patterns_detected`."""
        counts = (getattr(run, name) for run in self._runs if not _is_of_progress(run, name))
        return usual((number for number in counts if number is not None), self._options)

    def remark_on_duration(self, what: str, seconds: float, band: Usual | None) -> tuple[str, str] | None:
        """`("slow" | "fast", sentence)` when `seconds` is unusual by both the factor and the spread."""
        if band is None or band.median <= 0:
            return None
        factor = seconds / band.median
        numbers = f"usually {between(band.low, band.high)}, median {duration(band.median)} of {band.runs} runs"
        if factor > self._options.slower and seconds > band.high:
            return "slow", f"{what} took {duration(seconds)}, {factor:.1f} times as long as usual ({numbers})."
        if factor < self._options.faster and seconds < band.low:
            return "fast", f"{what} took only {duration(seconds)}, {factor:.0%} of the usual time ({numbers})."
        return None

    def remark_on_count(self, what: str, number: float, band: Usual | None) -> str | None:
        """A sentence when `number` is unusually small."""
        if band is None or number >= band.low or number >= self._options.fewer * band.median:
            return None
        return f"{figure(number)} {what}, usually {figure(band.median)} (median of {band.runs} runs)."


def _is_of_progress(run: Run, name: str) -> bool:
    """Whether the run was heard in part only, and the count may be the last that progress told before a gap."""
    phases = run.phases.values() if run.had_gap else ()
    return any(getattr(its, name) == getattr(run, name) and name not in its.reported_counts for its in phases)
