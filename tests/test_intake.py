"""The path of one batch, and what a crash between its steps leaves to the next process: nothing missing, nothing twice.

The crash is a real loss of everything in memory: the next intake is built anew on the same store and archive, and is
given the same bytes again, as the kernel would.
"""

import base64
import json
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.config.settings import OutboxOptions, RouteOptions
from relay.events import Announcement, Event, Kind
from relay.intake import Intake
from relay.lanes.direct import DirectLane
from relay.lanes.lane import Lane
from relay.lanes.quarantine import Quarantine
from relay.lanes.queued import QueuedLane
from relay.normalize.normalize import Normalizer
from relay.process.clock import Clock
from relay.routing import Routes
from relay.store.outbox import Outbox
from relay.store.store import Store
from relay.subscription.batch import Batch
from sinks.jsonl import JsonlOptions, JsonlSink
from sinks.testing import make_context
from tests.support.scripted import ScriptedSink
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")
CHANNEL = b"tickstock:a:b"


class CrashError(BaseException):
    """The process is gone at this point: no handler of the relay's may see it."""


class Process:
    """One process' intake on a directory that outlives it."""

    def __init__(self, directory: Path, *, track: Callable[[Event], list[Announcement]] | None = None) -> None:
        self.store = Store(directory / "relay.db")
        self.outbox = Outbox(self.store, OutboxOptions())
        self.archive = JsonlSink(JsonlOptions(directory=directory), make_context("archive"))
        self.archive._open()
        self.quarantine = Quarantine(directory, max_bytes=1 << 20, max_total_bytes=1 << 30, keep=3600.0)
        self.seen: list[int] = []
        self.moments: list[datetime] = []
        self._says = track or (lambda _: [])
        queued = QueuedLane(
            ScriptedSink(),
            self.outbox,
            OutboxOptions(),
            clock=Clock(lambda: NOW, lambda: 0.0),
            redact=lambda e: e,
            muted=lambda _: None,
        )
        self.lanes: dict[str, Lane] = {"archive": DirectLane(self.archive), "app": queued}
        self.lanes["archive"].start()
        self.intake = Intake(
            normalizer=Normalizer(),
            routes=Routes([RouteOptions(name="all", to=["archive", "app"])]),
            lanes=self.lanes,
            store=self.store,
            quarantine=self.quarantine,
            tracker=self,  # type: ignore[arg-type]  # what is tracked is the test's to say
            boot="r1",
        )

    def wants(self, _: Kind) -> bool:
        return True

    def observe(self, events: Sequence[Event], now: datetime) -> list[Announcement]:
        self.moments.append(now)
        self.seen += [event.offset for event in events]
        return [announcement for event in events for announcement in self._says(event)]

    def take(self, *offsets: int, stream: str = "s1") -> None:
        self.intake.take(Batch(stream, NOW, [(CHANNEL, b'{"n":%d}' % offset, offset) for offset in offsets]))

    def die(self) -> None:
        """Without a word; what is not on disk is gone."""
        self.store._db.close()
        if self.archive._file is not None:
            self.archive._file.close()


def archived(directory: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (directory / "events.jsonl").read_bytes().splitlines()]


def waiting(directory: Path) -> list[str]:
    store = Store(directory / "relay.db")
    outbox = Outbox(store, OutboxOptions())
    rows = outbox.waiting("app", 9e9, 1000)
    outbox.load(rows)
    store.close()
    return [json.loads(row.event)["id"] for row in rows]


def test_every_lane_has_its_part_of_a_batch_when_it_was_taken(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.take(10, 20)
    assert counts(process) == (2, 1, 2)
    process.take(30)
    process.die()
    assert archived(tmp_path) == waiting(tmp_path) == ["s1-10", "s1-20", "s1-30"]
    assert counts(process) == (3, 2, 1)
    assert process.moments == [NOW, NOW]


def counts(process: Process) -> tuple[int, int, int]:
    return process.intake.received, process.intake.batches, process.intake.last_size


def test_nothing_is_counted_before_the_first_batch(tmp_path: Path) -> None:
    process = Process(tmp_path)
    assert counts(process) == (0, 0, 0)
    assert process.intake.unrouted == 0
    process.die()


async def test_a_large_message_is_decoded_in_a_thread_and_goes_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.intake.LARGE", 7)
    decoded: list[tuple[str, int]] = []

    def noting(raw: bytes) -> dict[str, Any]:
        decoded.append((threading.current_thread().name, len(raw)))
        if b"deep" in raw:
            raise ValueError("nested too deeply")
        return {}

    monkeypatch.setattr("relay.events.model.decode_object", noting)
    texts = [b'{"n":1}', b'{"n":10}', b'{"n":"deep"}', b"{"]
    process = Process(tmp_path)
    prepared: list[int] = []
    monkeypatch.setattr(process.quarantine, "prepare", lambda given: prepared.append(len(given)))
    batch = Batch("s1", NOW, [(CHANNEL, text, 10 * number) for number, text in enumerate(texts, 1)])
    with capture_logs():
        await process.intake.take_large(batch)
    assert decoded == [("decoding", 8), ("decoding", 12)], "the first is not large"
    assert prepared == [1]
    assert counts(process) == (4, 1, 4)
    process.die()
    assert archived(tmp_path) == waiting(tmp_path) == ["s1-10", "s1-20", "s1-30"]
    assert quarantined(tmp_path) == [("s1-40", "not_json")]


async def test_what_somebody_else_commits_while_a_large_batch_is_taken_is_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(tmp_path)

    def crash(_: Batch) -> None:
        process.store.commit()
        raise CrashError

    monkeypatch.setattr(process.intake, "_commit", crash)
    with pytest.raises(CrashError):
        await process.intake.take_large(Batch("s1", NOW, [(CHANNEL, b'{"n":1}', 10)]))
    process.die()
    again = Process(tmp_path)
    again.take(10, 20)
    again.die()
    assert archived(tmp_path) == waiting(tmp_path) == ["s1-10", "s1-20"]


def test_messages_that_are_set_aside_are_in_the_quarantine_and_counted(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.take(10)
    for offset in (20, 30):
        with capture_logs():
            process.intake.set_aside(Batch("s1", NOW, [(CHANNEL, b"poison %d" % offset, offset)]))
    assert counts(process)[:2] == (3, 3)
    process.quarantine.close()
    process.die()
    assert quarantined(tmp_path) == [("s1-20", "poison"), ("s1-30", "poison")]
    line = json.loads((tmp_path / "quarantine.jsonl").read_bytes().splitlines()[0])
    assert base64.b64decode(line["data"]) == b"poison 20"
    assert (line["channel"], line["received"]) == (CHANNEL.decode(), "2025-01-27T21:15:00Z")
    assert archived(tmp_path) == ["s1-10"]


def quarantined(directory: Path) -> list[tuple[str, str]]:
    lines = map(json.loads, (directory / "quarantine.jsonl").read_bytes().splitlines())
    return [(line["id"], line["reason"]) for line in lines]


def test_a_batch_that_nobody_can_follow_or_route_as_it_should_is_in_its_lanes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever bug a message meets, its batch is accepted: else each next process would meet it again."""

    def asks(one: Event) -> list[Announcement]:
        assert one.payload
        return []

    process = Process(tmp_path, track=asks)
    conditions = RouteOptions(name="asks", match={"payload.n": ">=0"}, to=["app"])
    process.intake.use(Routes([conditions, RouteOptions(name="all", to=["archive"])]), process.lanes)

    def refuse(*_: object) -> None:
        raise ValueError("cannot be read")

    monkeypatch.setattr("relay.events.model.decode_object", refuse)
    monkeypatch.setattr("relay.events.matching.Condition.value", refuse)
    with capture_logs() as logs:
        process.take(10, 20)
    monkeypatch.undo()
    process.take(30)
    process.die()
    assert archived(tmp_path) == ["s1-10", "s1-20", "s1-30"]
    assert waiting(tmp_path) == ["s1-30"]
    assert [line["event"] for line in logs] == ["tracking a batch failed", "a route failed", "a route failed"]


@pytest.mark.parametrize("step", ["before", "archive", "outbox", "commit", "after"])
def test_a_crash_at_any_step_leaves_each_event_once(tmp_path: Path, monkeypatch: Any, step: str) -> None:
    process = Process(tmp_path)
    process.take(10, 20)

    def crash(*_: object) -> None:
        raise CrashError

    target = {
        "before": (process.intake, "_normalised"),
        "archive": (process.archive, "write"),
        "outbox": (process.lanes["app"], "accept"),
        "commit": (process.store, "commit"),
        "after": (process.intake, "_nothing"),
    }[step]
    monkeypatch.setattr(*target, crash, raising=False)
    if step == "after":
        process.take(30, 40, 50)
    else:
        with pytest.raises(CrashError):
            process.take(30, 40, 50)
    process.die()
    again = Process(tmp_path)
    again.take(30, 40, 50, 60)
    again.take(70)
    again.die()
    expected = [f"s1-{offset}" for offset in range(10, 71, 10)]
    assert archived(tmp_path) == expected
    assert waiting(tmp_path) == expected


def test_a_crash_after_the_commit_of_a_batch_is_not_tracked_twice(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.take(10, 20)
    first.die()
    second = Process(tmp_path)
    second.take(10, 20)
    second.take(30)
    assert second.seen == [30]
    second.die()


def test_what_is_met_again_in_pieces_is_still_known(tmp_path: Path) -> None:
    """The next process need not cut the bytes as the last one did."""
    first = Process(tmp_path)
    first.take(10, 20, 30, 40)
    first.die()
    second = Process(tmp_path)
    second.take(10)
    second.intake.take(Batch("s1", NOW, [(CHANNEL, b"no json", 20)]))
    second.take(30)
    second.take(40, 50)
    second.die()
    assert waiting(tmp_path) == ["s1-10", "s1-20", "s1-30", "s1-40", "s1-50"]
    assert archived(tmp_path) == waiting(tmp_path)


def test_another_connections_positions_say_nothing(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.take(1000)
    first.die()
    second = Process(tmp_path)
    second.take(10, 20, stream="s2")
    second.die()
    assert waiting(tmp_path) == archived(tmp_path) == ["s1-1000", "s2-10", "s2-20"]


def test_the_unreadable_are_kept_once_and_do_not_hold_up_the_others(tmp_path: Path) -> None:
    batch = Batch("s1", NOW, [(CHANNEL, b"{", 10), (CHANNEL, b'{"n":2}', 20), (CHANNEL, b"", 30)])
    with capture_logs():
        for _ in range(2):
            process = Process(tmp_path)
            process.intake.take(batch)
            process.quarantine.close()
            process.die()
    lines = (tmp_path / "quarantine.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["s1-10", "s1-30"]
    assert archived(tmp_path) == waiting(tmp_path) == ["s1-20"]


def test_what_follows_from_an_event_comes_behind_it_on_the_same_way(tmp_path: Path) -> None:
    announcement = Announcement(channel="relay:run:started", event="run_started")
    process = Process(tmp_path, track=lambda event: [announcement] if event.offset == 10 else [])
    process.take(10, 20)
    process.intake.announce([announcement], NOW.astimezone(UTC))
    process.die()
    assert archived(tmp_path) == waiting(tmp_path) == ["s1-10", "s1-20", "r1-1", "r1-2"]


def test_an_event_that_no_route_takes_is_counted(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.intake.use(Routes([RouteOptions(name="none", match={"event": "other"}, to=["archive"])]), process.lanes)
    process.take(10, 20)
    process.take(30)
    assert process.intake.unrouted == 3
    process.die()


def test_that_a_sink_is_failing_is_told_through_another_one_that_alerts_people(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.lanes["app"].sink.alerting = True  # type: ignore[misc]  # where it is one of a chat, say
    process.intake.use(Routes([RouteOptions(name="all", to=["archive"])]), process.lanes)
    failing = Announcement(
        channel="relay:alert:sink_failing", event="sink_failing", payload={"alert": "sink_failing:archive"}
    )
    process.intake.announce([failing], NOW)
    process.take(10)
    process.die()
    assert archived(tmp_path) == ["r1-1", "s1-10"]
    assert waiting(tmp_path) == ["r1-1"]


@pytest.mark.parametrize("position", ["s1 20", None])
def test_the_position_is_where_the_process_before_has_left_it(tmp_path: Path, position: str | None) -> None:
    store = Store(tmp_path / "relay.db")
    store.shelf("intake").put("position", position)
    store.commit()
    store.close()
    process = Process(tmp_path)
    process.take(10, 20, 30)
    assert process.seen == ([30] if position else [10, 20, 30])
    process.die()
