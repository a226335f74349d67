"""The runs that are known, open and ended, on a shelf: one JSON object a run, the last few hundred kept.

It finds and keeps; what happens to a run is for `relay.runs.runs`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from relay.runs.claims import STALE
from relay.runs.run import Run
from relay.store.shelf import Shelf

SAVE_EVERY = timedelta(seconds=10)
"""Progress alone is put on the shelf this often; transitions at once."""
GIVEN_UP = "more runs were open at once than can be real"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Run).decode


class Ledger:
    """Runs by id and by order. On the wire an id that is used again names the newest run that has it."""

    def __init__(self, shelf: Shelf, keep: int) -> None:
        """Read back what is on the shelf; what cannot be read there is forgotten."""
        self._shelf = shelf
        self._keep = keep
        self._runs: dict[int, Run] = {}
        self._by_id: dict[str, Run] = {}
        self._newest: dict[str, Run] = {}
        """By the id on the wire."""
        self._open: dict[int, Run] = {}
        self._unjudged: dict[int, Run] = {}
        self._saved: dict[int, datetime] = {}
        for key, value in sorted(shelf.items().items()):
            if key.startswith("run:"):
                self._load(key, value)
        self._last_number = max(self._runs, default=0)

    def _load(self, key: str, value: str) -> None:
        try:
            run = _decode(value)
        except msgspec.MsgspecError:
            self._shelf.put(key, None)
            return
        self._file(run)

    def _file(self, run: Run) -> None:
        self._runs[run.number] = run
        self._name(run)
        self._sort(run)

    def _name(self, run: Run) -> None:
        self._by_id[run.run_id] = run
        newest = self._newest.get(run.published_id)
        if newest is None or newest.began <= run.began:  # the API's history tells of older ones later
            self._newest[run.published_id] = run

    def _unname(self, run: Run) -> None:
        for names, name in ((self._by_id, run.run_id), (self._newest, run.published_id)):
            if names.get(name) is run:
                del names[name]

    def _sort(self, run: Run) -> None:
        for is_so, pile in ((run.state.is_open, self._open), (_waits_for_judgement(run), self._unjudged)):
            if is_so:
                pile[run.number] = run
            else:
                pile.pop(run.number, None)

    @property
    def open(self) -> list[Run]:
        """Runs that go on, the oldest first."""
        return list(self._open.values())

    @property
    def unjudged(self) -> list[Run]:
        """Runs that have ended and wait for the check of their result."""
        return list(self._unjudged.values())

    @property
    def next_number(self) -> int:
        """The number for a new run."""
        return self._last_number + 1

    def get(self, run_id: str | None) -> Run | None:
        """The run of that id."""
        return self._by_id.get(run_id) if run_id is not None else None

    def named(self, published_id: str | None, at: datetime | None = None) -> Run | None:
        """The newest run that is called so on the wire; of several the one that goes on `at` a moment, if one is given.

        A clock may be wrong by hours, so a run that is alone in its half day is meant.
        """
        newest = self._newest.get(published_id) if published_id is not None else None
        if newest is None or at is None or _is_near(newest, at):
            return newest
        same = (run for run in reversed(self._runs.values()) if run.published_id == published_id)
        return next((run for run in same if _is_near(run, at)), None)

    def own_id(self, prefix: str, began: datetime) -> str:
        """An id that no other run has."""
        return f"{prefix}-{self.next_number}-{began:%Y%m%dT%H%M%SZ}"

    @property
    def latest(self) -> Run | None:
        """The run that was entered last."""
        return next(reversed(self._runs.values()), None)

    def newest_first(self) -> Iterator[Run]:
        """All runs that are kept, by when they began."""
        return iter(sorted(self._runs.values(), key=lambda run: run.began, reverse=True))

    def add(self, run: Run, now: datetime) -> None:
        """Enter a new run, and forget the oldest if there are too many."""
        self._last_number = max(self._last_number, run.number)
        self._file(run)
        self.save(run, now)
        while len(self._runs) > self._keep:
            self._forget(self._least_worth_keeping())

    def rename(self, run: Run, run_id: str) -> None:
        """Give a run the id that it turned out to have."""
        self._unname(run)
        if self._by_id.get(run_id) is None:
            run.run_id = run_id
        else:
            run.shared_id = run_id
        run.is_unnamed = False
        self._name(run)

    def save(self, run: Run, now: datetime) -> None:
        """Put the run on the shelf."""
        self._sort(run)
        self._saved[run.number] = now
        self._shelf.put(_key(run), _encode(run).decode())

    def save_sometimes(self, run: Run, now: datetime) -> None:
        """Put the run on the shelf unless that was done a moment ago."""
        saved = self._saved.get(run.number)
        if saved is None or not timedelta(0) <= now - saved < SAVE_EVERY:
            self.save(run, now)

    def _least_worth_keeping(self) -> Run:
        """Invented ids must not push out real runs: what was given up goes first, then the oldest that has ended."""
        ended = [run for run in self._runs.values() if not run.state.is_open]
        return next((run for run in ended if run.reason == GIVEN_UP), ended[0])

    def _forget(self, run: Run) -> None:
        del self._runs[run.number]
        self._saved.pop(run.number, None)
        self._unjudged.pop(run.number, None)
        self._unname(run)
        self._shelf.put(_key(run), None)


def _waits_for_judgement(run: Run) -> bool:
    return not run.state.is_open and (run.findings is None or not run.is_judged)


def _is_near(run: Run, at: datetime) -> bool:
    """Whether the run can be meant by what is told of that moment; no zone of America explains half a day."""
    return -STALE < at - run.began < STALE


def _key(run: Run) -> str:
    return f"run:{run.number:09}"
