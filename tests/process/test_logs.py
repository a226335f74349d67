"""The relay's own log, as somebody reads it: no local variables in tracebacks, and one line for one thing."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.cli import COMMANDS
from relay.events import encode
from tests.support.wire import event

FAILING = """
import sys
import structlog
from relay.config.settings import LogOptions
from relay.process.logs import set_up

set_up(LogOptions(format=sys.argv[1]))
log = structlog.get_logger()

def connect(token):
    raise RuntimeError("the other side is gone")

try:
    connect("".join(["hid", "den"]))
except RuntimeError:
    log.exception("failed")
log.warning("received", channel="a\\nb\\x1b[31mc")
"""


@pytest.fixture(params=["console", "json"])
def output(request: pytest.FixtureRequest) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", FAILING, request.param], capture_output=True, text=True, check=True, timeout=120
    )
    return ended.stderr


def test_a_traceback_tells_where_and_what_but_no_values(output: str) -> None:
    assert "RuntimeError: the other side is gone" in output
    assert "in connect" in output
    assert "hidden" not in output


def test_text_from_the_wire_stays_in_its_line_and_steers_no_terminal(output: str) -> None:
    line = next(line for line in output.splitlines() if "received" in line)
    assert "\x1b" not in output
    assert line.rstrip().endswith(("}", "c)"))
    assert "[31mc" in line


CANARY = """
import asyncio
import logging
import sys
import click
from relay import cli

load = cli.main.get_command

def loaded(context, name):
    load(context, name)
    return click.Command(name, callback=fail)

def fail():
    import structlog
    try:
        connect("".join(["hid", "den"]))
    except RuntimeError:
        structlog.get_logger().exception("by structlog")
        structlog.get_logger().bind(sink="ops").error("by a bound logger", exc_info=True)
        logging.getLogger("library").exception("by logging")
    asyncio.run(in_a_task())
    connect("".join(["hid", "den"]))

async def in_a_task():
    async def work():
        connect("".join(["hid", "den"]))
    asyncio.create_task(work())
    await asyncio.sleep(0)

def connect(token):
    secrets = {"token": token}
    raise RuntimeError("the other side is gone")

cli.main.get_command = loaded
cli.main([sys.argv[1]])
"""


@pytest.mark.thorough
@pytest.mark.parametrize("name", COMMANDS)
def test_no_commands_traceback_shows_a_local_variable(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CANARY, name], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.stderr.count("RuntimeError: the other side is gone") == 5, ended.stderr
    assert "by a bound logger" in ended.stderr
    assert "hidden" not in ended.stdout + ended.stderr
    assert ended.stdout == "", "standard output is the command's own"


SECRET = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"  # noqa: S105 - opens nothing
SINK_THAT_RAISES = """
import sys
from relay.cli import main
from relay.replay import targets
from sinks.webhook import WebhookSink

async def raises(self, *_):
    token = self.options.secret.get_secret_value() if self.options.secret else ""
    raise ZeroDivisionError

setattr(WebhookSink, sys.argv.pop(1), raises)
targets.PATIENCE = 0.5
main()
"""


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "arguments", "shows"),
    [
        ("deliver", ("replay", "archive.jsonl", "--to", "sinks", "--as-fast"), "ZeroDivisionError"),
        ("start", ("replay", "archive.jsonl", "--to", "sinks", "--as-fast"), "ZeroDivisionError"),
        ("check", ("check", "--connect"), "ZeroDivisionError"),
    ],
)
def test_a_sink_that_raises_shows_no_secret(
    method: str, arguments: tuple[str, ...], shows: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(
        "redis: {url: redis://127.0.0.1:1/0, connect_timeout: 0.1}\nhttp: {enabled: false}\n"
        f"sinks: {{app: {{type: webhook, url: 'http://127.0.0.1:1/', secret: {SECRET}}}}}\n"
        "routes: [{name: all, match: {}, to: [app]}]\n"
    )
    moment = datetime(2025, 1, 27, 21, 10, tzinfo=UTC)
    (tmp_path / "archive.jsonl").write_bytes(encode(event("tickstock:errors", "error", moment)) + b"\n")
    ended = subprocess.run(
        [sys.executable, "-c", SINK_THAT_RAISES, method, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert shows in ended.stdout + ended.stderr, ended
    assert SECRET not in ended.stdout + ended.stderr
