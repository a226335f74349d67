"""Spans without a subscription: said when they end, from when to when, also over a crash and a clock set back."""

from datetime import timedelta

from relay.events import Announcement, Severity
from relay.runs.gaps import Gaps
from relay.store.shelf import MemoryShelf
from relay.subscription.subscription import SubscriptionChange
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")
ON = SubscriptionChange(subscribed=True)
ADOPTED = SubscriptionChange(subscribed=True, adopted=True)


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def lost(seconds: float | None = None) -> SubscriptionChange:
    """Lost; all was received until so many seconds after the beginning, or that is not known."""
    return SubscriptionChange(
        subscribed=False,
        reason="no connection: refused",
        known_until=None if seconds is None else NOW + after(seconds),
    )


def span(announcements: list[Announcement]) -> tuple[str, str, float]:
    assert [(announcement.channel, announcement.event, announcement.severity) for announcement in announcements] == [
        ("relay:gap", "gap", Severity.WARNING)
    ]
    payload = announcements[0].payload
    return payload["from"], payload["to"], payload["seconds"]


def test_the_first_start_ever_misses_nothing_that_we_know_of() -> None:
    gaps = Gaps(MemoryShelf())
    assert gaps.changed(ON, NOW) == []
    assert gaps.count == 0


def test_a_lost_connection_is_a_gap_when_it_is_back() -> None:
    gaps = Gaps(MemoryShelf())
    gaps.changed(ON, NOW)
    assert gaps.changed(lost(10), NOW + after(10)) == []
    assert gaps.changed(lost(), NOW + after(11)) == []
    announcements = gaps.changed(ON, NOW + after(30.5))
    assert span(announcements) == ("2025-01-27T21:15:10Z", "2025-01-27T21:15:30.500000Z", 20.5)
    assert "no connection: refused" in announcements[0].payload["message"]
    assert (gaps.count, gaps.seconds, gaps.last) == (1, 20.5, (NOW + after(10), NOW + after(30.5)))


def test_a_gap_begins_when_all_was_last_known_to_be_received_and_not_when_the_loss_was_noticed() -> None:
    gaps = Gaps(MemoryShelf())
    gaps.changed(ON, NOW)
    gaps.heartbeat(NOW + after(50))
    gaps.changed(lost(43), NOW + after(60))
    assert span(gaps.changed(ON, NOW + after(61))) == ("2025-01-27T21:15:43Z", "2025-01-27T21:16:01Z", 18.0)


def test_what_is_not_known_to_be_received_is_not_noted() -> None:
    """A subscription that was taken over, at a server that turns out to be the wrong one."""
    shelf = MemoryShelf()
    Gaps(shelf).changed(ON, NOW)
    gaps = Gaps(shelf)
    gaps.changed(ADOPTED, NOW + after(30))
    gaps.heartbeat(None)
    gaps.changed(lost(), NOW + after(40))
    assert span(gaps.changed(ON, NOW + after(41)))[2] == 41.0


def test_a_crash_without_handover_is_a_gap_since_the_last_heartbeat() -> None:
    shelf = MemoryShelf()
    first = Gaps(shelf)
    first.changed(ON, NOW)
    for second in range(1, 13):
        first.heartbeat(NOW + after(second))
    announcements = Gaps(shelf).changed(ON, NOW + after(60))
    assert span(announcements) == ("2025-01-27T21:15:10Z", "2025-01-27T21:16:00Z", 50.0)
    assert "the relay was not running" in announcements[0].payload["message"]


def test_a_handover_is_no_gap_and_counts_as_heard() -> None:
    shelf = MemoryShelf()
    Gaps(shelf).changed(ON, NOW)
    gaps = Gaps(shelf)
    assert gaps.changed(ADOPTED, NOW + after(60)) == []
    gaps.heartbeat(NOW + after(70))
    gaps.changed(lost(70), NOW + after(70))
    assert span(gaps.changed(ON, NOW + after(80)))[2] == 10.0


def test_a_handed_over_connection_that_had_died_is_a_gap_since_we_last_heard() -> None:
    """It never came to be subscribed, so the time before counts."""
    shelf = MemoryShelf()
    Gaps(shelf).changed(ON, NOW)
    gaps = Gaps(shelf)
    gaps.heartbeat(NOW + after(30))
    gaps.changed(lost(), NOW + after(31))
    assert span(gaps.changed(ON, NOW + after(40))) == ("2025-01-27T21:15:00Z", "2025-01-27T21:15:40Z", 40.0)


def test_a_gap_with_the_clock_set_back_is_said_all_the_same() -> None:
    gaps = Gaps(MemoryShelf())
    gaps.changed(ON, NOW)
    gaps.changed(lost(10), NOW + after(10))
    announcements = gaps.changed(ON, NOW - after(3600))
    assert span(announcements)[2] == 0.0
    assert gaps.count == 1


def test_heartbeats_are_kept_every_few_seconds_and_only_while_subscribed() -> None:
    shelf = MemoryShelf()
    gaps = Gaps(shelf)
    gaps.heartbeat(NOW)
    assert shelf.items() == {}
    gaps.changed(ON, NOW)
    gaps.heartbeat(NOW + after(4))
    assert shelf.get("alive") == "2025-01-27T21:15:00Z"
    gaps.heartbeat(NOW + after(5))
    assert shelf.get("alive") == "2025-01-27T21:15:05Z"
    gaps.heartbeat(NOW - after(3600))
    assert shelf.get("alive") == "2025-01-27T20:15:00Z", "the clock was set back: from here on again"
