"""After a day with errors, a silence and a replay: page, JSON, report, archive and metrics have the same numbers."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from relay.cli import main
from tests.support import RelayProcess, Valkey, until
from tests.web.test_run_served import RUN, archived, publish_run

ERRORS = 40


def command(*arguments: str) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def report(relay: RelayProcess, *options: str) -> Result:
    return command("report", RUN, "--config", str(relay.config_path), *options)


def replayed(line: dict[str, Any]) -> bool:
    return bool(line.get("replayed"))


@pytest.mark.thorough
@pytest.mark.parametrize("silence", [("payload.component=db",), ("--all",)])
def test_every_number_is_the_same_everywhere(tmp_path: Path, valkey: Valkey, silence: tuple[str, ...]) -> None:
    with RelayProcess(tmp_path, valkey.url) as relay:
        config = str(relay.config_path)
        command("silence", "add", "--for", "1h", *silence, "--config", config)
        count = publish_run(valkey, errors=ERRORS)
        page = f"/runs/{RUN}.json"
        until(lambda: relay.answers(page) and '"usable":"yes"' in relay.get(page), what="the check of the run")
        kept = relay.archive_directory / "events.jsonl"
        source = tmp_path / "day.jsonl"
        source.write_bytes(kept.read_bytes())
        command("replay", str(source), "--to", "redis", "--yes", "--as-fast", "--config", config)
        until(lambda: sum(map(replayed, archived(relay))) >= count, what="the replay")
        facts: dict[str, Any] = json.loads(relay.get(page))
        real = [line for line in archived(relay) if not replayed(line) and not line.get("test")]
        assert facts["event_count"] == len(real) == count
        errors = [line for line in real if line["channel"] == "tickstock:errors"]
        assert facts["error_count"] == sum(group["count"] for group in facts["errors"]) == len(errors) == ERRORS
        for phase, number in facts["phase_counts"].items():
            assert number == sum(line["phase"] == phase for line in real), phase
        shown_results = {row["name"]: row.get("value") for row in facts["results"]}
        for name, metric in (("patterns", "patterns_detected"), ("indicators", "indicators_calculated")):
            assert relay.metric(metric) == shown_results[name] > 0
        assert relay.metric("symbols_processed") == shown_results["symbols"]
        assert relay.metric("data_usable") == 1
        assert relay.metric("run_last_duration_seconds") == facts["seconds"]
        shown = json.loads(report(relay, "--json").stdout)
        same = {"at", "links"}
        assert {key: value for key, value in shown.items() if key not in same} == {
            key: value for key, value in facts.items() if key not in same
        }
        text = report(relay).stdout
        assert f"{ERRORS} in 1 group" in text
        assert f"({count:,} events: --events all)" in text
        html = httpx.get(f"{relay.url}/runs/{RUN}").text
        assert f"Everything {count:,}" in html
        assert relay.terminate() == 0
        stored = json.loads(report(relay, "--json").stdout)
        counts = ("event_count", "error_count", "phase_counts", "severity_counts", "results", "usable", "errors")
        assert {name: stored[name] for name in counts} == {name: facts[name] for name in counts}
