"""What is known of the runs that go on, for a page that is opened in the middle of one. Pure; `now` is passed in.

It is made of what was emitted, so it never says anything else than the emits did.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from relay.events import Event, Phase
from sinks.socketio.emits import Data, Emit
from sinks.socketio.values import run_id_of

MOST_RUNS = 4
MOST_ALERTS = 20
SILENT = timedelta(hours=1)
"""A run without any event for so long is no longer repeated: its end was missed."""
_PHASES = frozenset(phase.value for phase in Phase)
_FINAL = frozenset({"completed", "failed", "cancelled", "partial", "missed"})


@dataclass(slots=True)
class RunState:
    """One run."""

    run_id: str | None
    seen: datetime
    status: str = "running"
    phases: dict[str, Data] = field(default_factory=dict)
    errors: int = 0
    last_error: Data | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self.status not in _FINAL

    def take(self, emit: Emit, data: Data, event: Event) -> None:
        """Take over what was emitted."""
        phase, _, verb = emit.name.rpartition("_")
        if emit.name == "processing_error":
            self.errors += 1
            self.last_error = data
        elif emit.name == "processing_status":
            if event.event.endswith("started"):
                self.status = "running"
                self.phases = {}
                self.errors = 0
                self.last_error = None
            else:
                self.status = data["status"] or event.event.rpartition("_")[2]
        elif emit.name == "run_state":
            self._take_findings(event.payload)
        elif verb == "complete":
            done = {"percent": 100.0} if data["status"] == "completed" else {}
            self.phases[phase] = self.phases.get(phase, {}) | done | {"status": data["status"]}
        elif phase in _PHASES:
            shown = {key: data[key] for key in ("percent", "current", "eta") if key in data}
            self.phases[phase] = {"status": "running"} | (shown or {"percent": 0.0})

    def _take_findings(self, payload: dict[str, Any]) -> None:
        """What the relay itself has found out, `relay:run:*`."""
        if isinstance(found := payload.get("state"), str):
            self.status = found
        phases = payload.get("phases")
        for name, facts in phases.items() if isinstance(phases, dict) else ():
            if name in _PHASES and isinstance(facts, dict):
                known = {"status": facts.get("state"), "percent": facts.get("percent")}
                self.phases[name] = self.phases.get(name, {}) | {k: v for k, v in known.items() if v is not None}


class RunStates:
    """The runs of late, and the alerts that are firing."""

    def __init__(self) -> None:
        self._runs: dict[str | None, RunState] = {}
        self._alerts: dict[str, Data] = {}

    def take(self, emit: Emit, data: Data, event: Event, now: datetime) -> None:
        """Take over what was emitted; an event without a run's id belongs to the latest run."""
        if emit.name == "relay_alert":
            self._take_alert(data)
            return
        run_id = run_id_of(event)
        is_loose = run_id is None or run_id not in self._runs
        if is_loose and emit.name == "processing_error":
            run = next(reversed(self._runs.values()), None)  # an error alone begins no run
        else:
            run = self._run(run_id, now)
        if run is not None:
            run.seen = now
            run.take(emit, data, event)

    def current(self, now: datetime) -> Iterator[Data]:
        """The data of `run_state` of each run that goes on."""
        for run in self._runs.values():
            if run.goes_on and now - run.seen < SILENT:
                yield self._data(run)

    def of(self, run_id: str | None) -> Data | None:
        """The data of `run_state` of one run."""
        run = self._find(run_id)
        return self._data(run) if run else None

    def _find(self, run_id: str | None) -> RunState | None:
        return next(reversed(self._runs.values()), None) if run_id is None else self._runs.get(run_id)

    def _run(self, run_id: str | None, now: datetime) -> RunState:
        run = self._find(run_id)
        if run is None:
            run = self._runs[run_id] = RunState(run_id, now)
            while len(self._runs) > MOST_RUNS:
                del self._runs[next(iter(self._runs))]
        return run

    def _take_alert(self, data: Data) -> None:
        key = str(data["alert"])
        self._alerts.pop(key, None)
        if data["state"] == "firing":
            self._alerts[key] = data
        while len(self._alerts) > MOST_ALERTS:
            del self._alerts[next(iter(self._alerts))]

    def _data(self, run: RunState) -> Data:
        return {
            "run_id": run.run_id,
            "status": run.status,
            "phases": run.phases,
            "errors": run.errors,
            "last_error": run.last_error,
            "alerts": list(self._alerts.values()),
        }
