"""What keeps an event from a sink that a route gives it to: the route's throttle, a silence, or its being a test."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from relay.cli.store import StoreShelf, store_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from relay.config.settings import Settings
    from relay.events import Event
    from relay.routing import MatchResult
    from relay.watchdog.quiet import Quiet
    from relay.watchdog.silences import Silence


@dataclass(frozen=True, slots=True)
class Muted:
    """Why alerting sinks do not get an event: a reason as in metrics, and the silence if that is one."""

    reason: str
    silence: Silence | None
    sinks: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        silence = self.silence
        about = (
            {} if silence is None else {"id": silence.id, "until": silence.until.isoformat(), "match": silence.match}
        )
        return {"reason": self.reason, "sinks": list(self.sinks)} | ({"silence": about} if about else {})


class Held:
    """Asks what the daemon would ask; throttles begin anew, silences are those of now."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Read the silences of the relay with that state directory."""
        self._now = now
        self._alerting = frozenset(name for name, options in settings.sinks.items() if _is_alerting(options))
        self._quiet = _quiet(settings)

    def throttled(self, event: Event, verdict: MatchResult) -> bool:
        """Whether the route's throttle holds this event, after those before it."""
        throttle = verdict.route.throttle
        return verdict.matches and throttle is not None and not throttle.passes(event)

    def muted(self, event: Event, sinks: Iterable[str]) -> Muted | None:
        """Why the alerting ones of these sinks do not get the event; None: they do, or there are none."""
        from relay.lanes.muting import why_muted

        concerned = tuple(sink for sink in sinks if sink in self._alerting)
        silence = self._quiet.silencing(event, self._now())
        reason = why_muted(event, lambda _: silence is not None)
        if not concerned or reason is None:
            return None
        return Muted(reason, silence if reason == "silenced" else None, concerned)


def _is_alerting(options: Any) -> bool:
    from sinks.registry import sink_class

    return sink_class(str(options.get("type"))).alerting


def _quiet(settings: Settings) -> Quiet:
    """Maintenance windows, and the silences on the relay's store, as far as there is one that can be read."""
    from relay.store.shelf import MemoryShelf
    from relay.watchdog.quiet import Quiet
    from relay.watchdog.silences import SHELF, Silences

    shelf = MemoryShelf()
    with suppress(click.ClickException), store_in(settings.state_dir) as db:
        for key, value in StoreShelf(db, SHELF).items().items():
            shelf.put(key, value)
    return Quiet(Silences(shelf), lambda: settings.watchdog, MemoryShelf())
