"""Append-only files are what is on disk, not what was remembered of them, and each has one writer."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sinks.append_file import AppendFile, InUseError, is_same, make_directory

HOLD = """
import sys, pathlib
from sinks.append_file import AppendFile
file = AppendFile(pathlib.Path(sys.argv[1]))
print("opened", flush=True)
input()
"""


@contextmanager
def opened(path: Path) -> Iterator[AppendFile]:
    file = AppendFile(path)
    try:
        yield file
    finally:
        file.close()


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"opened\n"
        yield
        holder.kill()


def cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def cut_within_a_line(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 3)


def made_longer(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 5000)


def half_a_line_added(path: Path) -> None:
    with path.open("ab") as out:
        out.write(b"half a li")


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (cut_to_nothing, b""),
        (cut_within_a_line, b"one\n"),
        (made_longer, b"one\ntwo\n"),
        (half_a_line_added, b"one\ntwo\n"),
    ],
)
def test_lines_are_whole_whatever_was_done_to_the_file_in_between(
    tmp_path: Path, change: Callable[[Path], None], left: bytes
) -> None:
    path = tmp_path / "x.jsonl"
    with opened(path) as file:
        file.append(b"one\n")
        file.append(b"two\n")
        change(path)
        file.append(b"three\n")
        assert path.read_bytes() == left + b"three\n"
        assert file.size == len(left) + 6


def test_lines_that_somebody_else_added_are_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "x.jsonl") as file:
        file.append(b"one\n")
        with (tmp_path / "x.jsonl").open("ab") as out:
            out.write(b"two\n")
        file.append(b"three\n")
        assert (tmp_path / "x.jsonl").read_bytes() == b"one\ntwo\nthree\n"


def test_a_deleted_file_is_made_anew_with_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x.jsonl"
    with opened(path) as file:
        file.append(b"one\n")
        path.unlink()
        file.append(b"two\n")
        assert path.read_bytes() == b"two\n"
        path.unlink()
        path.parent.rmdir()
        file.append(b"three\n")
        assert path.read_bytes() == b"three\n"


def test_while_the_directory_is_a_file_writing_fails_and_then_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a" / "x.jsonl"
    with opened(path) as file:
        path.unlink()
        path.parent.rmdir()
        path.parent.write_text("in the way")
        for _ in range(2):
            with pytest.raises(OSError, match=r"File exists|Not a directory"):
                file.append(b"one\n")
        assert file.moved_away()
        path.parent.unlink()
        file.append(b"two\n")
        assert path.read_bytes() == b"two\n"


def test_a_second_writer_is_refused_until_the_first_one_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    (tmp_path / "link").symlink_to(tmp_path)
    with held_by_another_process(path):
        with pytest.raises(InUseError) as refused:
            AppendFile(tmp_path / "link" / "x.jsonl")
        assert refused.value.filename == str(tmp_path / "link" / "x.jsonl")
    with opened(path) as file:
        file.append(b"one\n")


def test_one_process_may_open_a_file_anew_before_it_closes_it(tmp_path: Path) -> None:
    """As a reload does; the lock lasts until the last one is closed."""
    path = tmp_path / "x.jsonl"
    first = AppendFile(path)
    with opened(path) as second:
        first.append(b"one\n")
        second.append(b"two\n")
        first.close()
        tried = subprocess.run([sys.executable, "-c", HOLD, str(path)], capture_output=True, text=True, check=False)
        assert "another process writes to it" in tried.stderr
        second.append(b"three\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (b"\0" * 6421 + b"one\ntwo\n", b"one\ntwo\n"),
        (b"one\n" + b"\0" * 70_000 + b"two\n", b"one\ntwo\n"),
        (b"one\nhal" + b"\0" * 5 + b"two\n", b"one\nhal\ntwo\n"),
        (b"one\n" + b"\0" * 3_000_000 + b"two\n", b"one\ntwo\n"),
        (b"one\ntwo\n" + b"\0" * 70_000, b"one\ntwo\n"),
        (b"\0" * 100, b""),
    ],
)
def test_nuls_are_removed_at_start(tmp_path: Path, found: bytes, left: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(found)
    os.utime(path, (1e9, 1e9))
    with opened(path) as file:
        assert path.read_bytes() == left
        file.append(b"three\n")
        assert path.read_bytes() == left + b"three\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_hole_in_the_middle_is_found_too(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as out:
        out.write(b"one\n" * 50_000)
        out.seek(4 << 20)
        out.write(b"two\n" * 50_000)
    os.utime(path, (1e9, 1e9))
    with capture_logs() as logs, opened(path):
        assert path.read_bytes() == b"one\n" * 50_000 + b"two\n" * 50_000
    assert [log["event"] for log in logs] == ["NUL bytes removed"]
    assert path.stat().st_mtime == 1e9


def test_files_and_directories_are_for_the_relay_and_its_group(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        make_directory(tmp_path / "a" / "b")
        with opened(tmp_path / "a" / "b" / "x"):
            pass
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/x")]
    assert modes == [0o750, 0o750, 0o640]


def test_two_paths_to_one_file_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "x").touch()
    (tmp_path / "hard").hardlink_to(tmp_path / "real" / "x")
    (tmp_path / "soft").symlink_to(tmp_path / "real" / "x")
    monkeypatch.chdir(tmp_path)
    real = tmp_path / "real" / "x"
    for same in (Path("real/x"), Path("link/../real/x"), tmp_path / "link" / "x", tmp_path / "hard", tmp_path / "soft"):
        assert is_same(real, same), same
    assert is_same(Path("real/not-yet"), tmp_path / "link" / "not-yet")
    assert not is_same(real, tmp_path / "real" / "y")
    assert not is_same(tmp_path / "nowhere" / "x", tmp_path / "else" / "x")
