"""The one function that says whether the day's run has started: all 90 combinations of evidence."""

from collections import Counter

import pytest

from relay.watchdog.start_decision import ConnectionShows, EventsShow, HistoryShows, StatusShows, decide
from tests.support.missed_run_table import combinations


@pytest.mark.parametrize(("events", "status", "history", "connection", "follows"), combinations())
def test_what_follows_from_each_combination(
    events: str, status: str, history: str, connection: str, follows: str
) -> None:
    decision = decide(EventsShow(events), StatusShows(status), HistoryShows(history), ConnectionShows(connection))
    assert str(decision) == follows


def test_the_table_has_every_combination_once() -> None:
    asked = {one[:4] for one in combinations()}
    assert asked == set(_all())
    words = Counter(one[4].split(", at")[0] for one in combinations())
    assert words == {"started": 58, "started, inferred": 8, "has not started": 20, "no sign of it": 4}


def _all() -> list[tuple[str, str, str, str]]:
    return [(e, s, h, w) for e in EventsShow for s in StatusShows for h in HistoryShows for w in ConnectionShows]
