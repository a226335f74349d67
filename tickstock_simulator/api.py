"""TickStockPL's HTTP API: the contract's six endpoints and /health, with their bodies as documented.

Thin: it asks the simulator and writes answers. What else it serves stands under /simulator, which the real one has not.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Literal, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tickstock_simulator.clock import Clock
from tickstock_simulator.faults import FAULTS, Faults
from tickstock_simulator.ledger import RunRecord, Timetable
from tickstock_simulator.publisher import Publisher
from tickstock_simulator.wire import PHASES, Json, iso

StatusStyle = Literal["is_running", "status", "unknown"]


class Behind(Protocol):
    """What the API asks of the simulator."""

    clock: Clock
    faults: Faults
    timetable: Timetable
    status_style: StatusStyle
    extended: bool
    publisher: Publisher

    @property
    def current(self) -> RunRecord | None:
        """The run that goes on; the newest, when there are two."""

    def recorded(self, since: datetime) -> list[RunRecord]:
        """Runs that are over and started since a simulated moment, newest first."""

    def trigger(self, phases: list[str], universe: str, *, skip_market_check: bool) -> RunRecord | None:
        """Starts a manual run; None when the market is closed. RuntimeError: one is running."""

    def cancel(self) -> RunRecord | None:
        """Cancels the current run."""

    async def reschedule(self, wanted: Json) -> None:
        """Changes the schedule and says so on its channel. ValueError: it cannot be."""

    async def inject(self, *texts: str, clear: bool = False, settle: bool = True) -> None:
        """Adds faults. ValueError: no such fault."""


class Api:
    """The endpoints over one simulator."""

    def __init__(self, behind: Behind, wait: Callable[[float], Awaitable[None]]) -> None:
        self._behind = behind
        self._wait = wait
        routes = [
            Route("/api/processing/trigger-manual", self._trigger, methods=["POST"]),
            Route("/api/processing/status", self._status),
            Route("/api/processing/history", self._history),
            Route("/api/processing/cancel", self._cancel, methods=["DELETE"]),
            Route("/api/processing/schedule", self._schedule, methods=["GET", "POST"]),
            Route("/health", self._health),
            Route("/simulator/faults", self._faults, methods=["GET", "POST"]),
            Route("/simulator/clock", self._clock),
        ]
        self._app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; late, when the API is slow."""
        slow = self._behind.faults.get("api-slow")
        if slow is not None and not scope.get("path", "").startswith("/simulator/"):
            await self._wait(slow.number or 0.0)
        await self._app(scope, receive, send)

    async def _trigger(self, request: Request) -> JSONResponse:
        try:
            wanted = await _object(request)
            phases = _phases(wanted.get("phases", ["all"]))
        except ValueError as error:
            return _refused(400, str(error))
        skip = wanted.get("skip_market_check", False) is True
        try:
            started = self._behind.trigger(phases, str(wanted.get("universe") or "sp500"), skip_market_check=skip)
        except RuntimeError as error:
            return _refused(409, str(error))
        if started is None:
            return JSONResponse({"run_id": None, "status": "skipped", "message": "Market is closed today"})
        message = "Processing started successfully"
        return JSONResponse({"run_id": started.run_id, "status": "started", "message": message})

    async def _status(self, _request: Request) -> JSONResponse:
        clock, current = self._behind.clock, self._behind.current
        if self._behind.status_style == "unknown":
            return JSONResponse({"state": "who knows"})
        body: Json = IDLE if current is None else current.as_status(clock, clock.now())
        if self._behind.status_style == "status":
            words = {"status": "running" if body["is_running"] else "idle"}
            body = words | {name: value for name, value in body.items() if name != "is_running"}
        return JSONResponse(body)

    async def _history(self, request: Request) -> JSONResponse:
        try:
            days = int(request.query_params.get("days", "7"))
            since = self._behind.clock.now() - timedelta(days=days)
        except (ValueError, OverflowError):
            return _refused(400, "days must be a number of days")
        clock, extended = self._behind.clock, self._behind.extended
        runs = [run.as_history(clock, extended=extended) for run in self._behind.recorded(since)]
        return JSONResponse({"runs": runs})

    async def _cancel(self, _request: Request) -> JSONResponse:
        cancelled = self._behind.cancel()
        if cancelled is None:
            return _refused(404, "No run is in progress")
        body = {"run_id": cancelled.run_id, "status": "cancelled", "message": "Processing cancelled"}
        return JSONResponse(body)

    async def _schedule(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                await self._behind.reschedule(await _object(request))
            except ValueError as error:
                return _refused(400, str(error))
        clock = self._behind.clock
        return JSONResponse(self._behind.timetable.as_body(clock, clock.now(), extended=self._behind.extended))

    async def _health(self, _request: Request) -> JSONResponse:
        redis = "healthy" if self._behind.publisher.connected else "unhealthy"
        body = {
            "status": "healthy" if redis == "healthy" else "degraded",
            "services": {"redis": redis, "database": "healthy", "api": "healthy"},
            "processing_status": "running" if self._behind.current else "idle",
            "version": "1.0",
        }
        return JSONResponse(body)

    async def _faults(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                wanted = await _object(request)
                added = wanted.get("add", [])
                texts = [added] if isinstance(added, str) else [str(text) for text in added]
                await self._behind.inject(*texts, clear=wanted.get("clear", False) is True, settle=False)
            except (ValueError, TypeError) as error:
                return _refused(400, str(error))
        known = {name: kind.help for name, kind in FAULTS.items()}
        return JSONResponse({"active": self._behind.faults.names(), "known": known})

    async def _clock(self, _request: Request) -> JSONResponse:
        clock = self._behind.clock
        return JSONResponse({"now": iso(clock.now()), "speed": clock.speed, "kind": clock.kind})


IDLE: Json = {
    "is_running": False,
    "run_id": None,
    "current_phase": None,
    "progress": 0,
    "symbols_processed": 0,
    "symbols_total": 0,
    "start_time": None,
    "estimated_completion": None,
}


async def _object(request: Request) -> Json:
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - the caller's 400 either way
    return body


def _phases(wanted: object) -> list[str]:
    """The phases asked for, in the contract's order, under the contract's or the short name of the cache phase."""
    if not isinstance(wanted, list) or not wanted:
        raise ValueError("phases must be a list")
    names = {"cache_sync": "cache"} | {phase: phase for phase in PHASES}
    if wanted == ["all"]:
        return list(PHASES)
    if unknown := [str(name) for name in wanted if name not in names]:
        raise ValueError(f"unknown phase: {', '.join(unknown)}")
    return [phase for phase in PHASES if phase in {names[name] for name in wanted}]


def _refused(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status_code=status)
