"""The afternoon that is played, scene by scene, and what must have come of it.

It acts as TickStockPL and its operators do, and judges by what came out at the other end: Slack, the archive, metrics.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from standardwebhooks.webhooks import Webhook

from relay.events.wording import clock_time
from relay.tickstockpl.client import TickStockPL
from relay.tickstockpl.errors import ApiError
from tickstock_simulator.demo.stage import STRONG, WEBHOOK_SECRET, Stage, StageError
from tickstock_simulator.webhook import Delivery
from tickstock_simulator.wire import NEW_YORK

START = datetime(2025, 1, 27, 15, 12, tzinfo=NEW_YORK)
"""A Monday, the contract's own example; New York trades."""
DUE = START.replace(hour=16, minute=10)
MINUTE = timedelta(minutes=1)
STORY_SECONDS = 6360
"""From there to the end of the second run, with some minutes for the relay to start."""
AROUND_SECONDS = 5.0
"""Real seconds of the demo that are not the story's: starting and ending the parts."""
LEAST_SECONDS = 20
LAST_EVENTS = 10.0
"""Real seconds at most in which what was published last arrives everywhere."""
ERRORS = 50
ERROR_CODE = "RATE_LIMIT_EXCEEDED"


class _Line(msgspec.Struct):
    """What is asked of a line of the archive."""

    id: str
    channel: str
    event: str
    run_id: str | None = None
    payload: dict[str, Any] = {}


_read_line = msgspec.json.Decoder(_Line).decode


@dataclass
class Expected:
    """One thing that must come of the afternoon; `seen` is None as long as it cannot be judged."""

    what: str
    seen: bool | None = None


class Story:
    """Plays the day on a stage.

    Args:
        stage: with all parts up.
        tell: told each scene as it begins.
    """

    def __init__(self, stage: Stage, note: Callable[[str], None]) -> None:
        self._stage = stage
        self._note = note
        self.good_run = Expected("a good run, archived to its end")
        self.errors = Expected(f"{ERRORS} errors, alerted in Slack and counted one by one")
        self.missed = Expected("the run that never started, alerted in Slack")
        self.cleared = Expected("that alert, cleared when the run by hand had ended well")
        self.late_run = Expected("the late run, archived to its end")
        self.whole = Expected("every message in the archive, once")
        self.signed = Expected("each strong pattern at the web app, once and signed")
        self.stopped = Expected("the relay, ended by itself when asked to")

    @property
    def expected(self) -> list[Expected]:
        """All of it, in the order of the story."""
        runs = [self.good_run, self.errors, self.missed, self.cleared, self.late_run]
        return [*runs, self.whole, self.signed, self.stopped]

    async def play(self) -> None:
        """From the first run to the end of the last.

        Raises:
            StageError: a part has failed.
        """
        clock = self._stage.simulator.clock
        async with TickStockPL(self._stage.simulator.url) as client:
            self._note("An operator starts a run by hand: all goes well")
            good = await self._trigger(client)
            await self._run_over(1)
            await self._until(lambda: self._is_archived(good))
            self.good_run.seen = True
            self._note(f"The data vendor refuses: the same error {ERRORS} times within seconds")
            await self._stage.simulator.inject(f"error-burst:{ERRORS}")
            await self._until(self._errors_are_reported)
            self.errors.seen = True
            await clock.sleep_until(DUE - MINUTE)
            self._note(f"The day's run is due at {clock_time(DUE, DUE)}")
            await self._until(lambda: self._slack_shows("has not started"))
            self.missed.seen = True
            await clock.sleep_until(clock.now() + 5 * MINUTE)
            self._note("The operator has read the alert and starts the run by hand")
            late = await self._trigger(client)
            await self._run_over(2)
            await self._until(self._is_cleared)
            self.cleared.seen = True
            await self._until(lambda: self._is_archived(late))
            self.late_run.seen = True
            self._note("The demo is over")

    async def settle(self) -> None:
        """Judge what can be judged only at the end. What the story did not come to is not judged.

        First TickStockPL stops, then all that it sent must arrive, then the relay stops.
        """
        await self._stage.simulator.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._until(lambda: self._is_whole() and self._all_signed()), LAST_EVENTS)
        self.stopped.seen = await self._stage.stop_relay() == 0
        if self._stage.simulator.publisher.sent:
            self.whole.seen = self._is_whole()
        if self._strong():
            self.signed.seen = self._all_signed()

    def archived(self) -> tuple[int, int]:
        """How many of TickStockPL's messages the archive has, and how many of the relay's own events."""
        lines = self._archived()
        own = sum(line.channel.startswith("relay:") for line in lines)
        return len(lines) - own, own

    def _is_whole(self) -> bool:
        return Counter(line.channel for line in self._archived(relay=False)) == self._stage.simulator.publisher.sent

    def _strong(self) -> list[str]:
        """The ids of the patterns that the web app must get."""
        found = [line for line in self._archived(relay=False) if line.event == "pattern_detected"]
        return [line.id for line in found if line.payload.get("confidence", 0) >= STRONG]

    def _all_signed(self) -> bool:
        deliveries = self._stage.app.deliveries
        arrived = Counter(_read_line(delivery.body).id for delivery in deliveries)
        return arrived == Counter(self._strong()) and all(map(_is_signed, deliveries))

    async def _trigger(self, client: TickStockPL) -> str:
        try:
            started = await client.trigger()
        except ApiError as error:
            raise StageError(f"TickStockPL's stand-in did not start a run: {error}") from None
        return started.run_id or ""

    async def _run_over(self, number: int) -> None:
        await self._stage.simulator.wait_for_runs(number)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - it comes true in another process
            await asyncio.sleep(0.1)

    def _errors_are_reported(self) -> bool:
        return self._slack_shows(ERROR_CODE) and sum(line.event == "error" for line in self._archived()) >= ERRORS

    def _slack_shows(self, words: str) -> bool:
        """Whether a message has these words now."""
        return any(words in message.plain() for message in self._stage.slack.messages)

    def _is_cleared(self) -> bool:
        """Whether the thread says so; the message above it is edited first."""
        return any(message.thread and message.text.startswith("Cleared: ") for message in self._stage.slack.messages)

    def _is_archived(self, run_id: str) -> bool:
        found = {line.event for line in self._archived() if line.run_id == run_id}
        return {"processing_started", "processing_completed", "run_completed"} <= found

    def _archived(self, *, relay: bool = True) -> list[_Line]:
        """The archive's whole lines; with `relay`, also what the relay itself had to say."""
        lines = [_read_line(text) for path in self._stage.archive.glob("events*") for text in _lines(path)]
        return [line for line in lines if relay or not line.channel.startswith("relay:")]


def speed_for(seconds: float) -> float:
    """How fast the clock must go for the day to be over after so many real seconds."""
    return STORY_SECONDS / (seconds - AROUND_SECONDS)


def _is_signed(delivery: Delivery) -> bool:
    """Whether the signature is right; its time is the demo's, which a receiver in real time would refuse."""
    headers = delivery.headers
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    right = Webhook(WEBHOOK_SECRET).sign(headers["webhook-id"], at, delivery.body.decode())
    return headers["webhook-signature"] == right


def _lines(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data.split(b"\n")[:-1]
