"""The small memory for viewers: errors in groups, alerts with their ends, rates; all of it bounded."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from relay.events import Announcement, Mark, Severity
from relay.runs.recent import MAX_ALERTS, MAX_GROUPS, Recent
from relay.store.shelf import MemoryShelf
from relay.watchdog.alerts import Alerts
from tests.support.wire import event, utc

NOW = utc("2025-01-27 21:10")


def test_errors_that_differ_in_numbers_alone_are_one_group_with_the_newest_words() -> None:
    recent = Recent(MemoryShelf())
    for number in range(5):
        recent.observe([event("errors", "error", NOW, component="db", message=f"try {number} of 5")], NOW)
    recent.observe([event("errors", "error", NOW, component="api", message="try 0 of 5")], NOW)
    assert [(group.component, group.count, group.message) for group in recent.error_groups()] == [
        ("api", 1, "try 0 of 5"),
        ("db", 5, "try 4 of 5"),
    ]
    assert recent.errors == 6


def test_probes_and_replays_and_other_events_are_no_errors() -> None:
    recent = Recent(MemoryShelf())
    probe = event("errors", "error", NOW, message="x")
    probe.marks |= Mark.TEST
    recent.observe([probe, event("processing:status", "processing_started", NOW)], NOW)
    assert recent.error_groups() == []


@given(st.lists(st.text(max_size=20), max_size=300, unique=True))
def test_there_are_never_more_than_so_many_groups(messages: list[str]) -> None:
    recent = Recent(MemoryShelf())
    for message in messages:
        recent.observe([event("errors", "error", NOW, component=message, message=message)], NOW)
    assert len(recent.error_groups(10_000)) <= MAX_GROUPS
    assert recent.errors == len(messages)


def test_an_alert_and_its_end_are_one_entry_and_outlive_a_restart() -> None:
    shelf = MemoryShelf()
    recent, alerts = Recent(shelf), Alerts(MemoryShelf())
    recent.announced(alerts.set("late:1", True, NOW, title="Late", message="It is late."), NOW)
    assert [(one.title, one.resolved_at) for one in recent.alerts] == [("Late", None)]
    later = NOW + timedelta(minutes=5)
    again = Recent(shelf)
    again.announced(alerts.set("late:1", False, later, message="It came."), later)
    for memory in (again, Recent(shelf)):
        assert [(one.title, one.resolved_at, one.resolution) for one in memory.alerts] == [("Late", later, "It came.")]


def test_an_alert_that_is_announced_again_after_a_silence_is_no_second_entry_and_a_command_is_none() -> None:
    recent = Recent(MemoryShelf())
    payload = {"alert": "x:1", "state": "firing", "title": "X"}
    recent.announced([Announcement(channel="relay:alert:x", event="x", payload=payload)], NOW)
    recent.announced([Announcement(channel="relay:alert:x", event="x", payload=payload | {"after_silence": "a"})], NOW)
    recent.announced([Announcement(channel="relay:operator:reload", event="r", payload={"title": "ann: reload"})], NOW)
    recent.announced([Announcement(channel="relay:alert:silence", event="s", payload={"title": "Silence ended"})], NOW)
    assert [alert.title for alert in recent.alerts] == ["Silence ended", "X"]


def test_an_alert_that_comes_again_is_an_entry_of_its_own() -> None:
    recent, alerts = Recent(MemoryShelf()), Alerts(MemoryShelf())
    for firing in (True, False, True):
        recent.announced(alerts.set("late", firing, NOW, title="Late"), NOW)
    assert [one.resolved_at for one in recent.alerts] == [None, NOW]


def test_a_notice_is_kept_and_a_mere_fact_is_not() -> None:
    recent = Recent(MemoryShelf())
    gap = Announcement(channel="relay:gap", event="gap", severity=Severity.WARNING, payload={"title": "Away"})
    recent.announced([gap, Announcement(channel="relay:run:started", event="run_started", payload={})], NOW)
    assert [(one.title, one.is_notice) for one in recent.alerts] == [("Away", True)]


def test_only_the_last_alerts_are_kept_also_on_the_shelf() -> None:
    shelf = MemoryShelf()
    recent, alerts = Recent(shelf), Alerts(MemoryShelf())
    for number in range(MAX_ALERTS + 7):
        recent.announced(alerts.set(f"a:{number}", True, NOW, title=str(number)), NOW)
    assert [one.title for one in recent.alerts][:2] == [str(MAX_ALERTS + 6), str(MAX_ALERTS + 5)]
    assert len(recent.alerts) == len(shelf.items()) == MAX_ALERTS


def test_what_cannot_be_read_on_the_shelf_is_forgotten() -> None:
    shelf = MemoryShelf()
    shelf.put("000000001", "no JSON")
    shelf.put("x", "{}")
    assert Recent(shelf).alerts == []
    assert shelf.items() == {}


def test_the_rate_is_taken_over_ten_seconds_and_survives_a_clock_that_was_set_back() -> None:
    recent = Recent(MemoryShelf())
    assert recent.rate() == 0
    for second in range(30):
        recent.count(NOW + timedelta(seconds=second), 100 * max(0, second - 19))
    assert recent.rate() == 100
    assert recent.rates()[:2] == [0, 0]
    assert len(recent.rates()) == 29
    recent.count(NOW - timedelta(hours=1), 5000)
    assert recent.rate() == 0


def test_errors_outlive_a_restart_and_so_does_since_when_there_were_none() -> None:
    shelf = MemoryShelf()
    first = Recent(shelf)
    first.count(NOW, 0)
    first.observe(
        [event("errors", "error", NOW, message="try 1 failed"), event("errors", "error", NOW, message="x")], NOW
    )
    first.count(NOW + timedelta(seconds=11), 2)
    first.observe([event("errors", "error", NOW, message="try 2 failed")], NOW)
    first.save_errors(NOW)
    again = Recent(shelf)
    assert again.errors_since == NOW
    assert [(group.message, group.count) for group in again.error_groups()] == [("try 2 failed", 2), ("x", 1)]
    again.observe([event("errors", "error", NOW, message="try 3 failed")], NOW)
    assert again.error_groups()[0].count == 3
    shelf.put("errors", "{")
    assert Recent(shelf).error_groups() == []
