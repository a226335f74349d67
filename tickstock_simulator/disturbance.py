"""What the faults do to a run's steps: dropped, changed, held back, or joined by others.

Pure but for what it holds back; it reads the faults at every step, so that one can be injected while a run goes.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

from tickstock_simulator.faults import Fault, Faults
from tickstock_simulator.flow import Run
from tickstock_simulator.malformed import malformed
from tickstock_simulator.older import older_names
from tickstock_simulator.wire import At, Json, Step, envelope

HALF = 0.5
SCRIPT = "<script>alert('tickstock')</script>"
COUNTS = (
    "total_symbols",
    "successful_symbols",
    "failed_symbols",
    "symbols_cached",
    "indicators_calculated",
    "patterns_detected",
    "symbols_processed",
    "symbols_failed",
)


class Disturbance:
    """Stands between one run's steps and Redis."""

    def __init__(self, run: Run, faults: Faults) -> None:
        self._run = run
        self._faults = faults
        self._held: list[Step] = []
        self._shots_fired = False

    def of(self, step: Step) -> list[Step]:
        """What is really published where the run comes to `step`."""
        kept = [each for each in self._joined(step) if not self._dropped(each)]
        changed = [self.changed(each) for each in self._ordered(kept)]
        if "older-names" in self._faults:
            changed = [older for each in changed for older in older_names(each)]
        if "no-run-id" in self._faults:
            changed = [_without_run_id(each) for each in changed]
        return [] if "events-silent" in self._faults else changed

    def _joined(self, step: Step) -> Iterator[Step]:
        if not self._shots_fired and step.phase == self._run.phases[0] and step.done >= HALF:
            self._shots_fired = True
            for name in SHOTS:
                if fault := self._faults.get(name):
                    yield from shots(fault, step.offset, self._run.run_id)
        yield step
        if "duplicate-patterns" in self._faults and step.channel == "tickstock:patterns:detected":
            yield _on_streaming(step)

    def _dropped(self, step: Step) -> bool:
        if step.kind == "run_completed":
            return "no-completion" in self._faults
        return step.phase is not None and self._faults.get("missing-phase", step.phase) is not None

    def _ordered(self, steps: list[Step]) -> Iterator[Step]:
        """With out-of-order, a phase's end is held until the next phase has started."""
        for step in steps:
            if step.kind == "completed" and "out-of-order" in self._faults:
                self._held.append(step)
                continue
            if step.kind == "run_completed":
                yield from self._release()
            yield step
            if step.kind == "started":
                yield from self._release()

    def _release(self) -> list[Step]:
        released = self._held
        self._held = []
        return released

    def changed(self, step: Step) -> Step:
        """The step with its results as the faults want them."""
        if step.kind not in ("completed", "run_completed") or isinstance(step.body, bytes):
            return step
        body: Json = copy.copy(step.body)
        payload: Json = dict(body["payload"])
        if "zero-results" in self._faults:
            payload |= {name: 0 for name in payload if name in COUNTS}
        if fault := self._faults.get("low-success"):
            payload |= _low_success(payload, fault.number or 0.0, self._run.symbols)
        body["payload"] = payload
        return replace(step, body=body)


def shots(fault: Fault, offset: float, run_id: str | None) -> list[Step]:
    """The steps of a fault that happens at one moment: a burst of errors, malformed messages, an error with HTML."""
    return SHOTS[fault.name](fault, offset, run_id)


def failure(run: Run, phase: str, offset: float) -> Step:
    """The critical error that ends a run."""
    payload = {
        "severity": "critical",
        "component": f"{phase}_job",
        "error_code": "PHASE_FAILED",
        "message": f"Phase {phase} failed: could not connect to postgresql://tickstock:s3cret-pw@db:5432/tickstock",
        "context": {"run_id": run.run_id, "phase": phase},
        "recovery_action": "check the database, then trigger the run again",
    }
    return Step(
        "tickstock:errors", envelope("critical_error", "daily_scheduler", payload, offset), offset, kind="error"
    )


def _burst(fault: Fault, offset: float, run_id: str | None) -> list[Step]:
    numbers = range(int(fault.number or 0))
    message = "Massive API rate limit hit"
    return [_error("RATE_LIMIT_EXCEEDED", message, offset + n * 0.1, {"run_id": run_id, "attempt": n}) for n in numbers]


def _malformed(_fault: Fault, offset: float, _run_id: str | None) -> list[Step]:
    return [Step(channel, body, offset) for channel, body, _why in malformed()]


def _html(_fault: Fault, offset: float, run_id: str | None) -> list[Step]:
    message = f"unexpected token in answer: {SCRIPT} & <b>*bold*</b> <!channel>"
    return [_error("BAD_RESPONSE", message, offset, {"run_id": run_id, "symbol": "<img src=x onerror=alert(1)>"})]


SHOTS: dict[str, Callable[[Fault, float, str | None], list[Step]]] = {
    "error-burst": _burst,
    "malformed": _malformed,
    "html-in-error": _html,
}


def _error(code: str, message: str, offset: float, context: Json) -> Step:
    payload = {"severity": "error", "component": "data_import", "error_code": code, "message": message}
    body = envelope("error", "massive_fetcher", payload | {"context": {"symbol": "AAPL", **context}}, offset)
    return Step("tickstock:errors", body, offset, kind="error")


def _low_success(payload: Json, rate: float, symbols: int) -> Json:
    failed = round(symbols * (1 - rate / 100))
    new: Json = {"success_rate": rate, "failed_symbols": failed, "symbols_failed": failed}
    new["successful_symbols"] = symbols - failed
    return {name: value for name, value in new.items() if name in payload}


def _on_streaming(step: Step) -> Step:
    if isinstance(step.body, bytes):
        return step
    payload = step.body["payload"]
    detection = {name: payload[name] for name in ("pattern_type", "symbol", "confidence", "timeframe")}
    body = {"event": "pattern_detected", "session_id": "stream-batch", "timestamp": At(step.offset)}
    return replace(
        step, channel="tickstock:patterns:streaming", body=body | {"detection": {**detection, "parameters": {}}}
    )


def _without_run_id(step: Step) -> Step:
    if isinstance(step.body, bytes) or not isinstance(step.body.get("payload"), dict):
        return step
    payload = {name: value for name, value in step.body["payload"].items() if name != "run_id"}
    if isinstance(payload.get("context"), dict):
        payload["context"] = {name: value for name, value in payload["context"].items() if name != "run_id"}
    return replace(step, body={**step.body, "payload": payload})
