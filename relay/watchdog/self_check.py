"""The relay's own health as alerts: a sink that fails, an intake that falls behind, a store that cannot be written.

They are conditions like the watchdog's, with a *for at least*, and take the same routes. It
only reports; it repairs nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from relay.events import Announcement, Severity, utc_text
from relay.events.wording import clock_time, duration, plural
from relay.lanes.lane import Lane
from relay.lanes.quarantine import Quarantine
from relay.normalize.normalize import UnreadableReason
from relay.process.clock import Clock, Step
from relay.schedule import exchange_holidays
from relay.store.census import Loss
from relay.store.store import Store
from relay.subscription.subscription import Subscription
from relay.watchdog.alerts import Alerts
from relay.watchdog.reception import Reception

FAILING_FOR = 60.0
"""Seconds that a sink fails before it is reported: a restart of the other side is not worth an alert."""
BEHIND_BY = 5.0
"""Seconds by which reading is behind. Redis cuts a reader off at 32 MB unread, or 8 MB for 60 s."""
CAUGHT_UP_FOR = 10.0
"""Seconds for which it must be less before the alert is resolved."""
NO_LOSS = ("test", "replayed", "silenced", "removed", "not_wanted", "superseded", "in_incident")
"""Reasons for which a lane lets events go on purpose; `removed` is an operator's `outbox drop`."""
CALM_FOR = 600.0
"""Seconds in which what takes only a moment (a lost event, a step of the clock) must not happen again."""
QUIET_FOR = 30.0
"""Seconds that a problem must be over before its alert is resolved."""


class SelfCheck:
    """Looks at lanes, store, quarantine and intake about once a second."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self.reception = Reception(alerts)
        self._counts: dict[str, int] = {}
        """Of this process; how long it has been calm is on the alerts' shelf, for the next one to go on from."""
        self._stepped = 0.0
        self._steps = 0

    def check(
        self,
        now: datetime,
        *,
        lanes: Mapping[str, Lane],
        store: Store,
        quarantine: Quarantine,
        subscription: Subscription,
    ) -> list[Announcement]:
        """What there is to say now."""
        announcements = [*self._store(store, now), *self._intake(subscription, now), *self._quarantine(quarantine, now)]
        announcements += self._calendar(now)
        announcements += self._store_lost(store, now)
        for lane in lanes.values():
            announcements += self._failing(lane, now)
            announcements += self._losing(lane, now)
        return announcements + self._removed(lanes, now)

    def clock(self, now: datetime, clock: Clock) -> list[Announcement]:
        """The clock was set: everything that waits here moves with it; it is announced until it has been steady."""
        step = clock.stepped - self._stepped
        self._stepped = clock.stepped
        if step:
            self._alerts.clock_stepped(step)
        is_new = clock.steps != self._steps
        self._steps = clock.steps
        return self._happened("clock_step", is_new, now, over="No step for 10 min.", **_step_in_words(clock.last_step))

    def reload(self, refusal: Sequence[str], in_force_since: datetime, now: datetime) -> list[Announcement]:
        """Whether the last new configuration was refused, and for which mistakes."""
        mistakes = plural(len(refusal), "mistake")
        return self._alerts.set(
            "reload_refused",
            bool(refusal),
            now,
            severity=Severity.WARNING,
            title="New configuration was refused",
            message=f"{mistakes}, the first: {refusal[0]}. The old one goes on. See all of them:"
            " `tickstock-relay check --running`."
            if refusal
            else f"Configuration is in force, loaded at {clock_time(in_force_since, now, utc=True)}.",
            facts={"mistakes": list(refusal[:10])},
        )

    def tests(self, failures: Sequence[str], now: datetime) -> list[Announcement]:
        """Whether tests of the configuration in force fail, and which."""
        how_many = f"{len(failures)} test{'s fail' if len(failures) > 1 else ' fails'}"
        return self._alerts.set(
            "config_tests_failed",
            bool(failures),
            now,
            severity=Severity.WARNING,
            title="Configuration fails its own tests",
            message=f"{how_many}, the first: {failures[0]}. The relay runs with this configuration all the same; events"
            " may reach other sinks than intended. See all of them: `tickstock-relay check --running`."
            if failures
            else "Configuration in force passes its own tests.",
            facts={"failures": list(failures[:10])},
        )

    def _failing(self, lane: Lane, now: datetime) -> list[Announcement]:
        key = f"sink_failing:{lane.name}"
        if not lane.error:
            if not lane.delivered:  # not tried since the start or a reload: nothing has shown that it works
                return []
            return self._alerts.set(
                key, False, now, message=f"{lane.name} has taken events again at {clock_time(now, now)}."
            )
        return self._alerts.set(
            key,
            True,
            now,
            severity=Severity.ERROR,
            title=f"Sink {lane.name} is failing",
            message=f"Nothing has reached {lane.name} since"
            f" {clock_time(lane.failing_since or now, now, utc=True)}: {lane.error}."
            f" At {clock_time(now, now)} {plural(lane.waiting, 'event')} waited. Try it: `tickstock-relay check"
            " --connect`.",
            facts={"sink": lane.name, "waiting": lane.waiting},
            for_=FAILING_FOR,
        )

    def _removed(self, lanes: Mapping[str, Lane], now: datetime) -> list[Announcement]:
        """What was said of a sink that is no longer configured is over."""
        words = f"The sink was removed from the configuration; noticed at {clock_time(now, now)}."
        announcements: list[Announcement] = []
        for alert in [*self._alerts.holding("sink_failing"), *self._alerts.holding("events_lost")]:
            if alert.key.partition(":")[2] not in lanes:
                announcements += self._alerts.resolve(alert.key, now, words)
        return announcements

    def _losing(self, lane: Lane, now: datetime) -> list[Announcement]:
        lost = sum(count for reason, count in lane.dropped.items() if reason not in NO_LOSS)
        return self._rising(
            f"events_lost:{lane.name}",
            lost,
            now,
            title=f"Sink {lane.name} has lost {plural(lost, 'event')}",
            message=f"Given up, or dropped by a full outbox; the last error: {lane.error or 'see the dead letters'}."
            " The archive has them. See them: `tickstock-relay outbox list --dead`.",
        )

    def _quarantine(self, quarantine: Quarantine, now: datetime) -> list[Announcement]:
        count = (
            sum(quarantine.counts.values()) - quarantine.counts[UnreadableReason.POISON]
        )  # which has a notice of its own
        return self._rising(
            "messages_quarantined",
            count,
            now,
            severity=Severity.WARNING,
            title=f"{plural(count, 'message')} could not be read",
            message="No JSON objects. They are kept byte for byte: look at quarantine/quarantine.jsonl in the state"
            " directory, and ask who publishes them.",
        )

    def _rising(
        self,
        key: str,
        count: int,
        now: datetime,
        *,
        title: str,
        message: str,
        severity: Severity = Severity.ERROR,
        facts: dict[str, int] | None = None,
    ) -> list[Announcement]:
        """An alert when a count rises."""
        before = self._counts.get(key, 0)
        self._counts[key] = count
        words = {"title": title, "message": message, "severity": severity, "facts": facts or {"count": count}}
        return self._happened(key, count > before, now, over="No more for 10 min.", **words)

    def _happened(self, key: str, now_again: bool, now: datetime, *, over: str, **words: Any) -> list[Announcement]:
        """An alert about what takes only a moment: over when it has not happened again for ten minutes.

        How long it has been calm is on the alerts' shelf: a restart in between changes nothing. What a maintenance
        window holds back is announced when that ends.
        """
        announcements: list[Announcement] = []
        if now_again:
            announcements += self._alerts.set(key, True, now, resolve_after=CALM_FOR, **words)
        if self._alerts.is_firing(key):
            announcements += self._alerts.set(key, False, now, message=over, resolve_after=CALM_FOR)
        return announcements

    def _store(self, store: Store, now: datetime) -> list[Announcement]:
        return self._alerts.set(
            "store_in_memory",
            bool(store.trouble),
            now,
            severity=Severity.ERROR,
            title="Relay cannot write its store",
            message=f"{store.trouble}. Deliveries and state are kept in memory and would be lost with the process."
            if store.trouble
            else "The store is on disk again; what was kept in memory has been written.",
            resolve_after=QUIET_FOR,
        )

    def _store_lost(self, store: Store, now: datetime) -> list[Announcement]:
        return self._rising(
            "store_lost",
            len(store.losses),
            now,
            title="Relay has lost part of its store",
            message=_in_words(store.losses[-1]) if store.losses else "",
            facts=_figures(store.losses[-1]) if store.losses else {},
        )

    def _calendar(self, now: datetime) -> list[Announcement]:
        why = exchange_holidays.trouble()
        return self._alerts.set(
            "calendar_missing",
            bool(why),
            now,
            severity=Severity.WARNING,
            title="The exchange's calendar is missing",
            message=f"{why}. Every weekday counts as a trading day, a holiday too. Install the package again, then"
            " restart the relay."
            if why
            else "It is there again.",
        )

    def _intake(self, subscription: Subscription, now: datetime) -> list[Announcement]:
        lag = subscription.lag
        behind = lag >= BEHIND_BY
        return self._alerts.set(
            "intake_behind",
            behind,
            now,
            severity=Severity.ERROR,
            title="Relay reads slower than events come",
            message=f"What it reads now was published {duration(lag)} ago. {subscription.unread():,} bytes are unread"
            " here and more may wait in Redis, which cuts a reader off at 32 MB, or at 8 MB for 60 s, by default:"
            " `client-output-buffer-limit pubsub`. Look at this machine's CPU and at the disk under the archive."
            if behind
            else f"Relay has caught up: all but the last {duration(max(lag, 1.0))} is read.",
            resolve_after=CAUGHT_UP_FOR,
        )


def _step_in_words(step: Step | None) -> dict[str, Any]:
    if step is None:
        return {}
    return {
        "severity": Severity.WARNING,
        "title": f"This machine's clock was set by {_signed(step.seconds)}",
        "message": f"It went from {clock_time(step.before, step.after, seconds=True, named=True)} to"
        f" {clock_time(step.after, seconds=True, utc=True)}. Times before and after the step do not compare."
        " Nothing was deleted or given up because of it: that waits for two hours; the watchdog"
        " waits for a minute and its next answer. Look at the time service: `timedatectl`.",
        "facts": {"seconds": round(step.seconds, 3), "from": utc_text(step.before), "to": utc_text(step.after)},
    }


def _signed(seconds: float) -> str:
    return f"{'-' if seconds < 0 else '+'}{duration(abs(seconds))}"


def _in_words(loss: Loss) -> str:
    """What was lost, and what helps."""
    if loss.missing is None:
        lost = "What it held is not known: runs, alerts, silences and what waited for delivery."
    else:
        of_lanes = ", ".join(f"{count} for {lane}" for lane, count in sorted(loss.missing.waiting.items()))
        lost = f"Lost: {plural(loss.missing.events, 'waiting event')}{f' ({of_lanes})' if of_lanes else ''}"
        lost += f", {plural(loss.missing.dead, 'dead letter')}, {plural(loss.missing.state, 'row')} of state."
    saved = f" {plural(loss.saved, 'row')} saved; the damaged file is {loss.kept_as}." if loss.kept_as else ""
    send_again = " The archive has the events: `tickstock-relay replay --to sinks` sends them again."
    return f"{loss.cause[0].upper()}{loss.cause[1:]}. {lost}{saved}{send_again}"


def _figures(loss: Loss) -> dict[str, int]:
    if loss.missing is None:
        return {}
    return {"events": loss.missing.events, "rows": loss.missing.rows, "saved": loss.saved}
