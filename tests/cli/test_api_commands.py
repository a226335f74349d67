"""status, history, schedule, trigger and cancel against a real server on loopback, as a shell user meets them."""

from __future__ import annotations

import json
import re
import socket
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from click.testing import CliRunner, Result

from relay.cli import main
from relay.process.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN_ID = "550e8400-e29b-41d4-a716-446655440000"
THAT_DAY = datetime(2025, 1, 26, 21, 30, tzinfo=UTC)
HOSTILE = "\x1b[31m\x1b]0;owned\x07[bold red]x[/] [link=http://evil]y[/link]\u202e\x9b2J\ud800"


@dataclass
class TickStockPLStand:
    """Answers each path with a body (and status); remembers the commands that it got."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, Any, str | None]] = field(default_factory=list)

    @property
    def commands(self) -> list[tuple[str, str, Any]]:
        return [(method, path, body) for method, path, body, _ in self.asked if method != "GET"]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[TickStockPLStand]:
    stand = TickStockPLStand()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = json.loads(sent) if sent else None
            stand.asked.append((self.command, self.path, asked, self.headers.get("Authorization")))
            key = f"{self.command} {self.path.partition('?')[0].removeprefix('/api/processing')}"
            body = json.dumps(stand.answers.get(key, {})).encode()
            self.send_response(stand.statuses.get(key, 200))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        stand.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("TICKSTOCKPL_BASE_URL", stand.url)
        monkeypatch.delenv("TICKSTOCKPL_TOKEN", raising=False)
        yield stand
        server.shutdown()
        thread.join()


def run(*arguments: str, stdin: str = "", code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(arguments), input=stdin)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def line_of(result: Result, name: str) -> str:
    (line,) = (line for line in result.stdout.splitlines() if line.startswith(name))
    return line.removeprefix(name).strip()


# status

RUNNING = {
    "is_running": True,
    "run_id": RUN_ID,
    "current_phase": "data_import",
    "progress": "0.495",
    "symbols_processed": 250,
    "symbols_total": 505,
    "start_time": "2025-01-26T21:10:00",
    "estimated_completion": "2025-07-27T01:05:00Z",
}


@time_machine.travel(THAT_DAY)
def test_status_shows_a_running_run_with_both_times(api: TickStockPLStand) -> None:
    api.answers["GET /status"] = RUNNING
    result = run("status")
    assert line_of(result, "state") == "running"
    assert line_of(result, "run") == RUN_ID
    assert line_of(result, "phase") == "import"
    assert line_of(result, "progress") == "█" * 11 + "░" * 13 + " 49.5 %"
    assert line_of(result, "symbols") == "250 of 505"
    assert line_of(result, "started") == "16:10:00 EST (21:10:00 UTC)"
    assert line_of(result, "expected end") == "Sat 26 Jul 21:05:00 EDT (Sun 01:05:00 UTC)"


def test_status_as_json_has_the_typed_facts(api: TickStockPLStand) -> None:
    api.answers["GET /status"] = RUNNING
    assert json.loads(run("status", "--json").stdout) == RUNNING | {
        "state": "running",
        "current_phase": "import",
        "progress": 49.5,
        "start_time": "2025-01-26T21:10:00Z",
    }


@pytest.mark.parametrize(
    ("body", "state"), [({"status": "idle"}, "idle"), ({"status": "resting"}, "unknown"), ({}, "unknown")]
)
def test_status_of_no_run_is_no_failure(api: TickStockPLStand, body: dict[str, str], state: str) -> None:
    api.answers["GET /status"] = body
    assert line_of(run("status"), "state").startswith(state)
    assert json.loads(run("status", "--json").stdout)["state"] == state


def test_status_of_an_idle_tickstockpl_says_how_the_last_run_ended_and_when_the_next_one_is_due(
    api: TickStockPLStand,
) -> None:
    api.answers["GET /status"] = {"is_running": False}
    assert "last run" not in run("status").stdout, "neither is known"
    api.answers["GET /history"] = {
        "runs": [DONE | {"patterns_detected": 0}, DONE | {"start_time": "2025-01-25T21:10:00Z"}]
    }
    api.answers["GET /schedule"] = {"enabled": True, "next_run": "2025-01-27T21:10:00Z"}
    result = run("status")
    assert line_of(result, "last run") == "Sun 26 Jan 16:10: completed, no results after 35 min"
    assert "16:10:00 EST" in line_of(result, "next run")
    api.answers["GET /schedule"] = {"enabled": False}
    assert line_of(run("status"), "next run") == "none: the schedule is off"


# history

DONE = {
    "run_id": RUN_ID,
    "run_date": "2025-01-26",
    "start_time": "2025-01-26T21:10:00Z",
    "end_time": "2025-01-26T21:45:00Z",
    "status": "completed",
    "symbols_processed": 505,
    "symbols_failed": 3,
    "patterns_detected": 1250,
    "indicators_calculated": 7575,
    "duration_seconds": 2100,
    "trigger_type": "automatic",
}


@time_machine.travel(THAT_DAY)
def test_history_has_one_line_for_each_run(api: TickStockPLStand) -> None:
    api.answers["GET /history"] = {"runs": [DONE, {"run_date": "2025-01-25", "status": "failed"}]}
    head, first, second, *foot = run("history", "--days", "30").stdout.splitlines()
    assert api.asked[0][1] == "/api/processing/history?days=30"
    assert head.split() == ["RUN", "TOOK", "RESULT", "OK", "PATTERNS", "ID"]
    assert first.split() == f"Sun 26 Jan 16:10 35 min ✓ completed 99.4 % 1,250 {RUN_ID[:8]}".split()
    assert second.startswith("Sat 25 Jan ")
    assert "failed" in second
    assert foot == ["", f"One of them in full: tickstock-relay report {RUN_ID[:8]}"]


def test_a_line_of_the_history_is_80_columns_at_most(api: TickStockPLStand) -> None:
    long = {"symbols_failed": 200, "duration_seconds": 35_999, "trigger_type": "manual"}
    api.answers["GET /history"] = {"runs": [DONE | long]}
    assert [len(line) <= 80 for line in run("history").stdout.splitlines()] == [True] * 5
    assert "9 h 60" not in run("history").stdout


def test_a_run_by_hand_has_a_star(api: TickStockPLStand) -> None:
    api.answers["GET /history"] = {"runs": [DONE | {"trigger_type": "manual"}]}
    _, first, _, star, _ = run("history").stdout.splitlines()
    assert " 16:10* " in first
    assert star == "* by hand"


def test_history_as_json_is_one_object(api: TickStockPLStand) -> None:
    api.answers["GET /history"] = {"runs": [DONE]}
    assert json.loads(run("history", "--json").stdout) == {"runs": [DONE | {"result": "completed"}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"symbols_processed": 0, "patterns_detected": 0, "indicators_calculated": 0}, "completed, no results"),
        ({"symbols_failed": 200}, "completed, low success rate"),
        ({"patterns_detected": 0, "run_id": None}, "completed, no results"),
        ({"status": "failed"}, "failed"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "completed_with_errors"}, "partial"),
        ({"status": "running", "end_time": None}, "running"),
        ({"status": "odd", "end_time": None}, "odd"),
    ],
)
def test_history_shows_a_run_s_result_with_what_is_wrong_with_it(
    api: TickStockPLStand, changes: dict[str, Any], expected: str
) -> None:
    api.answers["GET /history"] = {"runs": [DONE | changes]}
    assert re.search(rf" . {re.escape(expected)} +", run("history").stdout)
    (row,) = json.loads(run("history", "--json").stdout)["runs"]
    assert row.get("result", row["status"]) == expected


def test_an_empty_history_says_so(api: TickStockPLStand) -> None:
    api.answers["GET /history"] = {"runs": []}
    assert run("history").stdout == "No runs in the last 7 days.\n"
    assert json.loads(run("history", "--json").stdout) == {"runs": []}


@time_machine.travel(THAT_DAY + timedelta(days=2))
def test_history_fits_a_terminal_of_80_columns(api: TickStockPLStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    api.answers["GET /history"] = {"runs": [DONE]}
    shown = run("history").stdout
    assert max(map(len, shown.splitlines())) <= 80
    for fact in ("Sun 26 Jan 16:10", "35 min", "completed", "99.4 %", "1,250", RUN_ID[:8]):
        assert fact in shown


@pytest.mark.parametrize("days", ["0", "-1", "x", "1000000"])
def test_days_out_of_range_are_wrong_usage(api: TickStockPLStand, days: str) -> None:
    assert "--days" in run("history", "--days", days, code=2).stderr
    assert api.asked == []


# schedule

DAILY = {
    "enabled": True,
    "trigger_time": "16:10",
    "timezone": "America/New_York",
    "next_run": "2025-01-27T21:10:00Z",
    "universes": ["sp500", "nasdaq100"],
    "market_check": True,
}


@time_machine.travel(THAT_DAY)
def test_schedule_shows_when_the_next_run_is(api: TickStockPLStand) -> None:
    api.answers["GET /schedule"] = DAILY
    result = run("schedule")
    assert line_of(result, "enabled") == "yes"
    assert line_of(result, "trigger time") == "16:10 America/New_York"
    assert line_of(result, "next run") == "Mon 27 Jan 16:10:00 EST (21:10:00 UTC)"
    assert line_of(result, "universes") == "sp500, nasdaq100"
    assert json.loads(run("schedule", "--json").stdout) == DAILY
    assert api.commands == []


def test_a_new_trigger_time_is_sent_with_what_stays_and_read_back(api: TickStockPLStand) -> None:
    api.answers["GET /schedule"] = DAILY | {"trigger_time": "16:15"}
    result = run("schedule", "--trigger-time", "16:15")
    assert api.commands == [("POST", "/api/processing/schedule", {"enabled": True, "trigger_time": "16:15"})]
    assert line_of(result, "trigger time") == "16:15 America/New_York"


@pytest.mark.parametrize(("option", "enabled"), [("--disable", False), ("--enable", True)])
def test_the_schedule_can_be_switched_off_and_on(api: TickStockPLStand, option: str, enabled: bool) -> None:
    api.answers["GET /schedule"] = DAILY | {"enabled": enabled}
    run("schedule", option)
    assert api.commands == [("POST", "/api/processing/schedule", {"enabled": enabled, "trigger_time": "16:10"})]


def test_a_change_that_did_not_take_is_a_failure(api: TickStockPLStand) -> None:
    api.answers["GET /schedule"] = DAILY
    error = run("schedule", "--trigger-time", "16:15", code=1).stderr
    assert error == ("Error: TickStockPL took the request, but its schedule has trigger_time = 16:10, not 16:15\n")


@pytest.mark.parametrize("wrong", ["25:00", "9:05", "noon", ""])
def test_a_trigger_time_that_is_no_clock_time_is_wrong_usage(api: TickStockPLStand, wrong: str) -> None:
    assert "HH:MM" in run("schedule", "--trigger-time", wrong, code=2).stderr
    assert api.asked == []


# trigger

STARTED = {"run_id": RUN_ID, "status": "started", "message": "Processing started successfully"}


def test_trigger_asks_first_and_then_shows_the_new_run(api: TickStockPLStand) -> None:
    api.answers["POST /trigger-manual"] = STARTED
    result = run("trigger", stdin="y\n")
    assert "Start a run" in result.stderr
    assert line_of(result, "run") == RUN_ID
    assert api.commands == [("POST", "/api/processing/trigger-manual", {"skip_market_check": False})]


@pytest.mark.parametrize("command", ["trigger", "cancel"])
@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_sent(api: TickStockPLStand, command: str, answer: str) -> None:
    assert run(command, stdin=answer, code=1).stdout == ""
    assert api.asked == []


def test_trigger_passes_its_options_on(api: TickStockPLStand) -> None:
    api.answers["POST /trigger-manual"] = STARTED
    options = ["--skip-market-check", "--phases", "import, indicators", "--phases", "patterns", "--universe", "x"]
    result = run("trigger", "--yes", "--json", *options)
    assert json.loads(result.stdout) == STARTED
    assert api.commands[0][2] == {
        "skip_market_check": True,
        "phases": ["import", "indicators", "patterns"],
        "universe": "x",
    }


@pytest.mark.parametrize(
    "answer", [{}, {"message": "market is closed"}, STARTED | {"status": "Failed", "message": "no luck"}]
)
def test_a_trigger_without_a_new_run_is_a_failure(api: TickStockPLStand, answer: dict[str, str]) -> None:
    api.answers["POST /trigger-manual"] = answer
    error = run("trigger", "--yes", code=1).stderr
    assert "did not confirm a new run" in error
    assert answer.get("message", "nothing") in error


def test_a_refused_trigger_gives_the_apis_reason(api: TickStockPLStand) -> None:
    api.answers["POST /trigger-manual"] = {"detail": "a run is going on"}
    api.statuses["POST /trigger-manual"] = 409
    assert run("trigger", "--yes", code=1).stderr == (f"Error: {api.url} answered 409 Conflict: a run is going on\n")
    assert len(api.commands) == 1


# cancel


def test_cancel_sends_one_delete(api: TickStockPLStand) -> None:
    api.answers["DELETE /cancel"] = {"status": "cancelled", "message": "ok"}
    result = run("cancel", "--yes")
    assert line_of(result, "status") == "cancelled"
    assert api.commands == [("DELETE", "/api/processing/cancel", None)]
    expected = {"run_id": None, "status": "cancelled", "message": "ok"}
    assert json.loads(run("cancel", "--json", stdin="y\n").stdout) == expected


def test_a_cancel_that_is_refused_is_a_failure(api: TickStockPLStand) -> None:
    api.answers["DELETE /cancel"] = {"status": "failed", "message": "no run"}
    assert "did not cancel: no run" in run("cancel", "--yes", code=1).stderr


# Where the API is, and what goes wrong there


@pytest.mark.parametrize("command", ["status", "history", "schedule", "trigger", "cancel"])
@pytest.mark.parametrize("json_wanted", [(), ("--json",)])
def test_an_api_that_is_down_is_one_line_and_exit_code_1(command: str, json_wanted: tuple[str, ...]) -> None:
    yes = ("--yes",) if command in {"trigger", "cancel"} else ()
    result = run(command, "--base-url", "http://user:hush@127.0.0.1:1/", *yes, *json_wanted, code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: cannot reach http://127.0.0.1:1")
    assert result.stderr.count("\n") == 1
    assert "hush" not in result.stderr


@pytest.mark.parametrize("command", ["status", "history", "schedule", "trigger", "cancel"])
@pytest.mark.parametrize("url", ["ftp://u:hush@h", "h:8080", "http://u:hush@h:x", "/etc"])
def test_a_base_url_of_no_use_is_exit_code_2(command: str, url: str) -> None:
    result = run(command, "--base-url", url, code=2)
    assert "base URL" in result.stderr
    assert "hush" not in result.stderr


def test_the_option_goes_before_the_environment(api: TickStockPLStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKSTOCKPL_BASE_URL", "http://127.0.0.1:1")
    run("status", "--base-url", f"{api.url}/pl")
    assert api.asked[0][1] == "/pl/api/processing/status"


def test_the_token_of_the_environment_is_sent_and_shown_nowhere(
    api: TickStockPLStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKSTOCKPL_TOKEN", "tok-hush")
    output = run("status").output + run("status", "--help").output
    assert api.asked[0][3] == "Bearer tok-hush"
    assert "hush" not in output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def test_the_config_gives_address_and_token_and_goes_before_the_environment(
    api: TickStockPLStand, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKSTOCKPL_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TICKSTOCKPL_TOKEN", "tok-other")
    config.write_text(f"tickstockpl: {{base_url: {api.url}/pl, token: tok-hush}}\n")
    result = run("status", "--config", str(config))
    assert api.asked[0][1:] == ("/pl/api/processing/status", None, "Bearer tok-hush")
    assert "hush" not in result.output


def test_a_typed_base_url_goes_before_the_configs(api: TickStockPLStand, config: Path) -> None:
    config.write_text("tickstockpl: {base_url: http://127.0.0.1:1, token: tok-hush}\n")
    run("status", "--config", str(config), "--base-url", api.url)
    assert api.asked[0][3] == "Bearer tok-hush"


def test_the_configs_timeout_is_kept(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config.write_text(f"tickstockpl: {{base_url: {url}, timeout: 100ms}}\n")
        error = run("cancel", "--yes", "--config", str(config), code=1).stderr
    assert "no answer within 0.1 s" in error
    assert "may or may not" in error


@pytest.mark.parametrize("command", ["status", "history", "schedule", "trigger", "cancel"])
def test_a_wrong_config_is_exit_code_2_and_names_each_mistake(command: str, config: Path) -> None:
    config.write_text("tickstockpl:\n  base_url: 5\n  tokn: tok-hush\n")
    result = run(command, "--config", str(config), code=2)
    assert "tickstockpl.base_url" in result.stderr
    assert "did you mean token?" in result.stderr
    assert "hush" not in result.output


def test_a_missing_config_is_exit_code_2(config: Path) -> None:
    assert "does not exist" in run("status", "--config", str(config), code=2).stderr


# Text from the wire


@pytest.mark.parametrize(
    ("command", "key", "body"),
    [
        ("status", "GET /status", {"run_id": HOSTILE, "current_phase": HOSTILE}),
        ("history", "GET /history", {"runs": [dict.fromkeys(("run_id", "status", "trigger_type"), HOSTILE)]}),
        ("schedule", "GET /schedule", {"universes": [HOSTILE]}),
        ("trigger", "POST /trigger-manual", {"run_id": HOSTILE, "status": HOSTILE, "message": HOSTILE}),
        ("cancel", "DELETE /cancel", {"run_id": HOSTILE, "status": HOSTILE, "message": HOSTILE}),
    ],
)
@pytest.mark.parametrize("json_wanted", [(), ("--json",)])
def test_text_from_the_wire_cannot_steer_the_terminal(
    api: TickStockPLStand, command: str, key: str, body: dict[str, Any], json_wanted: tuple[str, ...]
) -> None:
    api.answers[key] = body
    yes = ("--yes",) if command in {"trigger", "cancel"} else ()
    shown = run(command, *yes, *json_wanted).stdout
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    assert "[bold red]x[/]" in shown
    is_cut = command == "history" and not json_wanted  # a line of 80 columns has no room for more
    assert ("[link=http://evil]y[/link]" in shown) == (not is_cut)


def test_an_error_from_the_wire_cannot_steer_the_terminal(api: TickStockPLStand) -> None:
    api.answers["GET /status"] = {"detail": HOSTILE}
    api.statuses["GET /status"] = 400
    error = run("status", code=1).stderr
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(error)
    assert "[bold red]x[/]" in error


def test_plain_text_is_one_line_without_what_is_not_shown() -> None:
    assert plain("a\r\n\tb\x00c\x7f\x85d\u2028e\ue000\U000e0041") == "a bc d e"
    assert plain("žluťoučký 株 😀") == "žluťoučký 株 😀"
