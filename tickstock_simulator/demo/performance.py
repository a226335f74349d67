"""One performance of the demo from the curtain to the verdict."""

import asyncio
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rich.console import Console

from relay.events.wording import plural
from relay.status.snapshot import Snapshot
from tickstock_simulator.demo.lines import Lines, Output
from tickstock_simulator.demo.notes import DemoNote, Notes
from tickstock_simulator.demo.stage import Stage
from tickstock_simulator.demo.story import ERRORS, START, Expected, Story, speed_for
from tickstock_simulator.demo.view import View

PLACE = Path("demo-run")
INTRODUCTION = f"""\
TickStock Relay demo: the afternoon of Monday 27 January 2025 in New York,
15:12 to 16:55, in {{seconds:.0f}} s: its clock runs {{speed:.0f}} times as fast as yours.
Relay and Redis server are real; TickStockPL, Slack and the web app that gets
webhooks are stand-ins, all on this machine. What will happen:
  1. An operator starts a run by hand: all goes well.
  2. The data vendor refuses: {ERRORS} equal errors become one Slack message.
  3. The run that is due at 16:10 never starts: a message says so, and turns
     green when the run that the operator starts by hand has ended well.
"""
PICTURES = 5
"""A second."""
OVERTIME = 20.0
"""Seconds that a slow machine may need beyond those asked for."""


class Show(Protocol):
    """Shows a performance to somebody."""

    def note(self, note: DemoNote) -> None:
        """Something happened."""

    def show(self, snapshot: Snapshot) -> None:
        """So it looks now."""

    def close(self) -> None:
        """It is over."""


def fresh_directory(place: Path = PLACE) -> Path:
    """A directory below `place` that does not exist yet, named after the time."""
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    candidates = [place / name, *(place / f"{name}-{number}" for number in range(2, 100))]
    return next(path for path in candidates if not path.exists())


class Performance:
    """Plays the day once, shows it, and judges it."""

    def __init__(self, seconds: float, directory: Path, console: Console, *, keep_open: bool = False) -> None:
        """`keep_open`: at the end relay and stand-ins stay up until Ctrl-C."""
        self._seconds = seconds
        self._directory = directory
        self._console = console
        self._keep_open = keep_open
        self._interrupted = asyncio.Event()
        self._output = Output(closed=self._interrupted.set)
        self._shows: list[Callable[[DemoNote], None]] = []
        self._notes = Notes(self._now, self._show_note)
        self._stage = Stage(directory, start=START, speed=speed_for(seconds), say=self._notes.say)
        self._story = Story(self._stage, self._notes.tell_scene)

    async def run(self) -> bool:
        """Whether all that was expected has happened.

        Raises:
            StageError: a part is missing or has failed.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._interrupted.set)
        self._output.line(INTRODUCTION.format(seconds=self._seconds, speed=self._stage.speed))
        async with self._stage as stage:
            show = self._make_show()
            self._shows.append(show.note)
            try:
                await self._play(show)
                self._notes.slack(stage.slack.messages)
                show.show(await stage.snapshot())
                await self._keep_pages()
            finally:
                show.close()
            if self._keep_open and not self._interrupted.is_set():
                await self._stay_open()
            if self._interrupted.is_set():
                self._output.line("\nInterrupted: TickStockPL is stopped, then the relay.")
            await self._story.settle()
            self._verdict()
        return all(one.seen for one in self._story.expected)

    @property
    def unread(self) -> bool:
        """Whether the reader of standard output went away, which ended it."""
        return self._output.is_closed

    def _now(self) -> datetime:
        return self._stage.simulator.clock.now()

    def _show_note(self, note: DemoNote) -> None:
        for show_note in self._shows:
            show_note(note)

    def _make_show(self) -> Show:
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            self._output.line("\n".join([*self._where(), ""]))
            return Lines(self._output)
        return View(self._console, self._notes, self._where(), self._real_time)

    def _real_time(self) -> str:
        return f"{self._stage.speed:.0f} times as fast, {self._spent:.0f} s of {self._seconds:.0f}"

    @property
    def _spent(self) -> float:
        """Real seconds since all parts were up."""
        return time.monotonic() - self._stage.simulator.clock.began

    async def _play(self, show: Show) -> None:
        """Until the story ends, is interrupted, or takes too long."""
        story = asyncio.create_task(self._story.play())
        watching = asyncio.create_task(self._watch(show))
        interrupted = asyncio.create_task(self._interrupted.wait())
        left = self._seconds + OVERTIME
        tasks: list[asyncio.Task[None] | asyncio.Task[bool]] = [story, watching, interrupted]
        try:
            done, _ = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _watch(self, show: Show) -> None:
        while True:
            self._notes.slack(self._stage.slack.messages)
            show.show(await self._stage.snapshot())
            await asyncio.sleep(1 / PICTURES)

    async def _keep_pages(self) -> None:
        """What the relay's pages showed at the end, as they end with it."""
        (self._directory / "metrics.txt").write_text(await self._stage.metrics())
        (self._directory / "status.html").write_text(await self._stage.page("/"))
        (self._directory / "run.html").write_text(await self._stage.page(self._run_page))

    @property
    def _run_page(self) -> str:
        return f"/runs/{START:%Y-%m-%d}"

    def _where(self) -> list[str]:
        return [
            f"pages    {self._stage.url}/   {self._stage.url}{self._run_page}",
            f"metrics  {self._stage.url}/metrics   Slack  {self._stage.slack.url}/",
            f"archive  {self._stage.archive}/",
        ]

    async def _stay_open(self) -> None:
        """Until Ctrl-C."""
        self._output.line("\n".join(["Open until Ctrl-C:", *self._where()]))
        await self._interrupted.wait()
        if not self._output.is_closed:
            self._interrupted.clear()  # of all that was to be shown nothing is missing

    def _verdict(self) -> None:
        """Say what happened, and what did not; no line longer than a terminal is wide."""
        slack, app = len(self._stage.slack.messages), len(self._stage.app.deliveries)
        theirs, own = self._story.archived()
        say = self._output.line
        say(
            f"\n{self._stage.simulator.publisher.sent.total():,} messages sent by TickStockPL.\n"
            f"{theirs + own:,} events in the archive: {theirs:,} of these, {own:,} of the relay's own.\n"
            f"{plural(slack, 'Slack message')}, {plural(app, 'webhook')},"
            f" {self._spent:.0f} s."
        )
        interrupted = self._interrupted.is_set()
        for one in self._story.expected:
            say(f"  {'ok       ' if one.seen else _fault(one, interrupted=interrupted)}  {one.what}")
        if interrupted:
            say("Interrupted: what was not reached says nothing about the relay.")
        elif not self._story.good_run.seen or not self._story.late_run.seen:
            say(f"Given up {OVERTIME:.0f} s after its time: is this machine too busy? Try more --seconds.")
        say(f"Kept in {self._directory}/:\n  config.yaml, relay.log, metrics.txt, status.html, run.html,\n  archive/")


def _fault(one: Expected, *, interrupted: bool) -> str:
    return "not yet  " if interrupted and one.seen is None else "MISSING  "
