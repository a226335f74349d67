"""The stand-in itself: API server, scheduler, runs, traffic and faults around one clock and one Redis connection.

`async with Simulator(...) as simulator:` starts it; `simulator.url` is its API. It must share nothing with the relay.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Literal

from starlette.types import ASGIApp

from tickstock_simulator.api import Api, StatusStyle
from tickstock_simulator.background import Background
from tickstock_simulator.clock import Bell, Clock, ClockKind
from tickstock_simulator.disturbance import shots
from tickstock_simulator.faults import ONE_SHOT, Fault, Faults, parse_fault
from tickstock_simulator.flow import Run, faster, new_run_id
from tickstock_simulator.ledger import RunRecord, Timetable, is_trading_day, past_runs
from tickstock_simulator.playing import Playing
from tickstock_simulator.publisher import OnPublish, Publisher, Say
from tickstock_simulator.served import Served
from tickstock_simulator.wire import NEW_YORK, PHASES, Ink, Json, Step, envelope

RunMode = Literal["now", "scheduled", "none"]
_TOO_FAST = 0.1  # of the usual time
_MINUTE = timedelta(minutes=1)


def silent(_event: str, **_facts: object) -> None:
    """Says nothing."""


class Simulator(Served):
    """A TickStockPL on loopback.

    Args:
        redis_url: where it publishes; Redis may be down at first.
        host: the API's address.
        port: the API's port; 0 takes a free one. `port` and `url` tell it after the start.
        speed: simulated seconds a real second; 60 makes a run of 35 minutes last 35 seconds.
        start: simulated time at the start (with a zone); default real now.
        clock: what events and answers claim: "real" moments and durations, or "simulated" ones.
        held: the clock stands still at its start until `set_going`.
        run: a run "now" (as soon as Redis answers), at each "scheduled" trigger time, or "none".
        runs: how many runs start by themselves; default 1 for "now", without end for "scheduled".
        faults: as on the command line, `NAME[:ARG]`.
        seed: decides every run_id and number.
        items: the share of the 7,575 indicators and 1,250 patterns published one by one.
        status_style: GET status says `is_running`, `status: running|idle` ("status"), or neither ("unknown").
        extended: API bodies carry what later releases add (trigger_type, symbols_failed, market_check).
        market_check: a manual trigger without skip_market_check is skipped when NYSE is closed.
        history_days: so many days of past runs are in the history at the start.
        say: told what happens, `say(event, **facts)`.
        on_publish: called with channel and bytes of everything that Redis took.
    """

    def __init__(
        self,
        redis_url: str = "redis://localhost:6379/0",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        start: datetime | None = None,
        clock: ClockKind = "real",
        held: bool = False,
        run: RunMode = "none",
        runs: int | None = None,
        faults: Iterable[str] = (),
        seed: int = 0,
        items: float = 0.05,
        status_style: StatusStyle = "is_running",
        extended: bool = False,
        market_check: bool = False,
        history_days: int = 0,
        say: Say = silent,
        on_publish: OnPublish | None = None,
    ) -> None:
        super().__init__(host=host, port=port)
        self.clock = Clock(speed=speed, start=start, kind=clock, held=held)
        self.faults = Faults(faults)
        self.timetable = Timetable()
        self.status_style = status_style
        self.extended = extended
        self.history: list[RunRecord] = past_runs(history_days, self.clock.now(), seed)
        self.finished: list[RunRecord] = []
        self._playing: list[Playing] = []
        self._mode: RunMode = run
        self._runs_left = 1 if runs is None and run == "now" else runs
        self._seed = seed
        self._items = items
        self._market_check = market_check
        self._say = say
        self.publisher = Publisher(redis_url, say=say, on_publish=on_publish)
        self._background = Background(clock=self.clock, faults=self.faults, out=self.publisher, seed=seed)
        self._bell = Bell()
        self._run_over = Bell()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs_begun = 0
        self._api_lock = asyncio.Lock()
        self._api_fault: Fault | None = None

    def app(self) -> ASGIApp:
        """The HTTP API."""
        return Api(self, self.wait_or_end)

    @property
    def current(self) -> RunRecord | None:
        """The run that goes on; the newest, when there are two."""
        return self._playing[-1].record if self._playing else None

    async def start(self) -> None:
        """Tries Redis (once; then it goes on trying), sets the clock going, listens, and starts what is to run.

        Raises:
            OSError: the port cannot be had.
        """
        self.reserve()
        await self.publisher.start()
        if not self.clock.is_held:
            self.clock.begin()
        await self._settle_api()
        self._background.settle()
        if self._mode != "none":
            self._spawn(self._run_now() if self._mode == "now" else self._run_scheduled())

    def set_going(self) -> None:
        """Has a held clock begin."""
        self.clock.begin()
        self._bell.ring()

    async def stop(self) -> None:
        """Ends everything, in the middle of a run too."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._background.stop()
        await self.publisher.stop()
        await super().stop()

    async def wait_for_runs(self, count: int) -> None:
        """Returns when `count` runs have ended since the start."""
        while len(self.finished) < count:
            await self._run_over.wait(None)

    async def wait_until_done(self) -> None:
        """Returns when `runs` are over and none goes on (with run="none": manual ones); else never."""
        if self._mode == "none" and self._runs_left is not None:
            await self.wait_for_runs(self._runs_left)
        while self._playing or (self._mode != "none" and self._runs_left != 0):
            await self._run_over.wait(None)

    def recorded(self, since: datetime) -> list[RunRecord]:
        """Runs that are over and started since a simulated moment, newest first."""
        return [run for run in reversed(self.history) if run.started >= since]

    def trigger(
        self, phases: Iterable[str] = PHASES, universe: str = "sp500", *, skip_market_check: bool = False
    ) -> RunRecord | None:
        """Starts a manual run; None when the market is closed and that is checked.

        Raises:
            RuntimeError: a run goes on.
        """
        if self._playing and "overlap" not in self.faults:
            raise RuntimeError("A run is already in progress")
        now = self.clock.now()
        if self._market_check and not skip_market_check and not is_trading_day(now.astimezone(NEW_YORK).date()):
            return None
        return self._begin("manual", now, tuple(phases), universe)

    def cancel(self) -> RunRecord | None:
        """Cancels the current run; None when there is none."""
        if not self._playing:
            return None
        self._playing[-1].cancel()
        return self._playing[-1].record

    async def reschedule(self, wanted: Json) -> None:
        """Changes the schedule and says so on its channel.

        Raises:
            ValueError: a value that the schedule cannot have.
        """
        self.timetable.change(wanted)
        self._bell.ring()
        body = self.timetable.as_body(self.clock, self.clock.now(), extended=self.extended)
        event = envelope("schedule_updated", "daily_scheduler", body, 0.0)
        await self._publish([Step("tickstock:processing:schedule", event, 0.0)])
        self._say("schedule_updated", **body)

    async def inject(self, *texts: str, clear: bool = False, settle: bool = True) -> None:
        """Puts faults in force while it runs; `clear` ends those before. One-shot faults happen at once and only once.

        `settle` waits until the API is up or down as asked; a request to that API cannot.

        Raises:
            ValueError: no such fault.
        """
        added = [parse_fault(text) for text in texts]
        if clear:
            self.faults.clear()
        for fault in added:
            if fault.name in ONE_SHOT:
                await self._publish(shots(fault, 0.0, self.current.run_id if self.current else None))
            else:
                self.faults.add(fault)
        self._say("faults_changed", active=str(self.faults), happened=[f.name for f in added if f.name in ONE_SHOT])
        self._background.settle()
        self._bell.ring()
        if settle:
            await self._settle_api()
        else:
            self._spawn(self._settle_api())

    async def _run_now(self) -> None:
        await self.publisher.wait_connected()
        while self._runs_left is None or self._runs_left > 0:
            if "never-starts" in self.faults:
                self._say("run_never_starts")
            while "never-starts" in self.faults:
                await self._bell.wait(None)
            ended = len(self.finished)
            self._begin("automatic", self.clock.now())
            self._runs_left = None if self._runs_left is None else self._runs_left - 1
            await self.wait_for_runs(ended + 1)
            if self._runs_left != 0:
                await self.clock.sleep_until(self.clock.now() + _MINUTE)

    async def _run_scheduled(self) -> None:
        since = self.clock.start - timedelta(microseconds=1)  # a start at the trigger time itself still counts
        while self._runs_left is None or self._runs_left > 0:
            due = self.timetable.next_run(since)
            if due is None:
                await self._bell.wait(None)
                since = self.clock.now()
                continue
            if self.clock.real_seconds_until(due) > 0:
                if await self._bell.wait(self.clock.real_seconds_until(due)):
                    since = self.clock.now()
                continue
            since = due
            self._runs_left = None if self._runs_left is None else self._runs_left - 1
            if "never-starts" in self.faults:
                self._say("run_never_starts", due=due.isoformat())
                self._run_over.ring()
            else:
                self._begin("automatic", due)

    def _begin(
        self,
        trigger: str,
        at: datetime,
        phases: tuple[str, ...] = PHASES,
        universe: str = "sp500",
        *,
        twin: bool = False,
    ) -> RunRecord:
        seed = f"{self._seed}:run:{self._runs_begun}"
        self._runs_begun += 1
        day = self.clock.claimed(at).astimezone(NEW_YORK).date().isoformat()
        run = Run(
            new_run_id(seed), day, seed, trigger_type=trigger, universe=universe, phases=phases, items=self._items
        )
        if "too-fast" in self.faults:
            run = faster(run, _TOO_FAST)
        playing = Playing(
            RunRecord(run, at),
            clock=self.clock,
            faults=self.faults,
            bell=self._bell,
            out=self.publisher,
            say=self._say,
        )
        self._playing.append(playing)
        self._say("run_started", run_id=run.run_id, trigger_type=trigger, run_date=day)
        self._spawn(self._play(playing))
        if "overlap" in self.faults and not twin:
            self._spawn(self._begin_twin(at + _MINUTE))
        return playing.record

    async def _begin_twin(self, at: datetime) -> None:
        await self.clock.sleep_until(at)
        self._begin("manual", at, twin=True)

    async def _play(self, playing: Playing) -> None:
        try:
            await playing.play()
            self.history.append(playing.record)
            self.finished.append(playing.record)
        finally:
            self._playing.remove(playing)
            self._run_over.ring()

    async def _publish(self, steps: list[Step]) -> None:
        """Publishes now, outside any run."""
        if "events-silent" in self.faults:
            return
        now = self.clock.now()
        ink = Ink(lambda offset: self.clock.claimed(now + timedelta(seconds=offset)), self.clock.scale)
        ink.local_z = "wrong-clock" in self.faults
        await self.publisher.publish([ink.write(step) for step in steps])

    async def _settle_api(self) -> None:
        """Listens or does not, as the api-down fault says; with a time, comes back after it."""
        async with self._api_lock:
            fault = self.faults.get("api-down")
            if fault is None:
                await self.resume()
                return
            if self.is_up:
                self._say("api_down", seconds=fault.number)
            await self.down()
            known = self._api_fault
            self._api_fault = fault
            if fault.number is not None and fault is not known:
                self._spawn(self._api_back(self.clock.now() + timedelta(seconds=fault.number)))

    async def _api_back(self, at: datetime) -> None:
        while "api-down" in self.faults and self.clock.real_seconds_until(at) > 0:
            await self._bell.wait(self.clock.real_seconds_until(at))
        self.faults.discard("api-down")
        self._say("api_up")
        await self._settle_api()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_over)

    def _task_over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say("broken", why=repr(error))
