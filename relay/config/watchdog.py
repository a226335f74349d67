"""When the watchdog speaks: every limit that config.yaml may set under `watchdog`, with its default.

The defaults are those that operators of TickStockPL use (wire notes, "What went wrong in practice").
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from relay.events import Phase
from relay.schedule.timetable import Calendar, Timetable
from sinks.options import Duration, Options, known_zone

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock_text(value: object) -> object:
    """YAML reads an unquoted 16:10 as a number to the base of 60."""
    return f"{value // 60:02}:{value % 60:02}" if type(value) is int else value


Clock = Annotated[str, BeforeValidator(_clock_text), StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""A local time of day, `HH:MM`."""


class ScheduleOptions(Options):
    """When a run is due; what the API's schedule says wins when it answers."""

    trigger_time: Clock = Field("16:10", description="Local time of the daily run, HH:MM.")
    timezone: str = Field("America/New_York", description="Zone of the trigger time.")
    calendar: Calendar = Field(
        Calendar.XNYS, description="XNYS: trading days of the New York Stock Exchange (half days too); none: every day."
    )

    _zone = field_validator("timezone")(known_zone)

    @property
    def timetable(self) -> Timetable:
        """The same as a timetable."""
        return Timetable(time.fromisoformat(self.trigger_time), self.timezone, self.calendar)


class PhaseLimits(Options):
    """How long a phase may take before it is said, while it still runs."""

    import_: Duration = Field(1800.0, gt=0, alias="import", description="Limit of the import phase.")
    cache: Duration = Field(1800.0, gt=0, description="Limit of the cache phase.")
    indicators: Duration = Field(1800.0, gt=0, description="Limit of the indicators phase.")
    patterns: Duration = Field(1800.0, gt=0, description="Limit of the patterns phase.")

    def of(self, phase: Phase) -> float:
        """Seconds."""
        limits = {
            Phase.IMPORT: self.import_,
            Phase.CACHE: self.cache,
            Phase.INDICATORS: self.indicators,
            Phase.PATTERNS: self.patterns,
        }
        return limits[phase]


class QualityOptions(Options):
    """What a run that calls itself completed must have achieved."""

    success_rate: float = Field(90.0, ge=0, le=100, description="Percent of symbols that went well; below: critical.")
    import_success_rate: float = Field(80.0, ge=0, le=100, description="The same for the import, which then failed.")
    min_symbols: int = Field(1, ge=0, description="Symbols that a run must process.")
    min_indicators: int = Field(1, ge=0, description="Indicators that a run with that phase must calculate.")
    min_patterns: int = Field(1, ge=0, description="Patterns that a run with that phase must detect.")


class RateOptions(Options):
    """How many errors are too many. Exceeding any of them is one and the same alert."""

    per_minute: int = Field(10, ge=1, description="Errors within a minute that are still normal.")
    per_category: int = Field(5, ge=1, description="Errors of one category within `window` that are still normal.")
    per_symbol: int = Field(3, ge=1, description="Errors for one symbol within `window` that are still normal.")
    window: Duration = Field(300.0, gt=0, description="The span for `per_category` and `per_symbol`.")
    resolved_after: Duration = Field(300.0, ge=0, description="Quiet that ends the alert.")


class LevelOptions(Options):
    """A level that must not be passed for long."""

    above: float | None = Field(None, description="It is bad above this.")
    below: float | None = Field(None, description="It is bad below this.")
    severity: Literal["warning", "error", "critical"] = Field("warning", description="How bad.")
    when: Literal["always", "market_open"] = Field("always", description="When it counts.")
    for_at_least: Duration = Field(60.0, ge=0, description="How long without a break before it is an alert.")
    resolved_after: Duration = Field(120.0, ge=0, description="How long it must be good again, without a break.")

    @model_validator(mode="after")
    def _one_side(self) -> "LevelOptions":
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below")
        return self

    def is_passed_by(self, number: float) -> bool:
        """Whether `number` is bad."""
        return number > self.above if self.above is not None else self.below is not None and number < self.below


def _usual_levels() -> dict[str, "LevelOptions"]:
    return {
        "cpu_percent": LevelOptions(above=90),
        "memory_percent": LevelOptions(above=85),
        "health_score": LevelOptions(below=70),
        "lag_ms": LevelOptions(above=200),
        "lag_ms critical": LevelOptions(above=1000, severity="critical"),
        "ticks_per_second": LevelOptions(below=0.001, severity="error", when="market_open"),
        "active_symbols": LevelOptions(below=1, severity="error", when="market_open"),
    }


class LearnedOptions(Options):
    """What is usual, by runs with sound results, remembered or from the API's history: median and median deviation."""

    enabled: bool = Field(True, description="Whether unusual durations and counts are reported.")
    days: int = Field(20, ge=3, le=250, description="Runs of so many days are looked at.")
    min_runs: int = Field(5, ge=3, description="Off until there are so many runs to compare with.")
    slower: float = Field(1.5, gt=1, description="So many times the median, and outside the usual spread, is slow.")
    faster: float = Field(0.5, gt=0, lt=1, description="So much of the median, and outside the usual spread, is fast.")
    fewer: float = Field(0.5, gt=0, lt=1, description="So much of the median count is too few results.")


class MaintenanceOptions(Options):
    """A window in which nobody is told of alerts and errors, as by a silence; what lasts is told at its end."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(
        [], description="Weekly on these days; give `days` or `date`."
    )
    on: date | None = Field(None, alias="date", description="Once, on this day.")
    from_: Clock = Field("00:00", alias="from", description="Local time at which it begins, HH:MM.")
    lasting: Duration = Field(86400.0, gt=0, le=86400.0 * 14, description="How long it lasts.")
    timezone: str = Field("America/New_York", description="Zone of `from`.")
    comment: str = Field("", description="Why.")

    _zone = field_validator("timezone")(known_zone)

    @model_validator(mode="after")
    def _weekly_or_once(self) -> "MaintenanceOptions":
        if bool(self.days) == (self.on is not None):
            raise ValueError("give either days (weekly) or date (once)")
        return self

    def covering(self, now: datetime) -> tuple[datetime, datetime] | None:
        """From when to when the window is that `now` lies in, in UTC; None: in none."""
        zone, begins = ZoneInfo(self.timezone), time.fromisoformat(self.from_)
        today = now.astimezone(zone).date()
        back = range(int(self.lasting // 86400) + 2)
        for day in [self.on] if self.on else [today - timedelta(days=n) for n in back]:
            start = datetime.combine(day, begins, zone)
            is_its_day = self.on is not None or WEEKDAYS[day.weekday()] in self.days
            if is_its_day and 0 <= (now - start).total_seconds() < self.lasting:
                begin = start.astimezone(UTC)
                return begin, begin + timedelta(seconds=self.lasting)
        return None


class WatchdogOptions(Options):
    """What is alerted, and when."""

    enabled: bool = Field(True, description="Whether to watch at all; without it, events are still passed on.")
    schedule: ScheduleOptions = Field(ScheduleOptions(), description="When a run is due.")
    poll_interval: Duration = Field(30.0, ge=1, description="How often the API is polled.")
    start_grace: Duration = Field(300.0, ge=0, description="A run that has not started by then is late: critical.")
    finish_grace: Duration = Field(5400.0, gt=0, description="A run still going on so long after it was due.")
    stall_after: Duration = Field(300.0, gt=0, description="A phase without progress for so long has stalled.")
    silent_after: Duration = Field(
        300.0, gt=0, description="No event of any kind for so long during a run is reported."
    )
    api_unreachable_after: Duration = Field(
        180.0, ge=0, description="An API that does not answer for so long is reported."
    )
    api_back_after: Duration = Field(60.0, ge=0, description="It must answer for so long before that is over.")
    events_missing_after: Duration = Field(
        120.0, gt=0, description="The API shows a run, and no event of it comes for so long: are events missing?"
    )
    phase_limits: PhaseLimits = Field(
        PhaseLimits(),
        description="How long each phase may take; once it is known to take longer, it may.",
    )
    quality: QualityOptions = Field(QualityOptions(), description="What a completed run must have achieved.")
    errors: RateOptions = Field(RateOptions(), description="How many errors are too many.")
    levels: dict[str, LevelOptions] = Field(
        _usual_levels(),
        description="Levels in monitoring and streaming health events, by the name of the number there; a word "
        "behind a space tells two limits of one number apart. What is given here replaces or adds to the defaults.",
    )
    learned: LearnedOptions = Field(LearnedOptions(), description="What is usual, and what is not.")
    auto_trigger: bool = Field(
        False, description="Start a run that never started, once a day, by the API; the market check is left on."
    )
    maintenance: list[MaintenanceOptions] = Field(
        [], description="Windows in which nobody is told of alerts and errors."
    )

    @field_validator("levels", mode="before")
    @classmethod
    def _beside_the_usual(cls, given: Any) -> Any:
        return {**_usual_levels(), **given} if isinstance(given, dict) else given
