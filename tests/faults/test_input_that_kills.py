"""Input that would hold the relay up for ever, or end each of its processes: it goes on, and the input is kept."""

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.parts import RelayProcess, Valkey, until
from tests.parts.relay_process import drained
from tests.parts.traffic import CHANNEL, message

pytestmark = pytest.mark.faults

SENTENCE = "database connection lost after retry number seven of seven!"
SLOW_IN_PYTHON = [
    (r"^(\w+\s?)*$", SENTENCE),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5_000),
    (r"\b(?:é|É|\w)+\b(?:\s|\w+)*\?$", "é" * 5_000 + "!"),
]
ANSWERS_WITHIN = 1.0
"""Seconds; the daemon's own time for it is some milliseconds."""


def test_no_text_holds_a_route_up(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    routes = [
        {"name": f"slow {number}", "match": {"payload.pad": f"=~{pattern}"}, "to": ["archive"]}
        for number, (pattern, _) in enumerate(SLOW_IN_PYTHON)
    ]
    with RelayProcess(tmp_path, valkey.url, config={"routes": routes}) as relay:
        slowest = 0.0
        for number, (_, text) in enumerate(SLOW_IN_PYTHON, start=1):
            begun = time.monotonic()
            valkey.publish(CHANNEL, message(number, text))
            until(lambda number=number: number in relay.numbers(), 10, what="the message")  # type: ignore[misc]
            assert relay.answers("/healthz")
            slowest = max(slowest, time.monotonic() - begun)
        drained(relay)
        assert relay.numbers() == {1: 1, 2: 1, 3: 1}
    assert slowest < ANSWERS_WITHIN
    report("pattern: texts that Python's re would match for hours", injections=3, messages=3, seconds=slowest)
