"""The life of one incident as its events carry it: a run stalls, goes on, has errors, fails, and is run again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from relay.events import SEVERITIES, Announcement, Event
from sinks.testing import NOON

Json = dict[str, Any]
TIMES = "\N{MULTIPLICATION SIGN}"
RUN = "2ec03b4d-4377-4f80-ab12-03488823563f"
NEW_RUN = "869e3b68-4979-454e-8202-b14930c7c3a1"
BEGAN = "2025-01-27T21:28:04Z"
PAGE = f"https://relay.example/runs/{RUN}"
NEW_PAGE = f"https://relay.example/runs/{NEW_RUN}"


def as_event(payload: Mapping[str, Any], *, at: datetime = NOON) -> Event:
    """The event `relay:alert:incident` with this state."""
    severity = SEVERITIES[payload.get("highest") or payload.get("severity") or "error"]
    announcement = Announcement(
        channel="relay:alert:incident", event="incident", severity=severity, payload=dict(payload)
    )
    return announcement.as_event("kit", int(payload.get("number", 1)), at)


def error_group(number: int = 1, count: int = 1, **more: Any) -> Json:
    """One kind of errors."""
    code = ["RATE_LIMIT_EXCEEDED", "PHASE_FAILED"][number - 1] if number < 3 else f"ERROR_{number}"
    times = f"{count} {TIMES} " if count > 1 else ""
    return {
        "id": str(number),
        "code": code,
        "where": "data_import",
        "severity": "error",
        "message": "Massive API rate limit hit",
        "title": f"{times}{code} in data_import",
        "text": f"{times}{code} in data_import: Massive API rate limit hit",
        "context": "first 16:39:26, last 16:39:30 EST · symbol AAPL",
        "count": count,
    } | more


def errors(*groups: Json, more_groups: int = 0, more_errors: int = 0) -> Json:
    """All errors of an incident."""
    count = sum(group["count"] for group in groups) + more_errors
    return {
        "count": count,
        "groups": len(groups) + more_groups,
        "more_groups": more_groups,
        "more_errors": more_errors,
        "first": None,
        "list": list(groups),
    }


def phases(indicators: str, patterns: str = "waiting patterns") -> list[Json]:
    """The four phases; `indicators` and `patterns` are state and text."""
    marks = {"completed": "✓", "running": "▸", "stalled": "‖", "failed": "✗", "waiting": "\N{EN DASH}"}
    given = ["completed import 10 min", "completed cache 1 min", indicators, patterns]
    pairs = [text.split(" ", 1) for text in given]
    strong = {"running", "stalled", "failed"}
    return [
        {"name": text.split(" ")[0], "state": state, "mark": marks[state], "text": text, "strong": state in strong}
        for state, text in pairs
    ]


def state(**changes: Any) -> Json:
    """The incident as it begins, with these changes."""
    return {
        "incident": RUN,
        "kind": "run",
        "state": "firing",
        "change": "begins",
        "number": 1,
        "severity": "error",
        "highest": "error",
        "quiet_end": False,
        "lasting": False,
        "title": "Run of Mon 27 Jan is stalled in indicators",
        "text": (
            "Run of Mon 27 Jan is stalled in indicators: no progress since 16:22:55 EST, at CBV, 241 of 505. The day's"
            " data is not complete yet."
        ),
        "cause": (
            "No progress since 16:22:55 EST at 47.7 % (241 of 505 symbols); the last symbol was CBV. TickStockPL’s API"  # noqa: RUF001
            " still says that it is running."
        ),
        "quote": None,
        "again": None,
        "cleared": None,
        "data": {
            "word": "Not yet",
            "label": "Data of 27 Jan",
            "short": "The day's data is not complete yet.",
            "sentence": "Import and cache are complete.",
            "value": None,
        },
        "phases": phases("stalled indicators since 16:21 (usually 4 min)"),
        "actions": [
            {"text": "Look at the log of the indicators job around symbol CBV.", "command": None},
            {"text": "If it does not go on, end the run", "command": "tickstock-relay cancel"},
            {"text": "Start it again", "command": "tickstock-relay trigger"},
        ],
        "began": BEGAN,
        "ended": None,
        "errors": errors(),
        "notes": [{"number": 1, "change": "begins", "severity": "error", "text": "Run of Mon 27 Jan is stalled."}],
        "context": ["16:28:04 EST (21:28 UTC)", "alert run_stalled", "no errors so far"],
        "silence": f"tickstock-relay silence add --for 2h --incident {RUN}",
        "url": PAGE,
        "runbook": "https://wiki.example/relay#run_stalled",
        "dashboard": "https://grafana.example/d/relay?from=1738011300000&to=now",
        "source": None,
    } | changes


def begins() -> Json:
    """1: it is stalled."""
    return state()


def goes_on() -> Json:
    """2: it goes on by itself."""
    note = {
        "number": 2,
        "change": "better",
        "severity": "info",
        "text": "16:30:07 EST: indicators go on at GPB, 52.1 %, after 7 min without progress.",
    }
    return state(
        number=2,
        state="eased",
        change="better",
        severity="info",
        title="Run of Mon 27 Jan goes on in indicators",
        text="Run of Mon 27 Jan goes on: it was stalled in indicators for 7 min, until 16:30:00 EST.",
        cause="It was stalled from 16:22:55 to 16:30:00 EST, at CBV. Now at GPB, 52.1 % (263 of 505).",
        phases=phases("running indicators since 16:21 (usually 4 min)"),
        actions=[{"text": "Nothing, unless it stalls again.", "command": None}],
        notes=[*begins()["notes"], note],
        context=["16:30:07 EST (21:30 UTC)", "began 16:28:04", "no errors so far"],
        silence=None,
    )


def has_errors(count: int, number: int = 3) -> Json:
    """3: errors of one kind come."""
    return state(
        number=number,
        change="errors",
        severity="error",
        title="Run of Mon 27 Jan: high error rate",
        text="Run of Mon 27 Jan: 40 errors in 1 min (limit 10), most of them RATE_LIMIT_EXCEEDED in data_import.",
        cause="40 errors in 1 min (limit 10), all RATE_LIMIT_EXCEEDED in data_import. The run goes on in patterns.",
        phases=phases("completed indicators 11 min (usually 4 min)", "running patterns since 16:32 (usually 20 min)"),
        actions=[{"text": "Check data_import and the limits at the vendor.", "command": None}],
        errors=errors(error_group(count=count)),
        notes=goes_on()["notes"],
        context=["16:39:35 EST (21:39 UTC)", "began 16:28:04", f"{count} errors in 1 group"],
        runbook="https://wiki.example/relay#error_rate",
    )


def fails(number: int = 5) -> Json:
    """4: it gets worse."""
    note = {"number": number, "change": "worse", "severity": "critical", "text": "16:42:08 EST: it failed in patterns."}
    return state(
        number=number,
        change="worse",
        severity="critical",
        highest="critical",
        title="Run of Mon 27 Jan failed in patterns",
        text=(
            "Run of Mon 27 Jan failed in patterns at 16:42 EST: could not connect to db:5432. The day's data is not"
            " usable."
        ),
        cause="Could not connect to db:5432. It stopped at 16:42:00 EST after 32 min, at symbol XGCK.",
        data={
            "word": "No",
            "label": "Data of 27 Jan",
            "short": "The day's data is not usable.",
            "sentence": "Patterns are missing. The last day with all data is Fri 24 Jan.",
        },
        phases=phases("completed indicators 11 min (usually 4 min)", "failed patterns 10 min, 250 of 505"),
        actions=[{"text": "Check the database db:5432, then run it again", "command": "tickstock-relay trigger"}],
        errors=errors(error_group(count=40), error_group(2, message="Phase patterns failed: could not connect")),
        notes=[*goes_on()["notes"], note],
        context=["16:42:08 EST (21:42 UTC)", "began 16:28:04", "41 errors in 2 groups"],
        runbook="https://wiki.example/relay#run_failed",
    )


def is_run_again(number: int = 6) -> Json:
    """5: somebody runs it again."""
    note = {
        "number": number,
        "change": "again",
        "severity": "info",
        "text": "17:02:28 EST: run again by hand. It usually takes 35 min.",
    }
    return fails() | {
        "number": number,
        "change": "again",
        "text": "Run of Mon 27 Jan failed in patterns at 16:42 EST. Run again by hand since 17:02; ends about 17:37.",
        "again": {"text": "Run again by hand since 17:02 EST; ends about 17:37.", "url": NEW_PAGE},
        "notes": [*fails()["notes"], note],
    }


def is_over(number: int = 7) -> Json:
    """6: the new run has sound results."""
    note = {"number": number, "change": "over", "severity": "info", "text": "17:37:29 EST: cleared by the 17:02 run."}
    return is_run_again() | {
        "number": number,
        "state": "over",
        "change": "over",
        "severity": "info",
        "text": (
            "Cleared: run of Mon 27 Jan failed in patterns. The 17:02 run completed at 17:37 EST; the day's data is"
            " usable."
        ),
        "cleared": {
            "text": "Cleared by the 17:02 run at 17:37 EST, after 55 min.",
            "by_name": "17:02 run",
            "by_url": NEW_PAGE,
            "by_run_id": NEW_RUN,
            "seconds": 3300.0,
        },
        "data": {
            "word": "Yes",
            "label": "Data of 27 Jan",
            "short": "The day's data is usable.",
            "sentence": "500 of 505 symbols (99.0 %), 7,575 indicators, 1,250 patterns, all as usual.",
        },
        "again": None,
        "notes": [*is_run_again()["notes"], note],
        "context": ["16:28:04 to 17:37:29 EST (21:28 to 22:37 UTC)", "41 errors in 2 groups"],
        "ended": "2025-01-27T22:37:29Z",
        "silence": None,
    }


def life() -> list[Json]:
    """All seven states."""
    return [begins(), goes_on(), has_errors(1), has_errors(40, 4), fails(), is_run_again(), is_over()]


def lone_error(count: int = 1, *, number: int = 1, is_over: bool = False) -> Json:
    """An error outside any run."""
    times = f"{count} {TIMES} " if count > 1 else ""
    quote = "unexpected token in answer: <script>alert('tickstock')</script> & <b>*bold*</b> <!channel>"
    return {
        "incident": "error:BAD_RESPONSE",
        "kind": "error",
        "state": "over" if is_over else "firing",
        "number": number,
        "severity": "info" if is_over else "error",
        "highest": "error",
        "quiet_end": is_over,
        "title": f"{times}BAD_RESPONSE in data_import",
        "text": f"{times}BAD_RESPONSE in data_import, outside any run: unexpected token in answer",
        "cause": "11:02:10 to 11:02:48 EST, outside any run." if count > 1 else "Once, outside any run.",
        "quote": quote,
        "cleared": {"text": "No more for 10 min."} if is_over else None,
        "data": None,
        "began": "2025-01-27T16:02:10Z",
        "errors": errors(error_group(count=count, code="BAD_RESPONSE")),
        "context": ["11:02:10 EST (16:02 UTC)", "error", "from massive_fetcher"],
        "silence": "tickstock-relay silence add --for 2h --incident error:BAD_RESPONSE",
        "url": "https://relay.example/#errors",
    }


def moment(text: str) -> datetime:
    """A time of that day, in UTC."""
    return datetime.fromisoformat(f"2025-01-27T{text}").replace(tzinfo=UTC)
