"""What the relay is doing, in one line: what `systemctl status` shows."""

from zoneinfo import ZoneInfo

from relay.events.wording import clock_time
from relay.process import systemd
from relay.status.collect import Viewpoint
from relay.status.snapshot import RunView, Snapshot

EVERY = 10.0
"""Seconds between two lines."""


class StatusLine:
    """Says it to the service manager now and then."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        self._viewpoint = viewpoint
        self._left = 0.0

    def tick(self, seconds: float = 1.0) -> None:
        """To be called once in so many seconds; what the manager was told by others meanwhile is said anew."""
        self._left -= seconds
        if self._left <= 0:
            self._left = EVERY
            systemd.status(status_line(self._viewpoint.snapshot()))


def status_line(snapshot: Snapshot) -> str:
    """`subscribed, 96 events a minute; indicators 39 %, ends about 16:45`."""
    intake = snapshot.intake
    parts = [
        f"subscribed, {round(60 * intake.rate):,} events a minute" if intake.subscribed else _not_subscribed(snapshot)
    ]
    zone = ZoneInfo(snapshot.timezone)
    if snapshot.running:
        parts.append(_running(snapshot.running[0], zone))
    elif snapshot.today.next_due is not None:
        parts.append(f"next run {clock_time(snapshot.today.next_due, zone=zone, named=True)}")
    if count := len(snapshot.firing):
        parts.append("1 alert is firing" if count == 1 else f"{count} alerts are firing")
    return "; ".join([*parts, *snapshot.trouble])


def _not_subscribed(snapshot: Snapshot) -> str:
    reason = snapshot.intake.reason
    return reason if reason.startswith("not subscribed") else f"not subscribed: {reason}"


def _running(run: RunView, zone: ZoneInfo) -> str:
    phase = next((each for each in run.phases if each.name == run.current_phase), None)
    percent = f" {phase.percent:.0f} %" if phase and phase.percent is not None else ""
    ends = f", ends about {clock_time(run.eta, run.eta, zone=zone)}" if run.eta else ""
    stalled = ", stalled" if run.state == "stalled" else ""
    return f"{run.current_phase or 'run in progress'}{percent}{stalled}{ends}"
