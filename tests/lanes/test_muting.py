"""Why an event must wake nobody, as it is counted."""

import pytest

from relay.events import Mark
from relay.lanes.muting import why_muted
from tests.support.scripted import numbered


@pytest.mark.parametrize(
    ("marks", "is_silenced", "why"),
    [
        (Mark.NONE, False, None),
        (Mark.NONE, True, "silenced"),
        (Mark.TEST, True, "test"),
        (Mark.REPLAYED, False, "replayed"),
        (Mark.TEST | Mark.REPLAYED, False, "test"),
        (Mark.RECONSTRUCTED | Mark.UNDATED, False, None),
    ],
)
def test_a_silence_a_test_and_a_replay_mute(marks: Mark, is_silenced: bool, why: str | None) -> None:
    event = numbered(1)
    event.marks = marks
    assert why_muted(event, lambda one: one is event and is_silenced) == why
