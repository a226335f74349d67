"""The relay's own log, as somebody reads it: no local variables in tracebacks, and one line for one thing."""

import subprocess
import sys

import pytest

STUMBLE = """
import sys
import structlog
from relay.config.settings import LogOptions
from relay.logs import set_up

set_up(LogOptions(format=sys.argv[1]))
log = structlog.get_logger()

def connect(token):
    raise RuntimeError("the other side is gone")

try:
    connect("".join(["hid", "den"]))
except RuntimeError:
    log.exception("stumbled")
log.warning("heard", channel="a\\nb\\x1b[31mc")
"""


@pytest.fixture(params=["console", "json"])
def said(request: pytest.FixtureRequest) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", STUMBLE, request.param], capture_output=True, text=True, check=True, timeout=30
    )
    return ended.stderr


def test_a_traceback_tells_where_and_what_but_no_values(said: str) -> None:
    assert "RuntimeError: the other side is gone" in said
    assert "in connect" in said
    assert "hidden" not in said


def test_text_from_the_wire_stays_in_its_line_and_steers_no_terminal(said: str) -> None:
    heard = next(line for line in said.splitlines() if "heard" in line)
    assert "\x1b" not in said
    assert heard.rstrip().endswith(("}", "'", "c"))
    assert "[31mc" in heard
