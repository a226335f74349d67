"""A flood of one cause is a few lines and a sum; another cause is another line."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from relay.process.log_limit import EVERY, FIRST, MOST_CAUSES, REPEATED, LineLimit


class Log:
    """What is written through a limit, at seconds of the test's choice."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[dict[str, Any]] = []
        self.limit = LineLimit(lambda: self.now)
        structlog.configure(processors=[self.limit, self._write], wrapper_class=structlog.BoundLogger)
        self.warning = structlog.get_logger().warning

    def _write(self, _: object, method: str, line: Any) -> str:
        self.lines.append(dict(line) | {"level": method})
        raise structlog.DropEvent

    @property
    def sums(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if REPEATED in line]


@pytest.fixture
def log() -> Iterator[Log]:
    before = structlog.get_config()
    yield Log()
    structlog.configure(**before)


@pytest.mark.thorough
def test_a_flood_is_its_first_lines_and_a_sum(log: Log) -> None:
    for number in range(104_930):
        log.warning("message quarantined", channel=f"tickstock:c{number}", reason="not_json", size=3)
    assert len(log.lines) == FIRST
    log.limit.sum_up()
    assert len(log.lines) == FIRST, "the minute is not over"
    log.now = EVERY
    log.limit.sum_up()
    (summed,) = log.sums
    assert summed[REPEATED] == 104_930 - FIRST
    assert (summed["event"], summed["level"], summed["reason"]) == ("message quarantined", "warning", "not_json")
    assert summed["channel"] == "tickstock:c104929", "one of them, for whoever looks for the cause"
    log.limit.sum_up()
    assert len(log.sums) == 1


def test_counts_are_added_up(log: Log) -> None:
    for _ in range(FIRST + 3):
        log.warning("events given up", lane="app", count=7, error="gone")
    log.now = EVERY
    log.limit.sum_up()
    assert [(line[REPEATED], line["count"]) for line in log.sums] == [(3, 21)]


@pytest.mark.parametrize("field", ["sink", "lane", "part", "reason"])
def test_who_else_it_is_about_is_another_cause(log: Log, field: str) -> None:
    for _ in range(100):
        log.warning("sink raised", **{field: "a"})
    log.warning("sink raised", **{field: "b"})
    log.warning("another thing")
    assert [line.get(field) for line in log.lines] == ["a"] * FIRST + ["b", None]


def test_another_error_is_another_cause(log: Log) -> None:
    for number in range(100):
        try:
            _ = int("x") if number % 2 else 1 // 0
        except (ValueError, ZeroDivisionError):
            log.warning("sink raised", sink="a", exc_info=True)
    log.warning("sink raised", sink="a", exc_info=OSError())
    assert len(log.lines) == 2 * FIRST + 1
    log.now = EVERY
    log.limit.sum_up()
    assert [line[REPEATED] for line in log.sums] == [50 - FIRST] * 2
    assert all("exc_info" not in line for line in log.sums), "there is no error any more where it is written"


def test_each_change_of_state_is_written(log: Log) -> None:
    for _ in range(50):
        structlog.get_logger().info("subscribed")
    assert len(log.lines) == 50


def test_a_trickle_is_written_line_by_line(log: Log) -> None:
    for minute in range(30):
        log.now = minute * EVERY
        log.warning("the clock was set")
        log.limit.sum_up()
    assert len(log.lines) == 30


def test_a_flood_that_goes_on_is_summed_each_minute_and_at_the_end(log: Log) -> None:
    for minute in range(3):
        log.now = minute * EVERY
        for _ in range(1000):
            log.warning("message quarantined")
    log.limit.sum_up(all_of_them=True)
    assert [line[REPEATED] for line in log.sums] == [1000 - FIRST] * 3
    assert len(log.lines) == 3 * FIRST + 3


def test_any_number_of_causes_is_bounded(log: Log) -> None:
    for number in range(20 * MOST_CAUSES):
        log.warning("not subscribed", reason=f"no answer for {number} s")
    assert len(log.lines) <= MOST_CAUSES + FIRST
    assert len(log.limit._spans) <= MOST_CAUSES + 1


def test_a_library_s_lines_are_limited_too(log: Log) -> None:
    def record(text: str, *arguments: object) -> logging.LogRecord:
        return logging.LogRecord("httpx", logging.WARNING, "f.py", 1, text, arguments, None)

    passed = [log.limit.filter(record("retrying %s", number)) for number in range(1000)]
    assert sum(passed) == FIRST
    assert log.limit.filter(record("another thing"))
    log.now = EVERY
    log.limit.sum_up()
    assert [(line["event"], line[REPEATED]) for line in log.sums] == [("httpx: retrying %s", 1000 - FIRST)]


FLOOD = """
import structlog, logging
from relay.config.settings import LogOptions
from relay.process.logs import finish, set_up, write_in_background
write_in_background()
set_up(LogOptions(format="json"))
for number in range(3000):
    structlog.get_logger().warning("message quarantined", reason="not_json", channel=str(number))
    logging.getLogger("library").error("cannot connect to %s", number)
finish()
"""


def test_the_daemon_s_own_log_is_limited_and_its_end_sums_up() -> None:
    ended = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True, timeout=60)
    lines = ended.stderr.splitlines()
    assert len(lines) == 2 * FIRST + 2, ended.stderr
    sums = [json.loads(line) for line in lines if REPEATED in line]
    assert {line["event"]: line[REPEATED] for line in sums} == {
        "message quarantined": 3000 - FIRST,
        "library: cannot connect to %s": 3000 - FIRST,
    }
