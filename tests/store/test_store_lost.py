"""What a store has lost is known by number, and what can be read of it is saved."""

import os
import sqlite3
from pathlib import Path

import pytest

from relay.config.settings import OutboxOptions
from relay.store.outbox import Outbox
from relay.store.store import Store

WAITING = 300


def filled(path: Path, *, pad: int = 1000) -> Store:
    """A store with 300 waiting events, a firing alert and a silence; noted as by a tick."""
    store = Store(path)
    outbox = Outbox(store, OutboxOptions())
    for number in range(WAITING):
        outbox.stage("app", b'{"n":%d,"pad":"%b"}' % (number, b"x" * pad), now=1.0, order_key=f"k{number % 7}")
    store.shelf("alerts").put("run_failed:r1", "firing")
    store.shelf("silences").put("s1", "until tomorrow")
    store.commit()
    store.retry_disk()
    return store


def kept(store: Store) -> tuple[int, dict[str, str], dict[str, str]]:
    waiting = Outbox(store, OutboxOptions()).count_of("app")
    return waiting, store.read_shelf("alerts"), store.read_shelf("silences")


def crashed(store: Store) -> None:
    """Copy the files as they are now over those of the closed store: nothing was checkpointed, as after SIGKILL."""
    files = [store._path, store._path.with_name("relay.db-wal"), store._path.with_name("relay.db.rows")]
    contents = [file.read_bytes() for file in files]
    store.close()
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)


def test_a_first_start_and_a_restart_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = filled(path)
    assert store.losses == []
    crashed(store)
    store = Store(path, is_first_start=False)
    assert store.losses == []
    store.close()
    store = Store(path, is_first_start=False)
    assert store.losses == []
    assert kept(store)[0] == WAITING
    store.close()


@pytest.mark.parametrize("fault", ["emptied", "deleted", "log lost", "older copy"])
def test_what_waited_in_a_store_that_is_gone_is_told_with_its_number(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "relay.db"
    Store(path).close()
    older = path.read_bytes()
    store = filled(path)
    if fault == "log lost":
        crashed(store)
        path.with_name("relay.db-wal").unlink()
    else:
        store.close()
        if fault == "deleted":
            path.unlink()
        else:
            path.write_bytes(b"" if fault == "emptied" else older)
    store = Store(path, is_first_start=False)
    (loss,) = store.losses
    assert loss.missing is not None
    assert (loss.missing.waiting, loss.missing.state) == ({"app": WAITING}, 2)
    store.close()
    store = Store(path, is_first_start=False)
    assert store.losses == [], "reported once"
    store.close()


def test_a_store_that_is_not_there_beside_an_archive_is_told_without_a_number(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db", is_first_start=False)
    assert [loss.missing for loss in store.losses] == [None]
    store.close()


@pytest.mark.parametrize("pages", [1, 5, 40])
def test_rows_that_can_be_read_of_a_damaged_file_are_saved(tmp_path: Path, pages: int) -> None:
    path = tmp_path / "relay.db"
    store = filled(path)
    store.close()
    before = sqlite3.connect(path)
    used = (
        {page for (page,) in before.execute("SELECT pageno FROM dbstat WHERE name = 'outbox' AND pagetype = 'leaf'")}
        if _has_dbstat(before)
        else set(range(30, 30 + 2 * pages))
    )
    before.close()
    with path.open("r+b") as file:
        for page in sorted(used)[10 : 10 + pages]:
            file.seek((page - 1) * 4096)
            file.write(os.urandom(4096))
    store = Store(path, is_first_start=False)
    waiting, alerts, silences = kept(store)
    assert (alerts, silences) == ({"run_failed:r1": "firing"}, {"s1": "until tomorrow"})
    assert WAITING - 6 * pages <= waiting < WAITING
    (loss,) = store.losses
    assert loss.missing is not None
    assert loss.missing.waiting == {"app": WAITING - waiting}
    assert Path(loss.kept_as).exists()
    rows = Outbox(store, OutboxOptions()).waiting("app", 2.0, 1000)
    assert len(rows) == waiting, "order and counts are right again"
    store.close()


def _has_dbstat(db: sqlite3.Connection) -> bool:
    try:
        db.execute("SELECT 1 FROM dbstat LIMIT 1").fetchone()
    except sqlite3.Error:
        return False
    return True


@pytest.mark.parametrize("names", [["relay.db"], ["relay.db-wal"], ["relay.db", "relay.db-wal", "relay.db-shm"]])
def test_files_deleted_while_in_use_are_written_anew_and_nothing_is_lost(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "relay.db"
    store = filled(path)
    for name in names:
        (tmp_path / name).unlink()
    store.retry_disk()
    assert (store.trouble, store.losses) == ("", [])
    store.shelf("alerts").put("later", "1")
    store.commit()
    crashed(store)
    store = Store(path, is_first_start=False)
    assert store.losses == []
    assert kept(store)[0] == WAITING
    assert store.read_shelf("alerts") == {"run_failed:r1": "firing", "later": "1"}
    store.close()


def test_a_file_replaced_while_in_use_is_replaced_by_what_we_hold(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = filled(path)
    other = Store(tmp_path / "other.db")
    other.close()
    (tmp_path / "other.db").rename(path)
    store.retry_disk()
    assert store.losses == []
    assert kept(store)[0] == WAITING
    store.close()


def test_a_file_emptied_while_in_use_is_told_and_state_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = filled(path, pad=20_000)
    store.read("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(path, 0)
    store.retry_disk()
    (loss,) = store.losses
    assert loss.missing is not None
    waiting, alerts, silences = kept(store)
    assert loss.missing.waiting == {"app": WAITING - waiting}
    assert (alerts, silences) == ({"run_failed:r1": "firing"}, {"s1": "until tomorrow"})
    assert not store.is_whole
    store._tried -= 60
    store.retry_disk()
    assert store.trouble == ""
    store.close()
