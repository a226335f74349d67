"""Silences: what is kept quiet, and until when."""

from datetime import timedelta
from typing import Any

import pytest

from relay.events import Event
from relay.events.matching import MatchError
from relay.store.shelf import MemoryShelf
from relay.watchdog.silences import KEPT, MAX_SILENCES, Silences
from tests.support.wire import event, utc

NOW = utc("2025-01-27 21:00")
HOUR = timedelta(hours=1)


def error(**payload: Any) -> Event:
    return event("errors", "error", NOW, severity="error", **payload)


def silences(shelf: MemoryShelf | None = None) -> Silences:
    return Silences(shelf or MemoryShelf())


def test_what_matches_is_quiet_until_the_silence_ends() -> None:
    quiet = silences()
    quiet.add({"payload.component": "data_import"}, NOW + HOUR, NOW, comment="known", who="ann")
    hit, other = error(component="data_import"), error(component="cache")
    found = quiet.silencing(hit, NOW)
    assert found is not None
    assert (found.comment, found.who) == ("known", "ann")
    assert quiet.silencing(other, NOW) is None
    assert quiet.silencing(hit, NOW + HOUR) is None


def test_a_silence_can_be_expired_once() -> None:
    quiet = silences()
    silence = quiet.add({"event": "error"}, NOW + HOUR, NOW)
    quiet.expire(silence.id, NOW + HOUR / 2)
    assert quiet.silencing(error(), NOW + HOUR / 2) is None
    with pytest.raises(KeyError):
        quiet.expire(silence.id, NOW + HOUR / 2)
    assert quiet.listed(NOW + HOUR / 2) == []
    assert [one.id for one in quiet.listed(NOW + HOUR / 2, ended=True)] == [silence.id]


@pytest.mark.parametrize(
    ("match", "until"),
    [
        ({}, NOW + HOUR),
        ({"event": "error"}, NOW),
        ({"event": "error"}, NOW + 9000 * HOUR),
        ({"nonsense": 1}, NOW + HOUR),
    ],
)
def test_a_silence_that_cannot_be_meant_is_refused(match: dict[str, Any], until: Any) -> None:
    quiet = silences()
    with pytest.raises((ValueError, MatchError)):
        quiet.add(match, until, NOW)
    assert quiet.listed(NOW) == []


def test_silences_survive_a_restart_and_are_seen_by_another_process() -> None:
    shelf = MemoryShelf()
    daemon, command = silences(shelf), silences(shelf)
    silence = command.add({"event": "error"}, NOW + HOUR, NOW)
    assert daemon.silencing(error(), NOW) is None
    daemon.refresh()
    assert daemon.silencing(error(), NOW) == silence
    command.expire(silence.id, NOW)
    daemon.refresh()
    assert daemon.silencing(error(), NOW) is None
    assert silences(shelf).listed(NOW, ended=True)[0].until == NOW


def test_what_cannot_be_read_keeps_nothing_quiet() -> None:
    shelf = MemoryShelf()
    shelf.put("a", "{")
    shelf.put("b", '{"id":"b","match":{"nonsense":1},"created":"2025-01-27T20:00:00Z","until":"2025-01-28T20:00:00Z"}')
    assert silences(shelf).silencing(error(), NOW) is None


def test_a_silence_of_everything_is_asked_for_and_one_of_an_incident_takes_only_that() -> None:
    quiet = silences()
    quiet.add({}, NOW + HOUR, NOW, incident="2ec03b4d")
    assert quiet.silencing(error(), NOW) is None
    assert quiet.silencing(error(), NOW, "2ec03b4d") is not None
    quiet.add({}, NOW + HOUR, NOW, everything=True, comment="two\nlines")
    found = quiet.silencing(error(), NOW)
    assert found is not None
    assert (found.matches, found.comment) == ("everything", "two lines")


@pytest.mark.parametrize(
    ("match", "incident", "words"),
    [
        ({}, "", "everything"),
        ({}, "2ec03b4d", "incident 2ec03b4d"),
        ({"event": "error", "severity": ">=error"}, "", "event=error, severity>=error"),
        ({"channel": "=~^relay:"}, "day:2025-01-27", "incident day:2025-01-27, channel=~^relay:"),
    ],
)
def test_what_it_keeps_quiet_is_said_as_it_was_typed(match: dict[str, Any], incident: str, words: str) -> None:
    assert silences().add(match, NOW + HOUR, NOW, everything=True, incident=incident).matches == words


def test_ended_silences_are_forgotten_and_their_number_is_bounded() -> None:
    shelf = MemoryShelf()
    quiet = silences(shelf)
    for _ in range(MAX_SILENCES):
        quiet.add({"event": "error"}, NOW + HOUR, NOW)
    with pytest.raises(ValueError, match="already"):
        quiet.add({"event": "error"}, NOW + HOUR, NOW)
    quiet.forget(NOW + HOUR + KEPT + HOUR)
    assert shelf.items() == {}
