"""What is happening now: runs and phases, followed from events in whatever order and shape they come.

Pure: `now` is passed in, what changed is handed back as announcements on `relay:run:*`, and what must outlive a restart
goes on a shelf. When a run is due, and whether one was any good, is for the watchdog.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from relay.events import NOT_REAL, Announcement, Event, Kind, Mark
from relay.events.values import text
from relay.events.wording import NEW_YORK
from relay.redaction.built_in import shortened
from relay.runs.attribution import YOUNG, begins_run, meant
from relay.runs.claims import STALE, claimed_at, is_stale
from relay.runs.ledger import GIVEN_UP, Ledger
from relay.runs.loose_events import STRAY_SPAN, LooseEvents
from relay.runs.phases import end_phases, final_state, observe_phase, reopen_phases
from relay.runs.run import Run, believable_duration
from relay.runs.signals import Signal, State, Verb, says_why, signal_of
from relay.runs.transitions import of_run
from relay.store.shelf import Shelf

MAX_OPEN = 16
UNHEARD = timedelta(hours=12)
"""A run of which nothing was heard for so long is over, whatever became of it."""
IGNORED = NOT_REAL | Mark.RECONSTRUCTED


class Runs:
    """Follows runs. `observe` costs some microseconds for progress, and asks nothing of kinds that `wants` refuses."""

    def __init__(self, shelf: Shelf, *, keep: int = 260) -> None:
        """Go on from what is on `shelf`; `keep` runs are remembered: a year of trading days."""
        self._ledger = Ledger(shelf, keep)
        self.last_event_at: datetime | None = None
        """When any event, of a run or not, was last received."""
        self.loose = LooseEvents()

    @staticmethod
    def wants(kind: Kind) -> bool:
        """Whether `observe` needs to see events of this kind; the same answer for a kind for ever."""
        return signal_of(kind) is not None

    def count_received(self, now: datetime, count: int) -> None:
        """Some events of any kind were received."""
        if count > 0:
            self.last_event_at = now

    @property
    def open(self) -> list[Run]:
        """The runs that go on, the oldest first."""
        return self._ledger.open

    def newest_first(self) -> Iterator[Run]:
        """All runs that are remembered, open or ended."""
        return self._ledger.newest_first()

    @property
    def latest(self) -> Run | None:
        """The run that was entered last."""
        return self._ledger.latest

    def unnamed_id(self, began: datetime) -> str:
        """An id of our own for a run that began then and has none."""
        return self._ledger.own_id("unnamed", began)

    def rename(self, run: Run, run_id: str) -> None:
        """Give a run the id that it turned out to have."""
        self._ledger.rename(run, run_id)

    def get(self, run_id: str) -> Run | None:
        """The run of that id."""
        return self._ledger.get(run_id)

    def named(self, published_id: str | None, at: datetime | None = None) -> Run | None:
        """The run that events or the API call so, `at` that moment if one is given: several days' can share an id."""
        return self._ledger.named(published_id, at)

    def observe(self, event: Event, now: datetime) -> list[Announcement]:
        """Take one event; what it changed, in order."""
        signal = signal_of(event.kind)
        if signal is None or event.has(IGNORED):
            return []
        if is_stale(event) and not self._has_broken_clock(event):
            self.loose.note_sent_again(event)
            return []
        announcements: list[Announcement] = []
        run = self._attribute(event, signal, now, announcements)
        if run is not None:
            announcements += self._apply(run, event, signal, now)
        return announcements

    def run_of(self, event: Event, now: datetime) -> Run | None:
        """The run that an event belongs to which `observe` has seen; None: to none."""
        signal = signal_of(event.kind)
        if signal is None or event.has(IGNORED):
            return None
        own_id = text(event.payload.get("run_id"))
        return meant(self._ledger, signal, event, now, own_id or (text(event.run_id) if event.run_id else None))

    def _apply(self, run: Run, event: Event, signal: Signal, now: datetime) -> list[Announcement]:
        """What one event changes in its run."""
        announcements: list[Announcement] = []
        run.last_seen = max(run.last_seen, now)
        run.events += 1
        was_over = run.is_guessed and run.ended_at is not None and event.time > run.ended_at
        if was_over and signal.verb is not Verb.ERROR:
            announcements += _reopen(run)
        if signal.verb is Verb.ERROR:
            run.count_error(event)
        elif signal.phase is not None:
            announcements += observe_phase(run, signal, event, now)
        elif signal.verb is Verb.STARTED:
            self._started(run, event)
        elif signal.verb is Verb.ENDED:
            state = final_state(event.payload, signal.state)
            run.is_reconstructed = False
            announcements += self.end(run, state, now, ended_at=event.time, claims=event.payload)
        if announcements or not run.state.is_open or signal.verb is Verb.STARTED:
            self._ledger.save(run, now)
        else:
            self._ledger.save_sometimes(run, now)
        return announcements

    def tick(self, now: datetime) -> list[Announcement]:
        """Close runs of which nothing was heard for half a day."""
        announcements: list[Announcement] = []
        for run in self.open:
            if now - run.last_seen > UNHEARD:
                reason = "nothing was heard of it for 12 hours"
                announcements += self.end(run, State.FAILED, now, ended_at=run.last_seen, reason=reason)
        return announcements

    def missed_events(self, now: datetime) -> None:
        """The relay was not listening for a while until `now`: what open runs seem to lack may have been told then."""
        for run in self.open:
            run.had_gap = True
            self._ledger.save(run, now)

    def begin(self, run_id: str, now: datetime, started_at: datetime | None = None, **known: Any) -> Run:
        """Enter a new run; announcing it is the caller's. An id that another run has stays that run's."""
        is_taken = self.get(run_id) is not None or self.named(run_id) is not None
        run = Run(
            run_id=self._ledger.own_id(run_id, started_at or now) if is_taken else run_id,
            shared_id=run_id if is_taken else None,
            number=self._ledger.next_number,
            first_seen=now,
            last_seen=now,
            started_at=started_at,
            **known,
        )
        if run.run_date is None:
            run.run_date = run.began.astimezone(NEW_YORK).date().isoformat()
        self._ledger.add(run, now)
        return run

    def end(
        self,
        run: Run,
        state: State,
        now: datetime,
        *,
        ended_at: datetime,
        claims: Mapping[str, Any] | None = None,
        reason: str | None = None,
        followed_by: str | None = None,
    ) -> list[Announcement]:
        """End an open run in `state`; one that has ended stays as it is, unless that was a guess.

        `claims` are the numbers that came with the end, `reason` why the relay thinks that it is over, `followed_by`
        the run as which it began again.
        """
        corrected = run.is_guessed and reason is None
        if not run.state.is_open and not corrected:
            return []
        claims = claims or {}
        if corrected:
            reopen_phases(run)
        announcements = end_phases(run, state, now, ended_at, is_guess=reason is not None)
        run.state = state
        run.reason = reason or _reason(claims)
        run.is_guessed = reason is not None
        run.ended_at = ended_at
        run.followed_by = followed_by
        run.duration_seconds = believable_duration(
            claims.get("duration_seconds"), run.started_at, ended_at, seen_for=(now - run.first_seen).total_seconds()
        )
        if run.started_at is None and run.duration_seconds is not None:
            run.started_at = ended_at - timedelta(seconds=run.duration_seconds)
        run.conclude(claims)
        run.is_judged = reason == GIVEN_UP
        run.findings = None
        self._ledger.save(run, now)
        return [*announcements, of_run(run, state.value, corrected=corrected or None)]

    @property
    def unjudged(self) -> list[Run]:
        """Runs that have ended and whose result was not checked yet."""
        return self._ledger.unjudged

    def judged(self, run: Run, now: datetime) -> None:
        """The watchdog has looked at how good an ended run, or the ended phases of an open one, were."""
        for its in run.phases.values():
            its.is_judged = not its.state.is_open
        run.is_judged = not run.state.is_open
        self._ledger.save(run, now)

    def keep(self, run: Run, now: datetime) -> None:
        """Put a run that somebody else noted something on back on the shelf."""
        self._ledger.save(run, now)

    def stall(self, run: Run, now: datetime) -> list[Announcement]:
        """The watchdog finds that `run` does not get on."""
        if run.state is not State.RUNNING:
            return []
        run.state = State.STALLED
        if phase := run.current_phase:
            run.phases[phase].state = State.STALLED
        self._ledger.save(run, now)
        return [of_run(run, "stalled", phase=phase, last_symbol=run.last_symbol)]

    def _attribute(self, event: Event, signal: Signal, now: datetime, announcements: list[Announcement]) -> Run | None:
        """The run that the event is about: one that is known, or a new one."""
        is_start = begins_run(signal)
        own_id = text(event.payload.get("run_id"))
        any_id = own_id or (text(event.run_id) if event.run_id else None)
        run = meant(self._ledger, signal, event, now, any_id)
        if run is not None:
            if run.is_unnamed and any_id and (own_id or is_start):
                self._ledger.rename(run, any_id)
            return run
        if signal.verb is Verb.ERROR or signal.is_loose:
            return None
        if own_id is None and not is_start:
            return self._infer(event, now, announcements)
        run = self._begin(any_id, is_start, event, now, announcements)
        announcements += self._adopt_strays(run, now - YOUNG)
        return run

    def _infer(self, event: Event, now: datetime, announcements: list[Announcement]) -> Run | None:
        """A run that only events of its phases tell of, without an id: from the second one on."""
        if not self.loose.prove_a_run(event, now):
            return None
        first = self.loose.strays(now - STRAY_SPAN)[0]
        run = self._begin(None, False, first, first.received, announcements)
        announcements += self._adopt_strays(run, now - STRAY_SPAN)
        return run

    def _adopt_strays(self, run: Run, since: datetime) -> list[Announcement]:
        """The events that came before their run was known are its own."""
        announcements: list[Announcement] = []
        for event in self.loose.take_strays(since):
            if signal := signal_of(event.kind):
                announcements += self._apply(run, event, signal, event.received)
        return announcements

    def _has_broken_clock(self, event: Event) -> bool:
        """Whether it belongs to a run that goes on, all of whose events come from a clock that is days off."""
        own_id = text(event.payload.get("run_id"))
        run = self.named(own_id) if own_id else next((run for run in self.open if run.is_unnamed), None)
        if run is None or not run.state.is_open or run.claimed_at is None:
            return False
        return run.first_seen - run.claimed_at >= STALE

    def _begin(
        self, run_id: str | None, is_start: bool, event: Event, now: datetime, announcements: list[Announcement]
    ) -> Run:
        used = self.named(run_id)
        if run_id is None:
            announcements += self._end_unnamed(now)
        while len(self.open) >= MAX_OPEN:
            announcements += self._give_one_up(now)
        unnamed = self.unnamed_id(event.time)
        known = {"is_unnamed": run_id is None, "start_seen": is_start, "claimed_at": claimed_at(event)}
        run = self.begin(run_id or unnamed, now, event.time if is_start else None, **known)
        if is_start:
            run.describe(event.payload)
        else:
            run.take_date(event.payload)
        is_new_day = used is not None and run.has_reported_date and (run.run_date or "") > (used.run_date or "")
        run.is_id_used_again = used is not None and not is_new_day
        announcements.append(of_run(run, "started", inferred=None if is_start else True))
        return run

    def _end_unnamed(self, now: datetime) -> list[Announcement]:
        """A second run without a name: the first is over, or its events could not be told from the new one's."""
        reason = "another run began before its end was told"
        unnamed = [run for run in self.open if run.is_unnamed]
        return [
            one for run in unnamed for one in self.end(run, State.FAILED, now, ended_at=run.last_seen, reason=reason)
        ]

    def _give_one_up(self, now: datetime) -> list[Announcement]:
        least = min(self.open, key=lambda run: (run.start_seen and run.events > 1, run.last_seen))
        return self.end(least, State.FAILED, now, ended_at=least.last_seen, reason=GIVEN_UP)

    def _started(self, run: Run, event: Event) -> None:
        """The start of a run that is already known: it came late, or again."""
        if not run.start_seen:
            run.start_seen = True
            run.started_at = min(event.time, run.started_at or event.time)
            run.describe(event.payload)


def _reopen(run: Run) -> list[Announcement]:
    """It was held to be over, and goes on."""
    run.state = State.RUNNING
    run.is_guessed = False
    run.reason = None
    run.ended_at = None
    run.duration_seconds = None
    run.followed_by = None
    run.findings = None
    reopen_phases(run)
    return [of_run(run, "resumed", corrected=True)]


def _reason(claims: Mapping[str, Any]) -> str | None:
    for key in ("error", "error_message", "reason", "message"):
        if found := shortened(claims.get(key), 500):
            return found
    status = shortened(claims.get("status"), 40)
    return status if status is not None and says_why(status) else None
