"""The one line for `systemctl status`."""

from datetime import timedelta
from typing import Any

import pytest

from relay.status.line import status_line
from relay.status.snapshot import IntakeView, Today
from tests.web.pictures import NOW, a_run, snapshot

IDLE: dict[str, Any] = {"running": [], "firing": [], "trouble": []}
GOING: dict[str, Any] = {"firing": [], "trouble": []}
TODAY = Today(state="completed", mood="good", headline="x", next_due=NOW + timedelta(hours=23, minutes=40))


@pytest.mark.parametrize(
    ("known", "line"),
    [
        (
            {**IDLE, "today": TODAY},
            "subscribed, 90 events a minute; next run Tue 28 Jan 16:10 EST",
        ),
        (
            {**IDLE, "intake": IntakeView(subscribed=False, reason="not subscribed to Redis"), "today": TODAY},
            "not subscribed to Redis; next run Tue 28 Jan 16:10 EST",
        ),
        (
            {**GOING, "running": [a_run(current_phase="cache", eta=NOW)]},
            "subscribed, 90 events a minute; cache 40 %, ends about 16:30",
        ),
        (
            {**GOING, "running": [a_run(current_phase="cache", state="stalled")]},
            "subscribed, 90 events a minute; cache 40 %, stalled",
        ),
        ({"running": [], "today": TODAY, "trouble": ["Refused"]},
            "subscribed, 90 events a minute; next run Tue 28 Jan 16:10 EST; 1 alert is firing; Refused",
        ),
    ],
)  # fmt: skip
def test_it_says_subscription_rate_and_phase_or_next_run(known: dict[str, Any], line: str) -> None:
    assert status_line(snapshot(**known)) == line
