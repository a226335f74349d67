"""`Watch`: the watchdog as the daemon and the tracker see it. It asks the API in its turn, and starts a run if told to.

Everything that is decided is decided in `relay.watchdog.watchdog`, without waiting; what waits is here.
"""

import asyncio
import importlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from relay.config.settings import Settings
from relay.events import Announcement, Event, Kind, PerKind
from relay.process.clock import USUAL_PACE, Clock, Pace
from relay.runs.runs import Runs
from relay.store.store import Store
from relay.watchdog.alerts import Alerts
from relay.watchdog.api_state import ApiState, Poller
from relay.watchdog.autotrigger import attempt
from relay.watchdog.watchdog import Watchdog

if TYPE_CHECKING:
    from relay.tickstockpl.client import TickStockPL

WHEN_IT_DECIDES = 10.0
"""Seconds between two questions while the answers decide."""
STEADY_FOR = 60.0
"""Seconds after a step of the clock before anything is judged: many a wrong time is put right within them."""
LONGEST_TURN = 60.0
"""Seconds that one turn may take, beside its questions' own limits."""


class Watch:
    """One watchdog, and the API that it looks at."""

    def __init__(
        self, settings: Settings, runs: Runs, alerts: Alerts, store: Store, clock: Clock, pace: Pace = USUAL_PACE
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._steps = clock.steps
        self._asked_since_step = True
        self.api = ApiState()
        """What the API last said."""
        self._asked: datetime | None = None
        self._history_wanted = False
        self._turn = asyncio.Event()
        self._wanted = PerKind(Watchdog.wants)
        self.dog = Watchdog(settings.watchdog, runs, alerts, store.shelf("watchdog"), clock.now(), pace)

    def wants(self, kind: Kind) -> bool:
        """Whether `observe` needs to see events of this kind."""
        return self._wanted[kind]

    def observe(self, events: Iterable[Event], now: datetime) -> list[Announcement]:
        """Levels, error rates and the schedule."""
        wanted = self._wanted
        announcements: list[Announcement] = []
        for event in events:
            if wanted[event.kind]:
                announcements += self.dog.observe(event, now)
        return announcements

    @property
    def waits_for_clock(self) -> bool:
        """Whether nothing is judged yet: the clock was set a moment ago, and TickStockPL was not asked since."""
        return not self._asked_since_step or self._clock.since_step < STEADY_FOR

    def tick(self, now: datetime) -> list[Announcement]:
        """What there is to say now. The API's turn comes with it: an idle relay wakes once a second, not twice."""
        self._follow_clock(now)
        try:
            return [] if self.waits_for_clock else self.dog.tick(now, self.api)
        finally:
            if self._settings.watchdog.enabled and self._is_time(now):
                self._asked = now
                self._turn.set()

    def _follow_clock(self, now: datetime) -> None:
        """After a step of the clock, what was asked before it proves nothing."""
        if self._clock.steps != self._steps:
            self._steps = self._clock.steps
            self._asked_since_step = not self._settings.watchdog.enabled
            self.dog.clock_stepped(now)

    def note_connection(
        self, since: datetime | None, *, gap: tuple[datetime, datetime] | None = None, adopted: bool = False
    ) -> None:
        """Since when the relay is subscribed; after a `gap` the API is asked what happened in it. See `Watchdog`."""
        self.dog.note_connection(since, gap=gap, adopted=adopted)
        self._history_wanted = self._history_wanted or gap is not None

    def reload(self, settings: Settings, now: datetime) -> None:
        """Take new options; what is known stays."""
        self._settings = settings
        self.dog.reload(settings.watchdog, now)

    async def run(
        self, announce: Callable[[list[Announcement], datetime], None], done: Callable[[], None] = lambda: None
    ) -> None:
        """Ask the API in its turn, for ever; start a run where the watchdog is told to and wants one.

        `done` is called after each turn.

        Raises:
            TimeoutError: a turn hangs, although each question has its own limit.
        """
        # not at the start, which needs no HTTP client
        module = await asyncio.to_thread(importlib.import_module, "relay.tickstockpl.client")
        options = self._settings.tickstockpl
        token = options.token.get_secret_value() if options.token else None
        async with module.TickStockPL(options.base_url, token=token, timeout=options.timeout) as client:
            poller = Poller(client, self._clock.now)
            while await self._turn.wait():
                try:
                    async with asyncio.timeout(LONGEST_TURN + 20 * options.timeout):
                        await self._ask(poller)
                        await self._act(client, announce)
                    done()
                finally:
                    self._turn.clear()  # also when it failed: the next turn is for `tick` to say

    def _is_time(self, now: datetime) -> bool:
        if self._asked is None:
            return True
        since = (now - self._asked).total_seconds()
        every = self._settings.watchdog.poll_interval
        if self._history_wanted or self.dog.wants_history:
            every = min(every, WHEN_IT_DECIDES)
        return since < 0 or since >= every

    async def _ask(self, poller: Poller) -> None:
        wanted = self._history_wanted or self.dog.wants_history
        self._history_wanted = False
        steps = self._steps
        self.api = await poller.poll(want_history=wanted)
        self._asked_since_step = self._asked_since_step or steps == self._steps

    async def _act(self, client: "TickStockPL", announce: Callable[[list[Announcement], datetime], None]) -> None:
        scheduled = self.dog.trigger_wanted(self._clock.now(), self.api)
        if scheduled is None:
            return
        self.dog.auto_trigger.note(scheduled)
        self._store.commit()  # before the request, so that no restart tries again
        announce(await attempt(client, scheduled), self._clock.now())
