"""A world around the watchdog whose runs are logged, and asked for their reports."""

from collections.abc import Iterable

from relay.config.links import Links
from relay.events import Announcement, Event
from relay.redaction.redactor import Redactor
from relay.runs.run_log import RunLogs
from relay.status.run_report import NoReport, RunReport
from relay.status.run_reports import report
from relay.status.sources import Sources
from relay.store.shelf import MemoryShelf
from tests.support.world import World

ARCHIVE = {"archive": {"type": "jsonl", "directory": "/var/lib/tickstock-relay/archive"}}


class ReportedWorld(World):
    """The relay of this world keeps logs of its runs."""

    def start_relay(self) -> None:
        super().start_relay()
        self.logs = RunLogs(self.shelves.setdefault("run_logs", MemoryShelf()), self.runs)

    def hear(self, one: Event) -> None:
        super().hear(one)
        if self.is_alive and not self.is_disconnected:
            self.logs.observe([one], self.now)

    def tick(self) -> None:
        before = len(self.incident_events)
        super().tick()
        self.logs.announced([one for _, one in self.incident_events[before:]], self.now)
        if self.is_alive:
            self.logs.tick(self.now)

    def _keep(self, announcements: Iterable[Announcement]) -> None:
        kept = list(announcements)
        super()._keep(kept)
        self.logs.announced(kept, self.now)

    def sources(self) -> Sources:
        """What reports are made from."""
        return Sources(
            now=self.now,
            version="0.2.0",
            runs=self.runs,
            logs=self.logs,
            schedule=self.watchdog.run_schedule,
            options=self.options,
            sinks=ARCHIVE,
            links=Links(),
            hide=Redactor().redact_text,
            api=self.view,
            subscribed_since=self.now,
        )

    def report(self, asked: str) -> RunReport:
        """The report of a run, or of a day's run, that there is."""
        found = report(self.sources(), asked)
        assert isinstance(found, RunReport), type(found)
        return found

    def no_report(self, asked: str) -> NoReport:
        """What is said instead of one."""
        found = report(self.sources(), asked)
        assert isinstance(found, NoReport), type(found)
        return found
