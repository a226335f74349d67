"""`tickstock-relay report`: the page of a run in 80 columns, from the relay or from its store."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from relay.cli import main
from relay.cli.report_lines import WIDTH, report_lines
from relay.status.run_report import RunReport
from tests.support import RelayProcess, Valkey, until
from tests.support.days import DUE, SCHEDULE, a_run
from tests.support.reported import ReportedWorld
from tests.support.wire import upto

HOSTILE = "\x1b[31m[bold red]x[/]\u202e"


def failed() -> ReportedWorld:
    """A run that fails in its indicators, after some good days."""
    world = ReportedWorld(DUE - timedelta(days=8), schedule=SCHEDULE)
    for number in range(8, 0, -1):
        world.play(a_run(DUE - timedelta(days=number), f"before-{number}"), step=1800)
    world.until(DUE - timedelta(minutes=1), 3600)
    world.play(upto(a_run(DUE), "indicator_processing_started"), step=60)
    world.tell("errors", "error", message=f"disk full {HOSTILE} " + "so much " * 40, error_code="DISK", run_id="r1")
    world.tell("processing:status", "processing_completed", run_id="r1", status="failed", error="disk full")
    world.pass_(1)
    return world


def shown(report: RunReport, *, all_events: bool = False) -> list[str]:
    lines = [line.plain for line in report_lines(report, all_events=all_events)]
    assert max(map(len, lines)) <= WIDTH or report.archive_command
    return lines


def test_every_section_is_there_and_nothing_steers_the_terminal() -> None:
    text = "\n".join(shown(failed().report("r1"), all_events=True))
    assert text.startswith("✗ Run of Mon 27 Jan failed in indicators")
    for section in ("USABLE?   ✗ No.", "DO  ", "TIMELINE", "RESULTS", "ALERTS", "ERRORS    1 in 1 group", "EVENTS"):
        assert f"\n{section}" in text
    assert "tickstock-relay trigger" in text
    assert not set("\x1b\u202e") & set(text)
    assert "[bold red]x[/]" in text


def test_the_timeline_has_a_bar_for_each_phase_and_a_cross_where_it_failed() -> None:
    lines = shown(failed().report("r1"))
    bars = {line.split()[0]: line for line in lines if line.startswith("  ") and "█" in line}
    assert {"import", "cache"} <= bars.keys()
    assert bars["import"].count("█") > bars["cache"].count("█") > 0
    assert any(line.startswith("  indicators") and "✗" in line for line in lines)
    assert any(line.startswith("  alerts") and "▲" in line for line in lines)
    assert any(line.startswith("  errors") and "●" in line for line in lines)


@pytest.mark.parametrize("minutes", [-30, 2, 10])
def test_a_day_without_a_run_has_a_report_too(minutes: int) -> None:
    world = ReportedWorld(DUE - timedelta(hours=3), schedule=SCHEDULE)
    world.until(DUE + timedelta(minutes=minutes), 60)
    lines = shown(world.report("2025-01-27"))
    assert "Run of Mon 27 Jan" in lines[0]
    assert any(line.startswith("USABLE?") for line in lines)
    assert ("✗" in lines[0]) == (minutes == 10)


def report(relay: RelayProcess, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["report", "--config", str(relay.config_path), *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_the_relay_is_asked_and_its_store_when_it_does_not_run(tmp_path: Path, valkey: Valkey) -> None:
    with RelayProcess(tmp_path, valkey.url) as relay:
        run_id = "2ec03b4d-4377-4f80-ab12-03488823563f"
        page = f"/runs/{run_id}.json"
        for name in ("processing_started", "processing_completed"):
            message = {"event": name, "payload": {"run_id": run_id, "status": "failed", "trigger_type": "manual"}}
            valkey.publish("tickstock:processing:status", json.dumps(message))
        until(lambda: relay.answers(page) and '"usable":"no"' in relay.get(page), what="the check of the run")
        asked = json.loads(report(relay, run_id, "--json").stdout)
        assert (asked["run_id"], asked["usable"]) == (run_id, "no")
        assert "failed" in report(relay, run_id[:8]).stdout.splitlines()[0], "its first signs are enough"
        assert "nothing is known of nobody" in report(relay, "nobody", code=1).stderr
        until(lambda: relay.answers("/healthz"), what="a tick")
        assert relay.terminate() == 0
        text = report(relay, run_id[:8]).stdout
        assert text.startswith("! The relay is not running. This is what it had stored at")
        stored = json.loads(report(relay, run_id, "--json").stdout)
    same = ("run_id", "usable", "state", "verdict", "errors", "event_count")
    assert {key: stored.get(key) for key in same} == {key: asked.get(key) for key in same}


def test_a_whole_id_is_that_run_also_where_a_later_one_begins_with_it(tmp_path: Path, valkey: Valkey) -> None:
    """As an id that is used again does."""
    with RelayProcess(tmp_path, valkey.url) as relay:
        for run_id in ("daily-run", "daily-run-2-20250128T211000Z"):
            for name in ("processing_started", "processing_completed"):
                message = {"event": name, "payload": {"run_id": run_id, "status": "completed"}}
                valkey.publish("tickstock:processing:status", json.dumps(message))
            until(lambda run_id=run_id: relay.answers(f"/runs/{run_id}.json"), what="the run")  # type: ignore[misc]
        for is_stored in (False, True):
            for given, meant in (("daily-run", "daily-run"), ("daily-ru", run_id), (run_id, run_id)):
                assert json.loads(report(relay, given, "--json").stdout)["run_id"] == meant
            if not is_stored:
                assert relay.terminate() == 0


def test_without_relay_and_configuration_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["report", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "is it running? --config shows what it has stored" in result.stderr
    (tmp_path / "config.yaml").write_text(f"state_dir: {tmp_path}/state\n")
    missing = ["report", "--url", "http://127.0.0.1:9", "--config", str(tmp_path / "config.yaml")]
    result = CliRunner().invoke(main, missing)
    assert result.exit_code == 1
    assert "there is no store" in result.stderr
