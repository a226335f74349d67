"""Which message ends each process: found on a store that outlives them, with no process harmed."""

from pathlib import Path

import pytest

from relay.store.store import Store
from relay.subscription.batch import Batch
from relay.subscription.poison import ENOUGH, PoisonSearch, notice
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")


class Processes:
    """One after the other on the same store and the same unread messages; a harmful message ends each that takes it."""

    def __init__(self, directory: Path, positions: list[int], harmful: set[int], stream: str = "s1") -> None:
        self._path = directory / "relay.db"
        self.unread = positions
        self.harmful = harmful
        self.stream = stream
        self.taken: list[int] = []
        self.aside: list[tuple[int, int]] = []
        self.ends = 0

    def run(self, most_at_once: int = 1000) -> bool:
        """One process until it has taken all, or was ended."""
        store = Store(self._path)
        search = PoisonSearch(store)
        try:
            while self.unread:
                batch = Batch(self.stream, NOW, [(b"tickstock:a:b", b"{}", at) for at in self.unread[:most_at_once]])
                if search.is_over:
                    self._take(batch)
                    self.unread = self.unread[len(batch.messages) :]
                    continue
                for part in search.parts(batch):
                    if part.ends:
                        self.aside.append((part.position, part.ends))
                    else:
                        self._take(part.batch)
                    self.unread = [at for at in self.unread if at > part.position]
        except SystemExit:
            self.ends += 1
            store._db.close()  # as a process ends: what is staged is lost
            return False
        store.close()
        return True

    def _take(self, batch: Batch) -> None:
        positions = [position for _, _, position in batch.messages]
        if self.harmful & set(positions):
            raise SystemExit
        self.taken += positions

    def run_all(self, most_at_once: int = 1000) -> None:
        while not self.run(most_at_once):
            assert self.ends < 50


@pytest.mark.parametrize("harmful", [{10}, {20}, {50}, {10, 20}, {20, 40}, {40, 50}, {10, 20, 30, 40, 50}])
def test_each_harmful_message_is_set_aside_and_every_other_is_taken_once(tmp_path: Path, harmful: set[int]) -> None:
    processes = Processes(tmp_path, [10, 20, 30, 40, 50], harmful)
    processes.run_all()
    assert processes.taken == sorted({10, 20, 30, 40, 50} - harmful)
    assert [position for position, _ in processes.aside] == sorted(harmful)
    assert processes.ends == ENOUGH + len(harmful), "three with the batch, then one with each"


def test_one_that_comes_alone_needs_no_fourth_end(tmp_path: Path) -> None:
    processes = Processes(tmp_path, [10], {10})
    processes.run_all()
    assert (processes.aside, processes.ends, processes.taken) == ([(10, 3)], 3, [])


def test_it_is_found_in_a_later_batch_of_what_is_taken_apart_too(tmp_path: Path) -> None:
    processes = Processes(tmp_path, [10, 20, 30, 40, 50, 60], {40})
    assert [processes.run() for _ in range(3)] == [False] * 3
    processes.run_all(most_at_once=2)  # as with a smaller window
    assert (processes.aside, processes.taken) == ([(40, 4)], [10, 20, 30, 50, 60])


def test_what_has_come_since_does_not_hide_it(tmp_path: Path) -> None:
    """More messages are unread each time; the batch is known by its beginning."""
    processes = Processes(tmp_path, [10, 20], {20})
    for more in (30, 40, 50):
        assert not processes.run()
        processes.unread.append(more)
    processes.run_all()
    assert (processes.aside, processes.taken) == ([(20, 4)], [10, 30, 40, 50])


def test_two_ends_are_not_enough_and_another_batch_or_stream_begins_anew(tmp_path: Path) -> None:
    processes = Processes(tmp_path, [10, 20], {20})
    assert [processes.run(), processes.run()] == [False, False]
    processes.harmful = set()
    processes.run_all()
    assert processes.taken == [10, 20]
    processes.unread, processes.harmful = [30, 40], {30}
    assert [processes.run(), processes.run()] == [False, False]
    processes.stream = "s2"
    assert [processes.run(), processes.run()] == [False, False]
    processes.harmful = set()
    processes.run_all()
    assert (processes.aside, processes.taken) == ([], [10, 20, 30, 40])


def test_an_end_between_two_single_messages_blames_neither(tmp_path: Path) -> None:
    processes = Processes(tmp_path, [10, 20, 30], {30})
    for _ in range(3):
        assert not processes.run()
    store = Store(tmp_path / "relay.db")
    parts = PoisonSearch(store).parts(Batch("s1", NOW, [(b"c", b"{}", at) for at in processes.unread]))
    assert next(parts).position == 10
    store._db.close()  # killed from outside: 10 was taken, and its bytes consumed
    processes.unread, processes.taken = [20, 30], [10]
    processes.run_all()
    assert (processes.taken, processes.aside) == ([10, 20], [(30, 4)])


@pytest.mark.parametrize("taken_apart", [False, True])
def test_processes_that_were_asked_to_end_in_a_batch_blame_nothing(tmp_path: Path, *, taken_apart: bool) -> None:
    processes = Processes(tmp_path, [10, 20, 30], {20} if taken_apart else set())
    for _ in range(3 * taken_apart):
        assert not processes.run()
    processes.harmful = set()
    for _ in range(5):
        store = Store(tmp_path / "relay.db")
        search = PoisonSearch(store)
        batch = Batch("s1", NOW, [(b"c", b"{}", at) for at in processes.unread])
        part = next(search.parts(batch))
        assert part.ends == 0
        search.stopping()
        store._db.close()
        store = Store(tmp_path / "relay.db")
        assert not PoisonSearch(store).ended_in_batch
        store._db.close()
    processes.run_all()
    assert (processes.taken, processes.aside) == ([10, 20, 30], [])


def test_a_process_that_ends_before_it_takes_anything_does_not_count(tmp_path: Path) -> None:
    processes = Processes(tmp_path, [10], {10})
    assert [processes.run(), processes.run()] == [False, False]
    for _ in range(3):
        store = Store(tmp_path / "relay.db")
        PoisonSearch(store)
        store._db.close()
    processes.harmful = set()
    processes.run_all()
    assert (processes.taken, processes.aside) == ([10], [])


def test_a_harmful_message_is_found_all_the_same_between_orderly_stops(tmp_path: Path) -> None:
    processes = Processes(tmp_path, [10, 20, 30], {20})
    while not processes.run():
        store = Store(tmp_path / "relay.db")
        search = PoisonSearch(store)
        next(search.parts(Batch("s1", NOW, [(b"c", b"{}", at) for at in processes.unread])), None)
        search.stopping()
        store._db.close()
        assert processes.ends < 10
    assert (processes.taken, processes.aside) == ([10, 30], [(20, 4)])


def test_only_the_first_batch_of_a_process_is_on_record_and_only_until_it_was_consumed(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")
    search = PoisonSearch(store)
    assert not search.ended_in_batch
    parts = search.parts(Batch("s1", NOW, [(b"c", b"{}", 10)]))
    assert next(parts).ends == 0
    assert store.read_shelf("poison")
    assert list(parts) == []
    assert search.is_over
    assert store.read_shelf("poison") == {}


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")
    store.shelf("poison").put("attempt", "{")
    store.commit()
    assert not PoisonSearch(store).ended_in_batch


def test_the_notice_says_how_often_and_from_where(tmp_path: Path) -> None:
    processes = Processes(tmp_path, [10], {10})
    for _ in range(3):
        processes.run()
    store = Store(tmp_path / "relay.db")
    [part] = PoisonSearch(store).parts(Batch("s1", NOW, [(b"tickstock:a:\xff", b"{}", 10)]))
    announcement = notice(part, NOW)
    assert (announcement.event, announcement.channel) == ("messages_set_aside", "relay:alert:messages_set_aside")
    assert announcement.payload["facts"] == {"channel": r"tickstock:a:\xff", "ends": 3, "id": "s1-10"}
    assert "3 times" in announcement.payload["message"]
