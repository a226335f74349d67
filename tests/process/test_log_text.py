"""Lines of the log for people: on a terminal within 120 columns, in the journal with their priority."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from relay.process.log_text import for_journal, for_terminal, names_our_stderr, sentence

LINES = """
import logging
import structlog
from relay.config.settings import LogOptions
from relay.process.logs import set_up

set_up(LogOptions(format="FORMAT"))
log = structlog.get_logger()
log.info("subscribed", text="subscribed to tickstock:* (1 pattern)", stream="s1a20")
log.warning("sink is failing", sink="ops", error="TLS failed")
log.critical("alert", text="alert: Run failed", alert="run_failed:r1")
try:
    raise RuntimeError("gone")
except RuntimeError:
    log.exception("failed")
logging.getLogger("library").warning("of a library")
"""


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ({"event": "reloaded"}, "reloaded"),
        ({"event": "subscribed", "text": "subscribed to a", "stream": "s1", "adopted": True}, "subscribed to a"),
        ({"event": "sink is failing", "error": "TLS failed", "sink": "ops"}, "sink is failing: TLS failed (sink ops)"),
        ({"event": "stopped", "waiting": {}, "count": 0}, "stopped (count 0)"),
        ({"event": "stopped", "waiting": {"ops": 3, "app": 1}}, "stopped (waiting ops 3, app 1)"),
        ({"event": "x", "failures_in_a_row": 3, "on": True}, "x (failures in a row 3, on yes)"),
        ({"event": "x", "names": ["a", "b"]}, "x (names a, b)"),
        ({"event": "message\nquarantined", "reason": "a\x1b[31m\u202eb"}, "message quarantined: a[31mb"),
        ({"event": "x", "level": "info", "timestamp": "t", "exception": "Traceback"}, "x"),
    ],
)  # fmt: skip
def test_a_line_is_a_sentence_made_of_its_facts(line: dict[str, Any], text: str) -> None:
    assert sentence(line) == text


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2), ("odd", 6)]
)
def test_in_the_journal_each_line_has_its_priority_a_traceback_too(level: str, priority: int) -> None:
    text = for_journal(None, "", {"event": "failed", "level": level, "exception": "Traceback:\n  in x\nGone"})
    assert text == f"<{priority}>failed\n<{priority}>  Traceback:\n<{priority}>    in x\n<{priority}>  Gone"


@pytest.mark.parametrize("columns", ["80", "120", "200"])
@pytest.mark.parametrize("word", ["word ", "x" * 300 + " "])
def test_on_a_terminal_nothing_is_wider_than_it_or_120_columns(
    monkeypatch: pytest.MonkeyPatch, columns: str, word: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = for_terminal(None, "", {"event": word * 60, "level": "warning"})
    lines = text.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= min(120, int(columns))
    assert re.match(r"\d\d:\d\d:\d\d ! ", lines[0])
    assert all(line.startswith(" " * 11) for line in lines[1:])
    assert "".join("".join(line[11:] for line in lines).split()) == "".join((word * 60).split()), "nothing is cut off"


def test_the_journal_is_known_by_the_file_and_by_nothing_else() -> None:
    reading, writing = os.pipe()
    found = os.fstat(writing)
    name = f"{found.st_dev}:{found.st_ino}"
    assert names_our_stderr(name, writing)
    assert not any(names_our_stderr(other, writing) for other in ("", "1:2", f"{name}0", "x"))
    os.close(reading)
    os.close(writing)
    assert not names_our_stderr(name, writing)


def logged(format_: str, *, journal: bool) -> list[str]:
    """What a program writes; `journal`: JOURNAL_STREAM names its standard error."""
    reading, writing = os.pipe()
    found = os.fstat(writing)
    stream = f"{found.st_dev}:{found.st_ino}" if journal else "1:1"
    environment = os.environ | {"JOURNAL_STREAM": stream}
    program = [sys.executable, "-c", LINES.replace("FORMAT", format_)]
    subprocess.run(program, stderr=writing, env=environment, check=True, timeout=120)
    os.close(writing)
    with os.fdopen(reading) as log:
        return log.read().splitlines()


def test_the_daemons_log_in_the_journal_is_sentences_with_priorities() -> None:
    lines = logged("auto", journal=True)
    assert lines[:3] == [
        "<6>subscribed to tickstock:* (1 pattern)",
        "<4>sink is failing: TLS failed (sink ops)",
        "<2>alert: Run failed",
    ]
    assert lines[3] == "<3>failed"
    assert all(line.startswith("<3>  ") for line in lines[4:-1])
    assert lines[-2] == "<3>  RuntimeError: gone"
    assert lines[-1] == "<4>library: of a library"


def test_json_in_the_journal_has_priorities_and_elsewhere_none() -> None:
    in_journal, elsewhere = logged("json", journal=True), logged("auto", journal=False)
    assert in_journal[2].startswith('<2>{"')
    assert all(line.startswith('{"') for line in elsewhere[:-1])
    assert '"event": "alert"' in elsewhere[2]
    assert '"alert": "run_failed:r1"' in elsewhere[2]


def test_on_a_terminal_a_line_has_local_time_a_sign_and_no_internals() -> None:
    lines = logged("console", journal=False)
    assert re.fullmatch(r"\d\d:\d\d:\d\d   subscribed to tickstock:\* \(1 pattern\)", lines[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d ! sink is failing: TLS failed \(sink ops\)", lines[1])
    assert re.fullmatch(r"\d\d:\d\d:\d\d ✗ alert: Run failed", lines[2])
