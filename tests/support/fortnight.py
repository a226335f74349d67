"""Two weeks of a relay on a moved clock, and what Prometheus would have scraped of it: OpenMetrics with times.

A scrape carries the wall clock, so two simulated weeks cannot be scraped; `promtool tsdb create-blocks-from
openmetrics` makes blocks of this text. The relay is the real daemon, built and not run: each batch and each tick of its
clock is handed to it.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.core import Metric

from relay.config.settings import Settings
from relay.daemon import Daemon
from relay.events import Message
from relay.subscription.batch import Batch
from relay.subscription.subscription import SubscriptionChange
from tests.support.shapes import plain_ink, run_messages
from tests.support.year import utc_of
from tickstock_simulator.flow import Run, ending

FIRST_DAY = datetime(2025, 1, 6, tzinfo=UTC)
DAYS = 14
LABELS = 'job="tickstock-relay",instance="relay1:9108"'
FAILED, REPEATED, WITH_ERRORS, WITH_A_GAP = "2025-01-14", "2025-01-15", "2025-01-16", "2025-01-17"
NOBODY = "http://127.0.0.1:9/hook"
ERROR = b'{"error_id":"e1","severity":"error","component":"data_import","error_code":"RATE_LIMIT_EXCEEDED"}'


class Fortnight:
    """Plays the days, from Monday 6 January 2025 on; `lines` is what was scraped of the metrics of these names.

    promtool reads all of it once for each two hours that it is about, so it should be short.
    """

    def __init__(self, directory: Path, names: Collection[str]) -> None:
        self._names = names
        self.now = FIRST_DAY
        self.lines: list[str] = []
        settings = Settings.model_validate(
            {
                "state_dir": directory / "state",
                "http": {"enabled": False},
                "sinks": {"metrics": {"type": "prometheus"}, "app": {"type": "webhook", "url": NOBODY}},
                "routes": [
                    {"name": "all", "to": ["metrics"]},
                    {"name": "ends", "match": {"event": "processing_completed"}, "to": ["app"]},
                ],
            }
        )
        self._position = 0
        self._daemon = Daemon(settings, directory / "config.yaml", now=lambda: self.now, boot=self._boot)

    async def play(self) -> float:
        """All of it; when it ends, in epoch seconds."""
        await self._daemon.start()
        self._link(subscribed=True)
        for number in range(DAYS):
            day = FIRST_DAY + timedelta(days=number)
            if day.weekday() < 5:
                self._trading_day(f"{day:%Y-%m-%d}")
            self._until(day + timedelta(days=1))
        await self._daemon.shut_down()
        return self.now.timestamp()

    def _boot(self) -> float:
        return (self.now - FIRST_DAY).total_seconds()

    def _link(self, *, subscribed: bool) -> None:
        reason = "" if subscribed else "Redis closed the connection"
        self._daemon.parts.subscription.subscribed = subscribed
        self._daemon.parts.link_changed(SubscriptionChange(subscribed, reason=reason, known_until=self.now))

    def _trading_day(self, day: str) -> None:
        self._until(utc_of(f"{day} 16:10"))
        self._run(Run(f"run-{day}", run_date=day, items=0.002, progress_every=60.0), fails=day == FAILED)
        if day == REPEATED:
            self._until(utc_of(f"{day} 18:05"))
            self._run(Run(f"again-{day}", run_date=day, items=0.002, progress_every=60.0, trigger_type="manual"))
        if day == WITH_ERRORS:
            for _ in range(30):
                body = (
                    b'{"error_id":"e","severity":"error","component":"data_import","error_code":"RATE_LIMIT_EXCEEDED"}'
                )
                self._receive("tickstock:errors", body)
            self._receive("tickstock:errors", b"{not json")
        if day == WITH_A_GAP:
            self._link(subscribed=False)
            self._until(self.now + timedelta(minutes=6))
            self._link(subscribed=True)

    def _run(self, run: Run, *, fails: bool = False) -> None:
        start = self.now
        messages = list(run_messages(run, start))
        if fails:
            done = [message for message in messages if message.offset <= 1000]
            messages = [*done, plain_ink(start).write(ending(run, "failed", 1000.0, phases_done=3))]
        for message in messages:
            self._until(start + timedelta(seconds=message.offset))
            self._receive(message.channel, message.body)

    def _receive(self, channel: str, body: bytes) -> None:
        self._position += len(body) + 50
        message: Message = (channel.encode(), body, self._position)
        self._daemon.parts.runs.count_received(self.now, 1)
        self._daemon.parts.intake.take(Batch("s1", self.now, [message]))

    def _until(self, moment: datetime) -> None:
        """Let time pass, a tick and a scrape each ten minutes about a run, and every two hours else."""
        while self.now < moment:
            near_a_run = 20 <= self.now.hour < 24
            self.now = min(moment, self.now + timedelta(minutes=10 if near_a_run else 120))
            self._daemon.ticker.once(self.now)
            self.lines += self._scraped()

    def _scraped(self) -> Iterator[str]:
        at = f"{self.now.timestamp():.0f}"
        yield f"up{{{LABELS}}} 1 {at}"
        for registry in self._daemon.parts.registries:
            for family in registry.collect():
                yield from self._samples(family, at)

    def _samples(self, family: Metric, at: str) -> Iterator[str]:
        for sample in family.samples:
            if sample.name not in self._names:
                continue
            labels = "".join(f',{name}="{value}"' for name, value in sample.labels.items())
            yield f"{sample.name}{{{LABELS}{labels}}} {sample.value!r} {at}"
