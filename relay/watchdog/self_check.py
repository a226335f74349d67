"""The relay's own health as alerts: a sink that fails, an intake that falls behind, a store that cannot be written.

They are conditions like the watchdog's, with a *for at least*, and take the same routes. It
only reports; it repairs nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from relay.events import Announcement, Severity, utc_text
from relay.events.wording import clock, lasting
from relay.lanes.lane import Lane
from relay.lanes.quarantine import Quarantine
from relay.normalize.normalize import UnreadableReason
from relay.process.clock import Clock
from relay.schedule import exchange_holidays
from relay.store.census import Loss
from relay.store.store import Store
from relay.subscription.errors import remedy
from relay.subscription.subscription import Subscription
from relay.watchdog.alerts import Alerts

FAILING_FOR = 60.0
"""Seconds that a sink fails before it is reported: a restart of the other side is not worth an alert."""
BEHIND_FOR = 5.0
"""Seconds that the kernel's buffer stays full. Redis cuts a reader off at 32 MB unread, or 8 MB for 60 s."""
NO_LOSS = ("test", "replayed", "silenced", "removed", "not_wanted", "superseded")
"""Reasons for which a lane lets events go on purpose; `removed` is an operator's `outbox drop`."""
NOT_SUBSCRIBED_FOR = 60.0
"""Seconds without a subscription before it is reported: a restart of Redis is not worth an alert."""
ISOLATED_FOR = 15.0
"""The same for a connection to a server that does not get what is published: nothing looks wrong there, so sooner."""
STEADY_FOR = 600.0
"""Seconds without a step before the clock counts as steady."""
QUIET_FOR = 30.0
"""Seconds that a problem must be over before its alert is resolved."""


class SelfCheck:
    """Looks at lanes, store, quarantine and intake about once a second."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._lost: dict[str, int] = {}
        self._calm_since: dict[str, datetime] = {}
        self._stepped, self._steps = 0.0, 0

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
        announcements += self._not_subscribed(subscription, now)
        announcements += self._calendar(now)
        announcements += self._store_lost(store, now)
        for lane in lanes.values():
            announcements += self._failing(lane, now)
            announcements += self._losing(lane, now)
        return announcements

    def clock(self, now: datetime, clock: Clock) -> list[Announcement]:
        """The clock was set: everything that waits here moves with it; it is announced until it has been steady."""
        step, self._stepped = clock.stepped - self._stepped, clock.stepped
        if step:
            self._alerts.clock_stepped(step)
            self._calm_since = {key: since + timedelta(seconds=step) for key, since in self._calm_since.items()}
        is_new, self._steps = clock.steps != self._steps, clock.steps
        if clock.last_step is None or (not is_new and clock.since_step >= STEADY_FOR):
            return self._alerts.set("clock_step", False, now, message="No step for 10 min.")
        which = clock.last_step
        return self._alerts.set(
            "clock_step",
            True,
            now,
            severity=Severity.WARNING,
            title=f"This machine's clock was set by {_signed(which.seconds)}",
            message=f"It went from {utc_text(which.before)} to {utc_text(which.after)}. Times before and after the step"
            " do not compare. Nothing was deleted or given up because of it: that waits for two hours; the watchdog"
            " waits for a minute and its next answer. Look at the time service: `timedatectl`.",
            facts={"seconds": round(which.seconds, 3), "from": utc_text(which.before), "to": utc_text(which.after)},
        )

    def reload(self, refusal: Sequence[str], in_force_since: datetime, now: datetime) -> list[Announcement]:
        """Whether the last new configuration was refused, and for which mistakes."""
        mistakes = f"{len(refusal)} mistake{'s' * (len(refusal) > 1)}"
        return self._alerts.set(
            "reload_refused",
            bool(refusal),
            now,
            severity=Severity.WARNING,
            title="New configuration was refused",
            message=f"{mistakes}, the first: {refusal[0]}. The old one goes on. See all of them:"
            " `tickstock-relay check --running`."
            if refusal
            else f"Configuration is in force, loaded at {clock(in_force_since)}.",
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
        since = lane.failing_since
        for_ = lasting((now - since).total_seconds()) if since else ""
        return self._alerts.set(
            f"sink_failing:{lane.name}",
            bool(lane.error),
            now,
            severity=Severity.ERROR,
            title=f"Sink {lane.name} is failing",
            message=f"Nothing has reached {lane.name} for {for_}: {lane.error}. {lane.waiting} events wait."
            if lane.error
            else f"{lane.name} takes events again.",
            facts={"sink": lane.name, "waiting": lane.waiting},
            for_=FAILING_FOR,
        )

    def _losing(self, lane: Lane, now: datetime) -> list[Announcement]:
        lost = sum(count for reason, count in lane.dropped.items() if reason not in NO_LOSS)
        return self._rising(
            f"events_lost:{lane.name}",
            lost,
            now,
            title=f"Sink {lane.name} has lost events",
            message=f"{lost} events for {lane.name} were given up or dropped so far; the last trouble: "
            f"{lane.error or 'see the dead letters'}. `tickstock-relay outbox list --dead` shows what is kept.",
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
            title="Unreadable messages",
            message=f"{count} messages since the start were no JSON objects and are in the quarantine file.",
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
        """An alert while a count rises, over when it has not risen for ten minutes."""
        before, self._lost[key] = self._lost.get(key, 0), count
        if count > before:
            self._calm_since[key] = now
        rose = self._calm_since.get(key)
        rising = rose is not None and now - rose < timedelta(minutes=10)
        if not rising:
            message = "No more for ten minutes."
        return self._alerts.set(
            key, rising, now, severity=severity, title=title, message=message, facts=facts or {"count": count}
        )

    def _store(self, store: Store, now: datetime) -> list[Announcement]:
        return self._alerts.set(
            "store_in_memory",
            bool(store.trouble),
            now,
            severity=Severity.ERROR,
            title="The relay's store cannot be written",
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

    def _not_subscribed(self, subscription: Subscription, now: datetime) -> list[Announcement]:
        since, key = subscription.lost_since, "not_subscribed"
        if since is None:
            return self._alerts.set(key, False, now, message=f"The relay is subscribed to Redis since {clock(now)}.")
        return self._alerts.set(
            key,
            True,
            now,
            severity=Severity.ERROR,
            title="Relay is not subscribed to Redis",
            message=f"Since {clock(since)}: {subscription.reason}. Runs are followed by TickStockPL's API alone; what"
            f" is published now is missing from the archive. {remedy(subscription.reason)}",
            facts={"since": utc_text(since)},
            for_=ISOLATED_FOR if subscription.problem else NOT_SUBSCRIBED_FOR,
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
        behind = subscription.behind_since
        return self._alerts.set(
            "intake_behind",
            behind is not None,
            now,
            severity=Severity.ERROR,
            title="The relay falls behind",
            message=f"{subscription.unread():,} bytes are unread here and more wait in Redis, which cuts a reader off"
            " at 32 MB, or at 8 MB for 60 s, by default: see `client-output-buffer-limit pubsub`."
            if behind
            else "All that was published has been read.",
            for_=BEHIND_FOR,
            resolve_after=QUIET_FOR,
        )


def _signed(seconds: float) -> str:
    return f"{'-' if seconds < 0 else '+'}{lasting(abs(seconds))}"


def _in_words(loss: Loss) -> str:
    """What was lost, and what helps."""
    if loss.missing is None:
        lost = "What it held is not known: runs, alerts, silences and what waited for delivery."
    else:
        of_lanes = ", ".join(f"{count} for {lane}" for lane, count in sorted(loss.missing.waiting.items()))
        lost = f"Lost: {_many(loss.missing.events, 'waiting event')}{f' ({of_lanes})' if of_lanes else ''}"
        lost += f", {_many(loss.missing.dead, 'dead letter')}, {_many(loss.missing.state, 'row')} of state."
    saved = f" {_many(loss.saved, 'row')} saved; the damaged file is {loss.kept_as}." if loss.kept_as else ""
    send_again = " The archive has the events: `tickstock-relay replay --to sinks` sends them again."
    return f"{loss.cause[0].upper()}{loss.cause[1:]}. {lost}{saved}{send_again}"


def _figures(loss: Loss) -> dict[str, int]:
    if loss.missing is None:
        return {}
    return {"events": loss.missing.events, "rows": loss.missing.rows, "saved": loss.saved}


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
