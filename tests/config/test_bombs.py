"""Small files that stand for enormous ones: refused at once, in one line, in little memory."""

import resource
import subprocess
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from relay.config.yaml_tree import MOST_VALUES, YamlError, parse
from relay.replay.archive import Archive, ReplayError, ReplaySelection
from tests.support.relay_process import PROGRAM

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{m: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        (ALIASES, "used again and again", 6),
        (MERGES, "used again and again", 5),
        ("a:\n" + "- x\n" * (MOST_VALUES + 10), "more than 50,000 values", MOST_VALUES - 1),
        ("a: &a [*a]\n", "inside itself", 1),
        ("[" * 100_000, "nests too deep", 1),
    ],
    ids=["aliases", "merges", "values", "itself", "depth"],
)
def test_a_configuration_that_becomes_too_large_is_refused(text: str, problem: str, line: int) -> None:
    with pytest.raises(YamlError, match=problem) as refused:
        parse(text)
    assert abs(refused.value.line - line) <= 2


@pytest.mark.thorough
def test_variables_that_are_never_closed_are_looked_through_once() -> None:
    assert parse('a: "' + "${A:-" * 200_000 + '"').values["a"].startswith("${A:-${A:-")


def test_an_anchor_that_is_used_twice_is_no_bomb() -> None:
    assert parse("a: &a {x: [1, 2]}\nb: *a\nc: [*a, *a]\n").values["c"] == [{"x": [1, 2]}, {"x": [1, 2]}]


def test_check_refuses_a_bomb_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(ALIASES)
    ended = subprocess.run(
        [PROGRAM, "check", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "line 5: not YAML: anchors (&) that are used again and again" in ended.stdout + ended.stderr


def packed(path: Path, content: bytes, times: int) -> Path:
    compressor = zstandard.ZstdCompressor().compressobj()
    with path.open("wb") as file:
        for _ in range(times):
            file.write(compressor.compress(content))
        file.write(compressor.flush())
    return path


@pytest.mark.thorough
@pytest.mark.parametrize("content", [b"x", b" ", b"{"], ids=["text", "blanks", "brackets"])
def test_an_archive_that_becomes_gigabytes_is_given_up_in_little_memory(tmp_path: Path, content: bytes) -> None:
    bomb = packed(tmp_path / "events.jsonl.zst", content * (1 << 20), 3 << 10)
    assert bomb.stat().st_size < 400_000
    tracemalloc.start()
    with pytest.raises(ReplayError, match="no line break in"):
        list(Archive([bomb], ReplaySelection(), mark=False).blocks())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200 << 20


@pytest.mark.thorough
def test_an_archive_of_empty_lines_that_becomes_gigabytes_is_read_in_little_memory(tmp_path: Path) -> None:
    bomb = packed(tmp_path / "events.jsonl.zst", b"\n" * (1 << 20), 100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert list(Archive([bomb], ReplaySelection(), mark=False).blocks()) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10


def test_a_zstd_file_that_asks_for_a_large_window_is_refused(tmp_path: Path) -> None:
    asking = zstandard.ZstdCompressionParameters(window_log=27)
    file = tmp_path / "events.jsonl.zst"
    begun = zstandard.ZstdCompressor(compression_params=asking).compressobj()
    file.write_bytes(begun.compress(b'{"a": 1}\n' * 1000) + begun.flush())
    with pytest.raises(ReplayError, match="damaged"):
        list(Archive([file], ReplaySelection(), mark=False).blocks())
