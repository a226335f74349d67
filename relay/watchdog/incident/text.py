"""What the words of an incident are made of: names, moments, phases and counts as they stand in sentences. Pure.

Plain text throughout: whoever shows it escapes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from relay.events import Phase
from relay.events.wording import clock_time, day_name, duration, figure
from relay.runs.findings import Usable
from relay.runs.run import PhaseRun, Run
from relay.runs.signals import State
from relay.watchdog import data_sentences
from relay.watchdog.incident.record import ErrorGroup
from relay.watchdog.result_check import data_usable

TRIGGER = "tickstock-relay trigger"


@dataclass(frozen=True, slots=True)
class Action:
    """One step of what to do; `command` is to be copied."""

    text: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """Whether the day's data is usable: the word, and what is missing or complete."""

    word: Usable
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """One state of an incident for people. `short` is the cause on a lock screen, `moment` when it happened."""

    title: str
    cause: str
    data: Data
    actions: tuple[Action, ...] = ()
    short: str = ""
    moment: datetime | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the words need beside the alert. `usual` is how long a run usually takes, in seconds."""

    now: datetime
    day: date | None = None
    run: Run | None = None
    last_good: date | None = None
    usual: float | None = None
    error: ErrorGroup | None = None

    @property
    def of_day(self) -> str:
        """`27 Jan`, or `the day`."""
        return short_day(self.day) if self.day else "the day"

    @property
    def last_good_sentence(self) -> str:
        """Which day is the last with all data, if that is known."""
        return f"The last day with all data is {day_name(self.last_good)}." if self.last_good else ""


def day_of(text: object) -> date | None:
    """The day that a `run_date` names."""
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def short_day(day: date) -> str:
    """`27 Jan`."""
    return f"{day.day} {day:%b}"


def minute(moment: datetime) -> str:
    """`16:42 EST`."""
    return clock_time(moment, moment, named=True)


def second(moment: datetime) -> str:
    """`16:42:00 EST`."""
    return clock_time(moment, moment, seconds=True, named=True)


def error_name(group: ErrorGroup) -> str:
    """`40 x RATE_LIMIT_EXCEEDED in data_import`; without the number where there is one."""
    times = f"{figure(group.count)} \N{MULTIPLICATION SIGN} " if group.count > 1 else ""
    return f"{times}{group.code}{f' in {group.where}' if group.where else ''}"


def joined(names: Sequence[str]) -> str:
    """`import, cache and indicators`."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), *names[-1:]])


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    stop = "" if not text or text.endswith((".", "!", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{stop}"


def uncapitalised(title: str) -> str:
    """`run of Mon 27 Jan failed`; names stay as they are."""
    first = title.partition(" ")[0]
    return title if first.startswith("TickStock") or first[1:] != first[1:].lower() else title[:1].lower() + title[1:]


def sentences(*texts: str) -> str:
    """Those that say something, one behind the other."""
    return " ".join(text for text in texts if text)


def where_of(run: Run | None) -> Phase | None:
    """The phase that a run is in, or in which it ended early."""
    if run is None:
        return None
    ended = (State.FAILED, State.CANCELLED, State.STALLED)
    return run.current_phase or next((phase for phase, course in run.phases.items() if course.state in ended), None)


def symbols_done(course: PhaseRun | None) -> str:
    """`241 of 505`; empty when it is not known."""
    if course is None or course.symbols_processed is None or not course.symbols_total:
        return ""
    return f"{figure(course.symbols_processed)} of {figure(course.symbols_total)}"


def progress_of(course: PhaseRun | None) -> str:
    """`47.7 % (241 of 505 symbols)`; empty when it is not known."""
    if course is None or course.percent is None:
        return ""
    done = symbols_done(course)
    return f"{figure(course.percent)} %{f' ({done} symbols)' if done else ''}"


def not_yet(run: Run) -> Data:
    """While it goes on."""
    return Data(Usable.NOT_YET, data_sentences.unfinished(run))


def of_result(run: Run, facts: Facts) -> Data:
    """What its result means for the day."""
    usable = data_usable(run)
    is_good = usable.word is Usable.YES
    return Data(usable.word, usable.reason if is_good else sentences(usable.reason, facts.last_good_sentence))


def again(facts: Facts, text: str = "Run the day again.") -> Action:
    """Start the run by hand."""
    usual = f" It usually takes {duration(facts.usual)}." if facts.usual else ""
    return Action(f"{text}{usual}", TRIGGER)


def moment_of(text: object) -> datetime | None:
    """A moment among an alert's facts."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None
