"""The story in the log: which line is written of which announcement, and how bad it is."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.config.settings import Settings
from relay.events import Announcement, Phase, Severity
from relay.lifecycle.journal import line_of, started_line, tell
from tests.support.wire import utc

RUN = "2ec03b4d-4377-4f80-ab12-03488823563f"
NOW = utc("2025-01-27 21:06:58")
STARTED = {"started_at": "2025-01-27T21:10:00Z", "trigger_type": "automatic", "universe": "sp500"}
FAILED = {"phases": {"import": {"state": "completed"}, "patterns": {"state": "failed"}}, "errors": 41}


def line(channel: str, severity: Severity = Severity.INFO, phase: Phase | None = None, **payload: Any) -> Any:
    event = channel.rpartition(":")[2]
    run_id = RUN if channel.startswith("relay:run:") else None
    return line_of(
        Announcement(channel=channel, event=event, severity=severity, payload=payload, phase=phase, run_id=run_id)
    )


@pytest.mark.parametrize(
    ("channel", "payload", "level", "text"),
    [
        ("relay:run:started", STARTED, "info", "run started: Mon 27 Jan 16:10, scheduled, sp500, 2ec03b4d"),
        (
            "relay:run:completed",
            {"duration_seconds": 2100.0, "symbols_processed": 500, "patterns_detected": 1250},
            "info",
            "run ended: completed after 35 min, 500 symbols, 1,250 patterns, 2ec03b4d",
        ),
        (
            "relay:run:failed",
            {"duration_seconds": 1920.0, "reason": "could not connect to db:5432", **FAILED},
            "error",
            "run ended: failed in patterns after 32 min, 41 errors: could not connect to db:5432, 2ec03b4d",
        ),
        ("relay:run:cancelled", {"errors": 1}, "warning", "run ended: cancelled, 1 error, 2ec03b4d"),
    ],
)
def test_a_run_is_a_line_when_it_starts_and_when_it_ends(
    channel: str, payload: dict[str, Any], level: str, text: str
) -> None:
    assert line(channel, **payload)[::2] == (level, text)


def test_a_phase_is_a_line_when_it_ends() -> None:
    found = line("relay:run:phase_completed", phase=Phase.IMPORT, duration_seconds=600.0, symbols_processed=500)
    assert found == ("info", "phase completed", "phase completed: import in 10 min, 500 symbols, 2ec03b4d")
    assert line("relay:run:phase_failed", phase=Phase.PATTERNS)[0] == "error"
    assert line("relay:run:phase_started", phase=Phase.IMPORT) is None


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (Severity.WARNING, "warning"),
        (Severity.ERROR, "error"),
        (Severity.CRITICAL, "critical"),
        (Severity.EMERGENCY, "critical"),
    ],
)
def test_an_alert_is_a_line_as_bad_as_it_is_and_its_end_is_none_to_worry_about(severity: Severity, level: str) -> None:
    payload: dict[str, Any] = {
        "alert": "run_failed:r1",
        "title": "Run of Mon 27 Jan failed in patterns",
        "message": "No database.",
    }
    text = "alert: Run of Mon 27 Jan failed in patterns: No database."
    assert line("relay:alert:run_failed", severity, state="firing", **payload) == (level, "alert", text)
    payload |= {"title": "Resolved: Run failed", "message": "The 17:02 run completed."}
    over = line("relay:alert:run_failed", severity, state="resolved", **payload)
    assert over == ("info", "cleared", "cleared: Run failed: The 17:02 run completed.")


def test_a_gap_a_silence_and_a_command_are_lines_and_an_incident_is_none() -> None:
    assert line("relay:gap", Severity.WARNING, title="Gap of 6 s", message="16:13:01 to 16:13:07.")[::2] == (
        "warning",
        "Gap of 6 s: 16:13:01 to 16:13:07.",
    )
    silence = line("relay:alert:silence", title="Silence ended", message="Nothing was kept back.")
    assert silence[::2] == ("info", "Silence ended: Nothing was kept back.")
    assert line("relay:operator:cancel", title="ann: cancel", message="run r1: cancelled")[2] == (
        "ann: cancel: run r1: cancelled"
    )
    assert line("relay:alert:incident", Severity.CRITICAL, title="Run failed") is None
    assert line("relay:run:late", run_date="2025-01-27") is None


def test_a_line_is_one_line_and_not_endless_and_json_has_the_facts_beside_it() -> None:
    payload = {"alert": "x", "state": "firing", "title": "a\nb\x1b[31m", "message": "word " * 200}
    with capture_logs() as logs:
        tell(Announcement(channel="relay:alert:x", event="x", severity=Severity.ERROR, payload=payload, run_id=RUN))
    (written,) = logs
    assert written["text"].startswith("alert: a b[31m: word word")
    assert len(written["text"]) == 240
    assert (written["event"], written["log_level"], written["alert"], written["run_id"]) == ("alert", "error", "x", RUN)


def test_the_start_names_version_redis_without_its_password_patterns_sinks_and_the_next_run() -> None:
    settings = Settings.model_validate({"redis": {"url": "redis://relay:s3cret@redis.example:6379/0?x=s3cret"}})
    due = utc("2025-01-27 21:10")
    assert started_line(settings, "0.2.0", ["archive"], due, NOW) == (
        "started 0.2.0: redis://redis.example:6379/0, tickstock:*, 1 sink, next run 16:10 EST"
    )
    many = Settings.model_validate({"redis": {"url": "unix:///run/redis.sock", "patterns": list("abcd")}})
    assert started_line(many, "0.2.0", ["a", "b"], None, NOW) == (
        "started 0.2.0: unix:///run/redis.sock, 4 patterns, 2 sinks"
    )
