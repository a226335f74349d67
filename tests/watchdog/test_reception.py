"""That the relay receives nothing is told in the server's words; then, once, what was missed and what is known."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from relay.events import Announcement
from relay.runs.gaps import Gaps
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.store.shelf import MemoryShelf
from relay.subscription.subscription import SubscriptionChange
from relay.tickstockpl.models import Status
from relay.watchdog.alerts import Alerts
from relay.watchdog.api_state import ApiState
from relay.watchdog.reception import Reception
from tests.support.days import DUE
from tests.support.wire import a_run, upto, utc

NOW = utc("2025-01-27 21:15")
REFUSED = "Redis refuses: NOPERM No permissions to access a channel"
BACK = SubscriptionChange(subscribed=True)


class Scene:
    """A reception over a subscription, gaps, runs and an API that are as the test says."""

    def __init__(self) -> None:
        self.shelves = {name: MemoryShelf() for name in ("alerts", "gaps")}
        self.runs, self.api = Runs(MemoryShelf()), ApiState()
        self.start()
        self.gaps.changed(BACK, NOW)

    def start(self) -> None:
        """A new process on the same shelves."""
        self.alerts = Alerts(self.shelves["alerts"])
        self.gaps = Gaps(self.shelves["gaps"])
        self.reception = Reception(self.alerts)
        self.link: Any = SimpleNamespace(lost_since=None, problem="", reason="")

    def lose(self, second: float, reason: str = REFUSED, problem: str = "") -> None:
        since = NOW + timedelta(seconds=second)
        self.link = SimpleNamespace(lost_since=since, problem=problem, reason=reason)
        self.gaps.changed(SubscriptionChange(subscribed=False, reason=reason, known_until=since), since)

    def subscribe(self, second: float) -> None:
        self.link = SimpleNamespace(lost_since=None, problem="", reason="")
        self.gaps.changed(BACK, NOW + timedelta(seconds=second))

    def answer(self, second: float, **status: Any) -> None:
        """The API answers at that second; the history with it."""
        moment = NOW + timedelta(seconds=second)
        self.api = ApiState(answered_at=moment, status=Status(**status), history=(), history_at=moment)

    def tick(self, second: float) -> list[Announcement]:
        return self.reception.tick(NOW + timedelta(seconds=second), self.link, self.gaps, self.runs, self.api)

    def at(self, second: float) -> datetime:
        return NOW + timedelta(seconds=second)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def channels_of(announcements: list[Announcement]) -> list[tuple[str, object]]:
    return [(one.channel, one.payload.get("state")) for one in announcements]


def test_a_minute_without_a_subscription_is_an_alert_in_the_server_s_words(scene: Scene) -> None:
    assert scene.tick(0) == []
    scene.lose(0)
    assert [scene.tick(second) for second in range(60)] == [[]] * 60
    (alert,) = scene.tick(60)
    assert channels_of([alert]) == [("relay:alert:not_subscribed", "firing")]
    assert alert.payload["title"] == "Relay is not subscribed to Redis"
    assert REFUSED in alert.payload["message"]
    assert "ACL SETUSER" in alert.payload["message"]
    assert scene.tick(61) == []


def test_a_server_that_gets_nothing_is_told_sooner(scene: Scene) -> None:
    problem = "this replica has no connection to its master 10.0.0.1:6379 (connect)"
    scene.lose(0, problem, problem)
    assert scene.tick(0) == scene.tick(14) == []
    (alert,) = scene.tick(15)
    assert problem in alert.payload["message"]
    assert "INFO replication" in alert.payload["message"]


@pytest.mark.parametrize("reason", ["Connection refused.", "Connection refused"])
def test_what_is_lost_meanwhile_is_said(scene: Scene, reason: str) -> None:
    scene.tick(0)
    scene.lose(0, reason)
    scene.tick(0)
    (alert,) = scene.tick(60)
    assert alert.payload["message"].startswith(
        "Since 16:15 EST (21:15 UTC): Connection refused. Runs are followed by TickStockPL's API alone; what is"
        " published now is missing from the archive. "
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"is_running": False}, "By TickStockPL's history no run went on in that time."),
        (
            {"is_running": True, "run_id": "r1", "current_phase": "import", "progress": 72.4},
            "Run of Mon 27 Jan goes on, in import at 72 %, by TickStockPL's API.",
        ),
        ({"is_running": None}, "Run of Mon 27 Jan goes on: nothing has shown its end."),
    ],
)
def test_its_end_tells_the_gap_and_the_runs_when_the_api_was_asked(
    scene: Scene, status: dict[str, Any], expected: str
) -> None:
    if "goes on" in expected:
        for one in upto(a_run(DUE), "import_progress"):
            scene.runs.observe(one, one.received)
    scene.lose(600)
    scene.tick(600)
    assert len(scene.tick(660)) == 1
    scene.subscribe(840)
    assert scene.tick(841) == scene.tick(850) == [], "the API was not asked yet"
    scene.answer(851, **status)
    (end,) = scene.tick(851)
    assert channels_of([end]) == [("relay:alert:not_subscribed", "resolved")]
    words = end.payload["message"]
    assert "Subscribed again since Mon 27 Jan 16:29 EST" in words
    assert "from 16:25:00 to 16:29:00 EST (21:29:00 UTC)" in words
    assert "4 min" in words
    assert expected in words
    assert scene.tick(852) == scene.tick(2000) == [], "told once"


def test_a_gap_that_is_too_short_for_an_alert_is_one_notice(scene: Scene) -> None:
    scene.lose(10)
    scene.tick(10)
    scene.subscribe(25)
    assert scene.tick(26) == []
    scene.answer(30, is_running=False)
    (notice,) = scene.tick(30)
    assert channels_of([notice]) == [("relay:alert:gap", None)]
    assert notice.event == "gap_notice", "not that of `relay:gap`"
    assert notice.payload["title"] == "Gap of 15 s: events were not received"
    assert REFUSED in notice.payload["message"]
    assert "no run went on" in notice.payload["message"]
    assert scene.tick(31) == []


@pytest.mark.parametrize(
    ("api", "seconds", "words"),
    [
        (ApiState(), 60, "What runs did in that time is not known."),
        (
            ApiState(failing_since=NOW, error="refused"),
            15,
            "What runs did in that time is not known. TickStockPL's API has not answered since 16:15.",
        ),
        (
            ApiState(answered_at=NOW, history_error="http://localhost:8080 answered 500"),
            60,
            "is not known. Its history could not be read: http://localhost:8080 answered 500.",
        ),
    ],
)
def test_an_api_that_does_not_answer_is_waited_for_and_what_is_unknown_is_said_as_unknown(
    scene: Scene, api: ApiState, seconds: float, words: str
) -> None:
    scene.api = api
    scene.lose(10)
    scene.subscribe(20)
    assert scene.tick(19 + seconds) == []
    (notice,) = scene.tick(20 + seconds)
    assert words in notice.payload["message"]


def test_a_run_that_ended_meanwhile_is_told_by_whom(scene: Scene) -> None:
    scene.lose(10)
    scene.subscribe(20)
    run = scene.runs.begin("r1", NOW, DUE, is_reconstructed=True)
    scene.runs.end(run, State.COMPLETED, scene.at(21), ended_at=scene.at(15))
    scene.answer(22, is_running=False)
    (notice,) = scene.tick(22)
    assert "Run of Mon 27 Jan completed at 16:15, by TickStockPL's history." in notice.payload["message"]


def test_a_connection_that_comes_and_goes_is_not_a_notice_each_time(scene: Scene) -> None:
    seen = []
    for second in range(0, 1200, 20):
        scene.lose(second)
        seen += scene.tick(second + 1)
        scene.subscribe(second + 2)
        scene.answer(second + 3, is_running=False)
        seen += scene.tick(second + 4)
    assert [one.payload["facts"]["gaps"] for one in seen] == [1, 30]
    assert seen[1].payload["title"] == "30 gaps of 1 min: events were not received"


def test_a_restart_before_the_gap_was_told_leaves_it_to_the_next_process(scene: Scene) -> None:
    scene.lose(10)
    scene.subscribe(20)
    scene.tick(21)
    scene.start()
    scene.gaps.changed(SubscriptionChange(subscribed=True, adopted=True), scene.at(30))
    scene.answer(35, is_running=False)
    (notice,) = scene.tick(35)
    assert notice.payload["facts"]["seconds"] == 10.0
    scene.start()
    assert scene.tick(40) == [], "and it was told once"


def test_a_restart_while_not_subscribed_is_not_the_end_of_it(scene: Scene) -> None:
    scene.lose(0)
    scene.tick(0)
    assert len(scene.tick(60)) == 1
    scene.start()
    scene.link = SimpleNamespace(lost_since=scene.at(70), problem="", reason=REFUSED)
    assert scene.tick(70) == scene.tick(200) == []
    scene.subscribe(300)
    scene.answer(301, is_running=False)
    (end,) = scene.tick(301)
    assert end.payload["state"] == "resolved"
    assert "(5 min)" in end.payload["message"]
