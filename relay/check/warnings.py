"""What is allowed in a configuration, and yet hardly meant: the warnings of `check`. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations

from relay.config.redis_globs import overlap
from relay.config.settings import COMMAND_CHANNELS, RouteOptions, Settings
from relay.events import Announcement, Severity
from relay.routing import Routes
from sinks.registry import sink_class


def warnings(settings: Settings) -> list[str]:
    """One line each; none when there is nothing to say."""
    return [
        *_covered_commands(settings.redis.patterns),
        *_overlaps(settings.redis.patterns),
        *_idle_sinks(settings),
        *_unreachable(settings.routes),
        *_nobody_is_told(settings),
    ]


def _covered_commands(patterns: list[str]) -> Iterator[str]:
    for pattern in patterns:
        covered = [channel for channel in COMMAND_CHANNELS if overlap(pattern, channel)]
        if covered:
            yield (
                f"the pattern {pattern} covers command channels ({', '.join(covered)}): whoever publishes commands"
                " there takes the relay for a listener, also when TickStockPL is dead; the default config.yaml has a"
                " list of patterns without them, ready to switch to"
            )


def _overlaps(patterns: list[str]) -> Iterator[str]:
    for one, other in combinations(patterns, 2):
        if overlap(one, other):
            yield f"the patterns {one} and {other} overlap: what both match is sent twice, and the second one dropped"


def _idle_sinks(settings: Settings) -> Iterator[str]:
    fed = {sink for route in settings.routes for sink in route.to}
    for name in settings.sinks:
        if name not in fed:
            yield f"no route leads to the sink {name}: it gets nothing"


def _unreachable(routes: list[RouteOptions]) -> Iterator[str]:
    """A route is never reached when an earlier one that stops asks for nothing that it does not ask for itself."""
    for number, route in enumerate(routes):
        for earlier in routes[:number]:
            if earlier.stop and earlier.match.items() <= route.match.items():
                yield f"the route {route.name} is never reached: {earlier.name} takes all that it matches, and stops"
                break


def _nobody_is_told(settings: Settings) -> Iterator[str]:
    """The watchdog's alerts are worth little when they only end in files on the machine that they are about."""
    alert = Announcement(
        channel="relay:alert:never_started",
        event="never_started",
        severity=Severity.CRITICAL,
        payload={"alert": "never_started", "state": "firing", "title": "", "message": ""},
    )
    reached = Routes(settings.routes).sinks_for(alert.as_event("advice", 1, datetime.now(UTC)))
    kinds = [sink_class(str(settings.sinks[name]["type"])) for name in reached if name in settings.sinks]
    if not any(kind.alerting or kind.remote for kind in kinds):
        where = f"go to {', '.join(reached)} only" if reached else "go nowhere"
        alerts = "the relay's own alerts (for example a run that never starts)"
        yield f"{alerts} {where}: nobody is notified; add a sink such as slack"
