"""Each part fails alone; three times in a row is announced once, whatever else is broken."""

from collections.abc import Iterable
from datetime import datetime

import pytest
from structlog.testing import capture_logs

from relay.events import Announcement, Severity
from relay.lifecycle.ticking import Ticker, Work
from relay.process.health import Health, Progress, StuckError
from relay.store.shelf import MemoryShelf
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")
NOTICE = Announcement(channel="relay:test", event="test", severity=Severity.INFO, payload={})


class FullShelf(MemoryShelf):
    """The store is the broken part."""

    def put(self, key: str, value: str | None) -> None:  # noqa: ARG002 - as the shelf has it
        raise OSError(28, "No space left on device")


class Ticks:
    """A ticker with three parts, the one in the middle broken on request."""

    def __init__(self, shelf: MemoryShelf | None = None) -> None:
        self.health = Health(shelf or MemoryShelf())
        self.broken: Exception | None = None
        self.done: list[str] = []
        self.announced: list[Announcement] = []
        self.published: list[tuple[str, str]] = []
        self.ticker = Ticker(
            self.parts, self.health, lambda announced, _: self.announced.extend(announced), self.publish
        )

    def parts(self) -> Iterable[tuple[str, Work]]:
        return [("first", self.first), ("second", self.second), ("third", self.third)]

    def first(self, _: datetime) -> None:
        self.done.append("first")

    def second(self, _: datetime) -> list[Announcement]:
        if self.broken:
            raise self.broken
        self.done.append("second")
        return [NOTICE]

    def third(self, _: datetime) -> None:
        self.done.append("third")

    def publish(self, announced: list[Announcement], _: datetime) -> None:
        self.published += [(one.payload["alert"], one.payload["state"]) for one in announced]

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.ticker.once(NOW)


@pytest.mark.parametrize("error", [TypeError("s3cret"), OSError(5, "s3cret"), KeyError("s3cret")], ids=repr)
@pytest.mark.parametrize("shelf", [MemoryShelf, FullShelf])
def test_a_broken_part_keeps_no_other_from_its_turn_and_is_announced_once(
    error: Exception, shelf: type[MemoryShelf]
) -> None:
    ticks = Ticks(shelf())
    ticks.broken = error
    with capture_logs() as logs:
        ticks.tick(2)
        assert (ticks.health.faulty, ticks.published) == ({}, [])
        ticks.tick(238)
    assert ticks.done == ["first", "third"] * 240
    assert ticks.published == [("relay_faulty:second", "firing")]
    assert ticks.health.faulty == {"second": type(error).__name__}
    assert len([line for line in logs if line["event"] == "a part of the relay failed"]) == 4, "one a minute"
    ticks.broken = None
    ticks.tick()
    assert ticks.health.faulty == {}
    ticks.tick(28)
    assert len(ticks.published) == 1
    ticks.tick()
    assert ticks.published[1:] == [("relay_faulty:second", "resolved")]


def test_a_part_that_fails_now_and_then_is_not_faulty() -> None:
    ticks = Ticks()
    for _ in range(20):
        ticks.broken = TypeError()
        ticks.tick(2)
        ticks.broken = None
        ticks.tick()
    assert (ticks.health.faulty, ticks.published) == ({}, [])
    assert ticks.announced == [NOTICE] * 20


def test_a_fault_that_outlives_restarts_is_announced_once_and_its_end_too() -> None:
    shelf = MemoryShelf()
    published = []
    for _ in range(5):
        ticks = Ticks(shelf)
        ticks.broken = TypeError()
        ticks.tick(10)
        published += ticks.published
    assert published == [("relay_faulty:second", "firing")]
    ticks = Ticks(shelf)
    ticks.tick(40)
    assert ticks.published == [("relay_faulty:second", "resolved")]


def test_what_cannot_be_announced_does_not_end_the_ticks() -> None:
    ticks = Ticks()
    ticks.broken = TypeError()

    def broken(*_: object) -> None:
        raise TypeError

    ticks.ticker = Ticker(ticks.parts, ticks.health, broken, broken)
    ticks.tick(5)
    assert ticks.health.faulty == {"second": "TypeError"}


def test_an_intake_that_takes_nothing_for_a_minute_although_bytes_wait_is_stuck() -> None:
    progress = Progress()
    for received in range(300):
        progress.check(1000, received)
    for _ in range(300):
        progress.check(0, 300)
    for _ in range(59):
        progress.check(1000, 300)
    with pytest.raises(StuckError, match="1000 bytes"):
        progress.check(1000, 300)
    progress.check(1000, 301)
