"""`tickstock-relay explain` as its users meet it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from relay.cli import main
from relay.events import encode
from tests.support.wire import event

NOW = datetime(2025, 1, 27, 21, 10, tzinfo=UTC)
ERROR = {"event": "error", "timestamp": "2025-01-27T21:10:00Z", "payload": {"severity": "error", "component": "import"}}
HOSTILE = "\x1b[31m\x1b]0;owned\x07[bold red]x[/]\u202e"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    routes = [
        {"name": "everything", "to": ["archive"]},
        {"name": "errors", "match": {"severity": ">=error"}, "to": ["ops"], "stop": True},
        {"name": "strong", "match": {"event": "pattern_detected", "payload.confidence": ">=0.9"}, "to": ["app"]},
        {"name": "not ticks", "match": {"not": {"domain": "patterns"}}, "to": ["app"]},
    ]
    sinks = {name: {"type": "prometheus"} for name in ("archive", "ops", "app")}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"sinks": sinks, "routes": routes, "limits": {"max_depth": 5}}))
    return path


@pytest.fixture
def explain(config: Path) -> Any:
    def run(*arguments: str, stdin: str | bytes = "", code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["explain", "--config", str(config), *arguments], input=stdin)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


def test_a_message_is_normalised_and_shown_with_each_route_and_its_sinks(explain: Any) -> None:
    output = explain("--channel", "tickstock:errors", "--json", json.dumps(ERROR)).stdout.splitlines()
    assert output == [
        "event       error on tickstock:errors, error",
        "matches     everything -> archive",
        "matches     errors -> ops; stop",
        "no match    strong: wants event: pattern_detected, but found error",
        "not asked   not ticks: errors has stopped",
        "sinks       archive, ops",
    ]


def test_the_matcher_that_failed_is_shown_with_what_was_found(explain: Any) -> None:
    message = {"event": "pattern_detected", "timestamp": "2025-01-27T21:10:00Z", "payload": {"confidence": 0.4}}
    output = explain("--channel", "tickstock:patterns:detected", stdin=json.dumps(message)).stdout
    assert "no match    strong: wants payload.confidence: >=0.9, but found 0.4" in output
    assert "no match    errors: wants severity: >=error, but found info" in output
    assert "no match    not ticks: wants not: {domain: patterns}, and all of that holds" in output
    del message["payload"]["confidence"]  # type: ignore[attr-defined]
    output = explain("--channel", "tickstock:patterns:detected", stdin=json.dumps(message)).stdout
    assert "payload.confidence: >=0.9, but the event has none" in output


def test_lines_of_the_archive_are_explained_one_after_the_other(explain: Any, tmp_path: Path) -> None:
    lines = [encode(event("errors", "error", NOW)), encode(event("patterns:detected", "pattern_detected", NOW))]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    from_file = explain(str(path)).stdout
    assert [line for line in from_file.splitlines() if line.startswith("sinks")] == [
        "sinks       archive, ops",
        "sinks       archive",
    ]
    assert explain(stdin=path.read_bytes()).stdout == from_file


def test_json_has_the_event_the_verdicts_and_the_sinks(explain: Any) -> None:
    found = json.loads(explain("--channel", "tickstock:errors", "--json", json.dumps(ERROR), "--as-json").stdout)
    assert found["event"]["channel"] == "tickstock:errors"
    assert found["sinks"] == ["archive", "ops"]
    assert [route["matches"] for route in found["routes"]] == [True, True, False, False]
    assert (
        found["routes"][2] | {"wanted": "pattern_detected", "found": "error", "failed": "event"} == found["routes"][2]
    )
    assert found["routes"][3]["stopped_by"] == "errors"
    assert json.loads(explain("--channel", "tickstock:errors", "--json", stdin=json.dumps(ERROR)).stdout)["sinks"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"{", "not_json"),
        (b'"hello"', "not_an_object"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b'{"a":' * 8 + b"1" + b"}" * 8, "too_deep"),
    ],
)
def test_what_is_no_message_is_for_the_quarantine(explain: Any, data: bytes, reason: str) -> None:
    output = explain("--channel", "tickstock:errors", stdin=data, code=1).stdout
    assert output.startswith(f"quarantine  {reason}")
    found = json.loads(explain("--channel", "tickstock:errors", "--as-json", stdin=data, code=1).stdout)
    assert found == {"quarantine": reason, "channel": "tickstock:errors", "bytes": len(data)}


def test_text_from_the_wire_does_not_steer_the_terminal(explain: Any) -> None:
    message = json.dumps({"event": HOSTILE, "source": HOSTILE, "payload": {"run_id": HOSTILE}})
    output = explain("--channel", f"tickstock:{HOSTILE}", "--json", message).output
    assert not set("\x1b\x07\u202e") & set(output)
    assert "[bold red]x[/]" in output


def test_a_message_without_a_channel_and_other_wrong_usage_end_with_exit_code_2(explain: Any, tmp_path: Path) -> None:
    assert "needs --channel" in explain(stdin=json.dumps(ERROR), code=2).output
    assert "goes with --channel" in explain("--json", json.dumps(ERROR), code=2).output
    explain(str(tmp_path / "none"), code=2)
    (tmp_path / "config.yaml").write_text("sink: {}")
    assert "did you mean sinks?" in explain("--channel", "c", "--json", "{}", code=2).output


def test_older_names_are_shown_as_what_they_became(explain: Any) -> None:
    output = explain("--channel", "tickstock:import:completed", "--json", '{"event": "data_import_completed"}').stdout
    assert "event       import_completed (published as data_import_completed) on" in output
    assert "phase=import" in output
    assert "undated" in output
