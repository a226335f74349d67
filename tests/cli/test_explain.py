"""`tickstock-relay explain` as its users meet it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from relay.cli import main
from relay.events import encode
from relay.store.store import Store
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


ROUTES = [
    {"name": "everything", "to": ["archive"]},
    {
        "name": "errors",
        "match": {"severity": ">=error"},
        "to": ["slack"],
        "throttle": {"every": "5m", "by": ["event", "payload.component"]},
    },
]


class Configured:
    """A relay's configuration with a throttle and a sink that wakes people, and its store."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "config.yaml"
        slack = {"type": "slack", "webhook_url": "https://hooks.slack.com/services/T0/B0/x"}
        sinks = {"archive": {"type": "prometheus"}, "slack": slack}
        self.path.write_text(yaml.safe_dump({"state_dir": str(directory), "sinks": sinks, "routes": ROUTES}))
        self.store = directory / "relay.db"

    def run(self, command: str, *arguments: str, stdin: bytes = b"") -> str:
        result = CliRunner().invoke(main, [*command.split(), "--config", str(self.path), *arguments], input=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def explain(self, *components: str, seconds: float = 10.0, **more: Any) -> list[str]:
        """One error of each of these components, so many seconds apart."""
        events = [
            event("errors", "error", NOW + timedelta(seconds=seconds * number), component=component, **more)
            for number, component in enumerate(components)
        ]
        return self.run("explain", stdin=b"\n".join(map(encode, events))).splitlines()


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    return Configured(tmp_path)


THROTTLE = "at most one in 5 min for each event, payload.component (here error, import)"


def test_a_throttle_is_shown_with_this_event_s_key_and_holds_the_next(configured: Configured) -> None:
    lines = configured.explain("import", "import", "cache")
    assert [line for line in lines if "errors ->" in line] == [
        f"matches     errors -> slack, {THROTTLE}",
        f"throttled   errors -> slack, {THROTTLE}",
        f"matches     errors -> slack, {THROTTLE.replace('import', 'cache')}",
    ]
    assert [line for line in lines if line.startswith("sinks")] == [
        "sinks       archive, slack",
        "sinks       archive",
        "sinks       archive, slack",
    ]


def test_a_throttle_lets_the_next_pass_when_its_span_is_over(configured: Configured) -> None:
    assert not [line for line in configured.explain("import", "import", seconds=301) if line.startswith("throttled")]


def test_a_silence_that_is_active_now_is_shown(configured: Configured) -> None:
    Store(configured.store, is_first_start=True).close()
    assert not [line for line in configured.explain("import") if line.startswith("muted")]
    configured.run(
        "silence add", "--until", "2h", "--comment", "disk swap", "--who", "anna", "payload.component=import"
    )
    (muted,) = [line for line in configured.explain("import", "cache") if line.startswith("muted")]
    assert muted.startswith("muted       slack: silence ")
    assert muted.endswith("payload.component=import – disk swap (anna)")  # noqa: RUF001 - typography
    (silence,) = json.loads(configured.run("silence list", "--json"))
    configured.run("silence expire", silence["id"])
    assert not [line for line in configured.explain("import") if line.startswith("muted")]


@pytest.mark.parametrize(
    ("mark", "why"), [("test", "a test wakes nobody"), ("replayed", "a replayed event wakes nobody")]
)
def test_what_wakes_nobody_is_shown(configured: Configured, mark: str, why: str) -> None:
    line = json.dumps(json.loads(encode(event("errors", "error", NOW, component="import"))) | {mark: True})
    assert f"muted       slack: {why}" in configured.run("explain", stdin=line.encode()).splitlines()


def test_json_says_what_throttle_and_silence_do(configured: Configured) -> None:
    Store(configured.store, is_first_start=True).close()
    configured.run("silence add", "--until", "2h", "severity>=error")
    lines = [encode(event("errors", "error", NOW, component="import"))] * 2
    first, second = [
        json.loads(line) for line in configured.run("explain", "--as-json", stdin=b"\n".join(lines)).splitlines()
    ]
    throttle = {"every_seconds": 300.0, "key": {"event": "error", "payload.component": "import"}}
    assert first["routes"][1]["throttle"] == throttle | {"holds": False}
    assert second["routes"][1]["throttle"] == throttle | {"holds": True}
    assert (first["sinks"], second["sinks"]) == (["archive", "slack"], ["archive"])
    assert (first["muted"]["reason"], first["muted"]["sinks"]) == ("silenced", ["slack"])
    assert first["muted"]["silence"]["match"] == {"severity": ">=error"}
    assert second["muted"] is None
