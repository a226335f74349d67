"""YAML means what it says: scalars of routes and tests, from the file to the decision."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from relay.check.report import examine
from relay.check.route_tests import run_tests
from relay.config.load import load
from relay.config.yaml_tree import YamlError, parse
from relay.events import Event
from relay.normalize.sample import from_message
from relay.routing import Routes

NOW = datetime(2025, 1, 27, 21, 10, tzinfo=UTC)
DEFAULT = Path(__file__).parents[2] / "config.yaml"
RULES = "sinks: {{m: {{type: prometheus}}}}\nroutes:\n  - {{name: a, match: {{{match}}}, to: [m]}}\n"


def loaded(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Any:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load(path, environment or {})


def published(value: object) -> Event:
    event = from_message("tickstock:x", json.dumps({"event": "x", "payload": {"v": value}}).encode(), NOW)
    assert isinstance(event, Event)
    return event


@pytest.mark.parametrize(
    ("written", "takes", "leaves"),
    [
        ("[NVDA, ON, TRUE]", ["NVDA", "ON", "TRUE", True], ["true", "on", 1, None]),
        ("ON", ["ON"], [True, "true", "On"]),
        ("TRUE", ["TRUE", True], ["true", False, 1]),
        ("no", ["no"], [False, "false", None]),
        ("0123", ["0123", 123, 123.0], ["123", 83, "83"]),
        ("1.10", ["1.10", 1.1], ["1.1", 1, True]),
        ("16:10", ["16:10"], [970, "970"]),
        ("1_000", ["1_000"], [1000, "1000"]),
        ("2025-01-27", ["2025-01-27"], ["2025-01-27 00:00:00"]),
        ("[0x1F, 1e3]", ["0x1F", 31, "1e3", 1000], ["31", "1000"]),
        ("'1.10'", ["1.10", 1.1], ["1.1"]),
        ("${NUMBER}", ["010", 10], ["10", 8]),
        ("{equals: 007}", ["007", 7], ["7"]),
        ("{in: [OFF, 1.0]}", ["OFF", "1.0", 1], [False, "1"]),
        ("'!=1.10'", ["1.1", 1, None], ["1.10", 1.1]),
        ("{exists: TRUE}", ["", 0], [None]),
        ("null", [None], ["null", "", 0]),
    ],
)
def test_a_condition_compares_with_what_is_written(
    tmp_path: Path, written: str, takes: list[object], leaves: list[object]
) -> None:
    settings = loaded(tmp_path, RULES.format(match=f"payload.v: {written}"), {"NUMBER": "010"})
    routes = Routes(settings.routes)
    assert [value for value in takes if routes.sinks_for(published(value)) != ("m",)] == []
    assert [value for value in leaves if routes.sinks_for(published(value))] == []


@pytest.mark.parametrize(
    ("match", "given", "reached"),
    [
        ("payload.symbol: [NVDA, ON, TRUE]", "payload.symbol: ON", True),
        ("payload.symbol: [NVDA, ON, TRUE]", "payload: {symbol: true}", True),
        ("payload.symbol: [NVDA, ON, TRUE]", "payload.symbol: 'true'", False),
        ("payload.code: '0123'", "payload.code: 0123", True),
        ("version: 1.10", "version: 1.10", True),
        ("version: 1.1", "version: 1.10", False),
        ("run_id: 007", "run_id: 007", True),
        ("event: on", "event: on", True),
        ("event: on", "event: true", False),
        ("test: TRUE", "test: True", True),
    ],
)
def test_tests_go_through_the_same_reading(tmp_path: Path, match: str, given: str, reached: bool) -> None:
    text = RULES.format(match=match) + "tests:\n  - {given: {channel: 'tickstock:x', " + given + "}, expect: [m]}\n"
    (result,) = run_tests(loaded(tmp_path, text), NOW)
    assert result.passed == reached


def test_keys_are_text_as_written() -> None:
    assert parse("on: {1: a, 1.10: b, null: c, 'x': d}").values == {
        "on": {"1": "a", "1.10": "b", "null": "c", "x": "d"}
    }


@pytest.mark.parametrize(
    "text", ["b: &b {x: 1}\nc:\n  <<: *b", "b:\n\n  {<<: {x: 1}}", "b:\n-\n  - <<: [{x: 1}, {y: 2}]"]
)
def test_a_merge_key_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(YamlError, match="<< is no key of YAML") as refused:
        parse(text)
    assert refused.value.line == 3


def test_numbers_of_the_other_sections_may_be_written_as_before(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "outbox: {max_rows: 100_000}\nhttp: {enabled: off}\nwatchdog: {enabled: yes}\n")
    assert (settings.outbox.max_rows, settings.http.enabled, settings.watchdog.enabled) == (100_000, False, True)


def test_at_least_lets_others_be_reached_and_exactly_does_not(tmp_path: Path) -> None:
    text = (
        "sinks: {a: {type: prometheus}, b: {type: prometheus}}\nroutes: [{name: all, to: [a, b]}]\ntests:\n"
        "  - {given: {channel: x}, expect: [a]}\n  - {given: {channel: x}, expect_at_least: [a]}\n"
        "  - {given: {channel: x}, expect_at_least: []}\n"
    )
    assert [result.passed for result in run_tests(loaded(tmp_path, text), NOW)] == [False, True, True]


@pytest.mark.parametrize("switched_on", ["ops-slack", "app", "web"])
def test_the_samples_tests_survive_switching_a_sink_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switched_on: str
) -> None:
    lines, on = [], False
    for line in DEFAULT.read_text().splitlines():
        begins = re.fullmatch(rf"  #({switched_on}:.*)", line)
        on = bool(begins) or (on and line.startswith("    "))
        is_route = f"to: [{switched_on}]" in line
        lines.append(re.sub(r"^( +)#(?=[a-z-])", r"\1", line) if on or is_route else line)
    text = "\n".join(lines)
    if switched_on == "app":
        text = text.replace("  #- name: strong patterns\n    #match", "  - name: strong patterns\n    match")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-0")
    monkeypatch.setenv("APP_WEBHOOK_SECRET", "whsec_" + "A" * 40)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    path = tmp_path / "config.yaml"
    path.write_text(text)
    report, settings = examine(path, NOW)
    assert report.mistakes == []
    assert settings is not None
    assert switched_on in settings.sinks
    assert any(switched_on in route.to for route in settings.routes)
