"""The one file: together or not at all, in memory while the disk refuses, back by itself with nothing lost."""

import sqlite3
import stat
from pathlib import Path

import pytest

from relay.store.file import open_for_tools
from relay.store.store import Store
from tests.support.disks import small_disk


@pytest.fixture(autouse=True)
def _return_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.store.store.RETURN_EVERY", 0.0)
    monkeypatch.setattr("relay.store.file.BUSY_SECONDS", 0.05)


def kept(path: Path) -> dict[str, str]:
    """What the next process finds."""
    store = Store(path)
    found = store.read_shelf("x")
    store.close()
    return found


def test_what_is_put_is_there_after_a_commit_and_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")
    shelf = store.shelf("x")
    shelf.put("a", "1")
    shelf.put("b", "2")
    shelf.put("b", None)
    assert shelf.items() == {"a": "1"}
    assert store.read_shelf("x") == {}, "not committed yet"
    store.commit()
    assert not store.staged
    shelf.put("never", "committed")
    del store, shelf
    assert kept(tmp_path / "relay.db") == {"a": "1"}


def test_what_a_sink_keeps_is_there_at_once_and_writes_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")
    store.shelf("runs").put("staged", "with a batch")
    shelf = store.shelf("x", at_once=True)
    shelf.put("a", "1")
    shelf.put("b", "2")
    shelf.put("b", None)
    assert store.staged, "what waits for its batch waits on"
    del store, shelf
    assert kept(tmp_path / "relay.db") == {"a": "1"}


def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")

    def write(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO shelf VALUES ('x', 'half', '1')")
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        store.write(write)
    assert store.read_shelf("x") == {}
    store.close()


def test_the_file_is_not_for_everyone(tmp_path: Path) -> None:
    store = Store(tmp_path / "sub" / "relay.db")
    store.shelf("x").put("key", "value")
    store.commit()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "sub").iterdir()}
    store.close()
    assert modes == dict.fromkeys(("relay.db", "relay.db-wal", "relay.db-shm"), 0o640)


def test_others_who_write_are_noticed_and_we_are_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")
    store.changed_by_others()
    store.shelf("x").put("a", "1")
    store.commit()
    assert not store.changed_by_others()
    tool = open_for_tools(tmp_path / "relay.db")
    tool.execute("DELETE FROM shelf WHERE name = 'x'")
    tool.close()
    assert store.changed_by_others()
    assert not store.changed_by_others()
    store.close()


@pytest.mark.faults
def test_a_full_disk_is_survived_in_memory_and_left_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        store = Store(disk.path / "relay.db")
        shelf = store.shelf("x")
        shelf.put("before", "1")
        store.commit()
        disk.fill()
        for number in range(40):
            shelf.put(f"during {number}", "y" * 20_000)
            store.commit()
        assert "full" in store.trouble
        store.retry_disk()
        assert store.trouble, "the disk is still full"
        disk.empty()
        store.retry_disk()
        assert store.trouble == ""
        shelf.put("after", "1")
        store.close()
        found = kept(disk.path / "relay.db")
        assert len(found) == 42
        assert {"before", "during 0", "during 39", "after"} <= found.keys()


@pytest.mark.faults
def test_a_read_only_disk_is_survived_too(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        Store(disk.path / "relay.db").close()
        disk.remount("ro")
        store = Store(disk.path / "relay.db")
        assert store.trouble
        store.shelf("x").put("a", "1")
        store.commit()
        assert store.read_shelf("x") == {"a": "1"}
        disk.remount("rw")
        store.retry_disk()
        assert store.trouble == ""
        store.close()
        assert kept(disk.path / "relay.db") == {"a": "1"}


def test_a_disk_that_was_never_readable_keeps_what_it_held(tmp_path: Path) -> None:
    """What could not be read at start must not be replaced by what was put in memory since."""
    path = tmp_path / "relay.db"
    first = Store(path)
    first.shelf("x").put("old", "1")
    first.close()
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    store = Store(path)
    assert "locked" in store.trouble
    store.shelf("x").put("new", "1")
    store.commit()
    locker.execute("ROLLBACK")
    locker.close()
    store.retry_disk()
    assert store.trouble == ""
    store.close()
    assert kept(path) == {"old": "1", "new": "1"}


@pytest.mark.parametrize("damage", ["no database", "header", "middle"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "relay.db"
    store = Store(path)
    for number in range(200):
        store.shelf("x").put(f"k{number}", "y" * 2000)
    store.close()
    data = bytearray(path.read_bytes())
    if damage == "middle":
        data[8192:-4096] = b"\xff" * (len(data) - 12288)
    else:
        data[: (len(data) if damage == "no database" else 100)] = b"this is no database " * 5
    path.write_bytes(data)
    store = Store(path)
    assert store.trouble == ""
    store.shelf("x").put("a", "1")
    store.close()
    assert kept(path) == {"a": "1"}
    assert len(list(tmp_path.glob("relay.db.damaged-*"))) == 1


def test_a_file_that_is_damaged_while_in_use_does_not_stop_us(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = Store(path)
    shelf = store.shelf("x")
    for number in range(3000):
        shelf.put(f"k{number}", "y" * 1000)
    store.commit()
    store.read("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    for number in range(50):
        shelf.put(f"new {number}", "y" * 1000)
        store.commit()
    assert store.trouble
    assert not store.is_whole
    store.retry_disk()
    assert store.trouble == ""
    store.close()
    found = kept(path)
    assert {"k0", "k2999", "new 0", "new 49"} <= found.keys(), "what was on a shelf was known"


def test_a_store_that_cannot_be_made_at_all_is_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "relay.db")
    assert store.trouble
    store.shelf("x").put("a", "1")
    store.commit()
    assert store.read_shelf("x") == {"a": "1"}
    store.close()


def test_the_command_lines_door_opens_only_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        open_for_tools(tmp_path / "relay.db")
    assert not (tmp_path / "relay.db").exists()
