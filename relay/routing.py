"""Which sinks does an event go to? Routes compiled once, decided once for each kind, explained on request.

What an event's kind alone decides is cached in a plan, so a route that can never match it costs it nothing. A plan's
remaining conditions look at the event itself; many routes that each want another value of the same payload field share
one lookup. Nothing here delivers.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import structlog

from relay.config.settings import RouteOptions, ThrottleOptions
from relay.events import LONGEST_LABEL, Announcement, Event, Kind, Severity, payload_reader
from relay.events.incidents import CHANNEL, EVENT
from relay.events.matching import Condition, compile_match, field_getter
from relay.events.scalars import lookup_key, text_of

log = structlog.get_logger(__name__)

UNROUTED = ""
"""Where events go that no route takes: no sink can be called that."""
MOST_PLANS = 8192
"""Kinds whose plan is remembered; when there are more, all begin anew: those of today are soon back."""
MOST_SHARED = 1024
"""Plans that differ; each may hold as many routes as there are."""
MOST_THROTTLE_KEYS = 10_000


class Throttle:
    """Lets one event of each key pass in a span; remembers a bounded number of keys, the newest."""

    def __init__(self, options: ThrottleOptions) -> None:
        self._getters = [field_getter(key) for key in options.by]
        self.by = tuple(options.by)
        """The fields whose values tell events apart."""
        self.every = options.every
        """Seconds in which one event of each key passes."""
        self._last: OrderedDict[tuple[str, ...], datetime] = OrderedDict()
        self.held = 0
        """Events that did not pass."""

    def passes(self, event: Event) -> bool:
        """Whether this event is the first of its key for a while; if so, the span begins anew."""
        key = self.key_of(event)
        last = self._last.get(key)
        if last is not None and 0 <= (event.received - last).total_seconds() < self.every:
            self.held += 1
            return False
        self._last[key] = event.received
        self._last.move_to_end(key)
        if len(self._last) > MOST_THROTTLE_KEYS:
            self._last.popitem(last=False)
        return True

    def key_of(self, event: Event) -> tuple[str, ...]:
        """The event's values of `by`."""
        return tuple(_short(text_of(get(event))) for get in self._getters)


def _short(text: str) -> str:
    """The text, or what stands for a long one in memory."""
    if len(text) <= LONGEST_LABEL:
        return text
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Route:
    """A rule of config.yaml, compiled."""

    name: str
    conditions: tuple[Condition, ...]
    sinks: tuple[str, ...]
    throttle: Throttle | None
    stop: bool

    @classmethod
    def compile(cls, options: RouteOptions) -> "Route":
        """Compile one route.

        Raises:
            MatchError: one of its conditions cannot be meant.
        """
        throttle = Throttle(options.throttle) if options.throttle else None
        return cls(options.name, compile_match(options.match), tuple(dict.fromkeys(options.to)), throttle, options.stop)


@dataclass(frozen=True, slots=True)
class _Step:
    """A route that may take events of this plan: what is still to be asked of each."""

    route: Route
    open: tuple[Condition, ...]
    order: int

    def takes(self, event: Event, payload: Mapping[str, Any]) -> bool:
        """Whether `event` meets the open conditions."""
        for condition in self.open:  # noqa: SIM110 - half the cost of all()
            if not condition.test(condition.value(event, payload)):
                return False
        return True


class _Asked:
    """Routes that ask something of the event itself. Those that ask for one value of a field, or several, are filed."""

    def __init__(self, steps: Iterable[_Step]) -> None:
        self.steps = tuple(steps)
        self.fields: set[str] = set()
        """The payload's fields that they read."""
        self._others: list[_Step] = []
        self._by_value: dict[str, tuple[Condition, dict[Hashable, list[_Step]]]] = {}
        for step in self.steps:
            self.fields.update(condition.path[0] for condition in step.open if condition.path)
            wanted = next((condition for condition in step.open if condition.one_of), None)
            if wanted is None:
                self._others.append(step)
                continue
            _, takers = self._by_value.setdefault(wanted.key, (wanted, {}))
            for value in wanted.one_of:
                takers.setdefault(value, []).append(step)

    def candidates(self, event: Event, payload: Mapping[str, Any]) -> list[_Step]:
        """Those that may take it."""
        if not self._by_value:
            return self._others
        found = list(self._others)
        for field, takers in self._by_value.values():
            found += takers.get(lookup_key(field.value(event, payload)), ())
        return found


class _Plan:
    """What is left to decide for events of one kind: mostly nothing, and mostly it changes nothing."""

    def __init__(self, steps: Sequence[_Step], for_all: _Asked) -> None:
        """`for_all` are the routes that every kind may take: plans share them."""
        last = min((step.order for step in steps if step.route.stop and not step.open), default=None)
        if last is not None:  # it surely stops: what stands behind it is not asked
            steps = [step for step in steps if step.order <= last]
            for_all = _Asked(step for step in for_all.steps if step.order < last)
        self._sure = [step for step in steps if not step.open and not step.route.throttle]
        own = _Asked(step for step in steps if step.open or step.route.throttle)
        self._asked = [asked for asked in (for_all, own) if asked.steps]
        self.is_open = bool(self._asked)
        self._read = payload_reader(frozenset().union(*(asked.fields for asked in self._asked)))
        self.usual = _sinks_of(self._sure, None)
        """The sinks of an event that no asked route takes."""

    def sinks(self, event: Event) -> tuple[str, ...]:
        """The sinks of this event; throttles count it. A bug in a condition leaves it to what is usual."""
        try:
            payload = self._read(event)
            taking = [step for step in self.candidates(event, payload) if step.takes(event, payload)]
            return _sinks_of((*self._sure, *taking), event) if taking else self.usual
        except Exception:
            log.exception("a route failed", kind=event.kind)
            return self.usual

    def candidates(self, event: Event, payload: Mapping[str, Any]) -> list[_Step]:
        """The asked routes that may take it."""
        if len(self._asked) == 1:
            return self._asked[0].candidates(event, payload)
        return [step for asked in self._asked for step in asked.candidates(event, payload)]


class _ByKind:
    """The routes that ask something of an event's kind, filed so that few of them are looked at for a new one."""

    def __init__(self, steps: Iterable[tuple[_Step, tuple[Condition, ...]]]) -> None:
        """Each with its conditions that the kind decides."""
        self._others: list[tuple[_Step, tuple[Condition, ...]]] = []
        self._by_value: dict[str, tuple[Condition, dict[Hashable, list[tuple[_Step, tuple[Condition, ...]]]]]] = {}
        for entry in steps:
            wanted = min((c for c in entry[1] if c.one_of), key=lambda c: _RARITY.get(c.key, 9), default=None)
            if wanted is None:
                self._others.append(entry)
                continue
            _, takers = self._by_value.setdefault(wanted.key, (wanted, {}))
            for value in wanted.one_of:
                takers.setdefault(value, []).append(entry)

    def steps(self, event: Event) -> list[_Step]:
        """Those whose conditions events of this kind meet."""
        entries = list(self._others)
        for field, takers in self._by_value.values():
            entries += takers.get(lookup_key(field.get(event)), ())
        return [step for step, conditions in entries if all(condition.holds(event) for condition in conditions)]


_RARITY = {"event": 0, "channel": 1, "action": 2, "domain": 3}
"""Of several conditions, that which most kinds fail is filed by."""


class Routes:
    """All routes of a configuration."""

    def __init__(self, options: Sequence[RouteOptions]) -> None:
        """Compile them.

        Raises:
            MatchError: a condition cannot be meant.
        """
        self.routes = tuple(Route.compile(route) for route in options)
        self._plans: dict[Kind, _Plan] = {}
        self._incident_sinks: dict[Severity, frozenset[str]] = {}
        self._shared: dict[tuple[int, ...], _Plan] = {}
        """Plans by the routes in them: many kinds have the same."""
        for_all, by_kind = [], []
        for order, route in enumerate(self.routes):
            step = _Step(route, tuple(condition for condition in route.conditions if not condition.cacheable), order)
            of_kind = tuple(condition for condition in route.conditions if condition.cacheable)
            if of_kind or not step.open:
                by_kind.append((step, of_kind))
            else:
                for_all.append(step)
        self._for_all = _Asked(for_all)
        self._by_kind = _ByKind(by_kind)

    def split(self, events: Iterable[Event]) -> dict[str, list[Event]]:
        """Each sink's part of a batch, in order; what no route takes is under `UNROUTED`."""
        parts: defaultdict[str, list[Event]] = defaultdict(list)
        plans = self._plans
        for event in events:
            plan = plans.get(event.kind) or self._make_plan(event)
            for sink in plan.sinks(event) if plan.is_open else plan.usual:
                parts[sink].append(event)
        return parts

    def sinks_for(self, event: Event) -> tuple[str, ...]:
        """Names of the sinks that get `event`, in the routes' order, each once. Throttles count it."""
        return tuple(sink for sink in self.split((event,)) if sink != UNROUTED)

    def incident_sinks(self, severity: Severity) -> frozenset[str]:
        """Names of the sinks that get the state of an incident which has reached `severity`."""
        if severity not in self._incident_sinks:
            probe = Announcement(channel=CHANNEL, event=EVENT, severity=severity, payload={"incident": "probe"})
            verdicts = explain(self, probe.as_event("routes", 0, datetime.now(UTC)))
            taken = (verdict.route.sinks for verdict in verdicts if verdict.matches)
            self._incident_sinks[severity] = frozenset(sink for sinks in taken for sink in sinks)
        return self._incident_sinks[severity]

    def _make_plan(self, event: Event) -> _Plan:
        steps = self._by_kind.steps(event)
        routes = tuple(sorted(step.order for step in steps))
        plan = self._shared.get(routes)
        if plan is None:
            plan = _Plan(steps, self._for_all)
            if len(self._shared) >= MOST_SHARED:
                self._shared.clear()
            self._shared[routes] = plan
        if event.kind.is_short:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            self._plans[event.kind] = plan
        return plan


def _sinks_of(steps: Iterable[_Step], event: Event | None) -> tuple[str, ...]:
    """The sinks of the routes that take an event, once each, up to the first that stops."""
    sinks: dict[str, None] = {}
    for step in sorted(steps, key=lambda step: step.order):
        throttle = step.route.throttle
        if throttle is None or (event is not None and throttle.passes(event)):
            sinks.update(dict.fromkeys(step.route.sinks))
        if step.route.stop:
            break
    return tuple(sinks) or (UNROUTED,)


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What one route says of an event: taken, or the first condition that failed."""

    route: Route
    failed: Condition | None
    found: object = None
    stopped_by: str | None = None

    @property
    def matches(self) -> bool:
        """Whether the route takes the event."""
        return self.failed is None and self.stopped_by is None


def explain(routes: Routes, event: Event) -> list[MatchResult]:
    """Each route's verdict, the plain way: no plan, no cache, no throttle."""
    verdicts: list[MatchResult] = []
    stopped_by = None
    for route in routes.routes:
        failed = next((condition for condition in route.conditions if not condition.holds(event)), None)
        found = failed.get(event) if failed else None
        verdicts.append(MatchResult(route, failed, found, stopped_by))
        if failed is None and route.stop and stopped_by is None:
            stopped_by = route.name
    return verdicts
