"""`top` in a terminal of 80 columns and 24 lines, beside a real relay: what stands there, and how it gets there."""

import asyncio
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyte
import pytest
from click.testing import CliRunner

from relay.cli import main
from relay.cli.board import board
from tests.support import RelayProcess, Valkey, eventually
from tests.support.relay_process import PROGRAM
from tests.support.scene import MONDAY, scene
from tests.web.pictures import snapshot

COLUMNS, LINES = 80, 24
BEGINS = b"\x1b[H"
"""With which each drawing of the whole screen begins."""
# A controlling terminal, so that Ctrl-C arrives as it does for people.
_LAUNCH = "import fcntl,os,sys,termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A terminal emulator with one program in it."""

    def __init__(self, command: list[str]) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.written = b""
        self.first_rows: list[str] = []
        """The screen's first row after each line of a drawing: a flicker would show as an empty one."""
        self._unread = b""
        self._is_over = False
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=environment | {"TERM": "xterm-256color"},
        )
        os.close(slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def _read(self) -> None:
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # the program has ended
            asyncio.get_running_loop().remove_reader(self._master)
            self._show(self._unread)
            self._is_over = True
            return
        self.written += piece
        self._unread += piece
        whole = max(0, self._unread.rfind(BEGINS))  # a test must not see a drawing that is half there
        self._show(self._unread[:whole])
        self._unread = self._unread[whole:]

    def _show(self, drawings: bytes) -> None:
        for line in drawings.splitlines(keepends=True):
            self._stream.feed(line)
            self.first_rows.append("".join(self.screen.buffer[0][column].data for column in range(COLUMNS)))

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def row(self, begins: str) -> int:
        """The number of the one row that begins so."""
        found = [number for number, row in enumerate(self.screen.display) if row.startswith(begins)]
        assert len(found) == 1, self.text
        return found[0]

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    async def ended(self) -> int:
        await eventually(lambda: self._is_over and self.process.poll() is not None, what="the end of top")
        return int(self.process.returncode)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def top(*arguments: str) -> Iterator[Terminal]:
    terminal = Terminal([str(PROGRAM), "top", *arguments])
    try:
        yield terminal
    finally:
        terminal.close()


def error(message: str) -> str:
    payload = {"severity": "error", "component": "data_import", "error_code": "E1", "message": message}
    return json.dumps({"event": "error", "timestamp": "", "source": "x", "version": "1.0", "payload": payload})


@pytest.mark.thorough
async def test_a_running_run_fits_the_terminal_and_does_not_flicker(tmp_path: Path, valkey: Valkey) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07 東京証券取引所の銘柄が見つかりません " * 4 + "\u202eend\r\n\x9b31m"
    async with scene(tmp_path, valkey, starts=MONDAY - timedelta(minutes=5), speed=120) as day:
        with top("--url", day.relay.url, "--interval", "0.1") as terminal:
            await eventually(lambda: "\nimport" in terminal.text, what="the run")
            begun = len(terminal.first_rows)
            valkey.client.publish("tickstock:errors", error(hostile))
            await eventually(lambda: "東" in terminal.text, what="the error")
            await eventually(lambda: "completed" in terminal.screen.display[terminal.row("import")])
            rows = list(terminal.screen.display)
            first = terminal.row("import")
            assert [rows[first + number].split()[0] for number in range(4)] == [
                "import",
                "cache",
                "indicators",
                "patterns",
            ]
            assert rows[first].split("completed")[1].split("usually")[1].strip()
            assert rows[0].startswith("TickStock Relay")
            assert rows[-1].startswith("q quits")
            assert "Today’s run is in progress" in rows[1]  # noqa: RUF001
            assert sum("東" in row for row in rows) == 1
            assert rows[terminal.row("INTAKE")].split("INTAKE")[1].strip().startswith("subscribed")
            before = terminal.text
            await eventually(lambda: terminal.text != before, what="movement")
            await eventually(lambda: "run completed" in terminal.text, what="the end")
            assert all(row.startswith("TickStock Relay") for row in terminal.first_rows[begun:])
            assert b"\x1b]0;" not in terminal.written
            assert b"\x1b[2J" not in terminal.written
            terminal.press(b"q")
            assert await terminal.ended() == 0
            assert b"\x1b[?1049l" in terminal.written  # the other screen is back
            assert b"\x1b[?25h" in terminal.written  # and so is the cursor


@pytest.mark.thorough
async def test_a_relay_that_is_away_is_said_and_tried_again(tmp_path: Path, valkey: Valkey) -> None:
    relay = RelayProcess(tmp_path, valkey.url)
    with top("--url", relay.url, "--interval", "0.1") as terminal:
        await eventually(lambda: "does not answer" in terminal.text and "Is the relay running?" in terminal.text)
        with relay:
            await eventually(lambda: terminal.screen.display[0].startswith("TickStock Relay"))
        away = ("does not answer since", "TickStock Relay")  # the second line is what was seen last
        await eventually(lambda: all(word in line for word, line in zip(away, terminal.screen.display, strict=False)))
        assert len(terminal.screen.display) == LINES
        terminal.press(b"\x03")
        assert await terminal.ended() == 0


def test_once_prints_the_state_and_a_wrong_token_is_said(tmp_path: Path, valkey: Valkey) -> None:
    config: dict[str, Any] = {"http": {}}
    relay = RelayProcess(tmp_path, valkey.url, config=config)
    relay.config["http"] = {"listen": relay.url.removeprefix("http://"), "token": "geheim"}
    with relay:
        seen = CliRunner().invoke(main, ["top", "--once", "--config", str(relay.config_path)])
        refused = CliRunner().invoke(main, ["top", "--once", "--url", relay.url])
        state = CliRunner().invoke(main, ["top", "--json", "--url", relay.url], env={"TICKSTOCK_RELAY_TOKEN": "geheim"})
    assert seen.exit_code == 0, seen.output
    assert "INTAKE" in seen.output
    assert refused.exit_code == 1
    assert "asks for a token" in refused.output
    assert json.loads(state.output)["intake"]["subscribed"] is True


@pytest.mark.parametrize("arguments", [["--url", "no url"], []])
def test_wrong_use_is_one_readable_line(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, ["top", *arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_terminal_that_cannot_be_drawn_on_is_told_of_once() -> None:
    controller, terminal = pty.openpty()
    environment = os.environ | {"TERM": "dumb"}
    top = subprocess.run(
        [PROGRAM, "top"],
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(terminal)
    os.close(controller)
    assert top.returncode == 2
    assert b"--once" in top.stderr


@pytest.mark.parametrize("height", [12, 24, 60])
def test_what_does_not_fit_is_counted_and_what_fires_comes_first(height: int) -> None:
    state = snapshot("words")
    alert = state.firing[0]
    many = msgspec.structs.replace(
        state,
        firing=[msgspec.structs.replace(alert, title=f"alert {number}") for number in range(3)],
        sinks=[msgspec.structs.replace(state.sinks[0], name=f"sink-{number}", error="") for number in range(9)],
    )
    lines = [line.plain for line in board(many, 80, height)]
    assert max(map(len, lines)) <= 80
    assert len(lines) <= max(height, 12)
    shown = sum("sink-" in line for line in lines)
    counted = [int(line.split("+")[1].split()[0]) for line in lines if line.rstrip().endswith(" more")]
    if height == 60:
        assert (shown, counted) == (9, [])
    if height == 24:
        assert [f"alert {number}" in "\n".join(lines) for number in range(3)] == [True] * 3
        assert 9 - shown in counted
