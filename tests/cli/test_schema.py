"""`schema` prints what editors and readers of the archive can use."""

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from relay.cli.schema import command
from sinks.registry import sink_names


def _printed(what: str) -> dict[str, object]:
    result = CliRunner().invoke(command, [what])
    assert result.exit_code == 0, result.output
    schema: dict[str, object] = json.loads(result.output)
    return schema


def test_the_config_schema_knows_every_section_and_every_sink() -> None:
    schema = json.dumps(_printed("config"))
    for section in ("redis", "watchdog", "routes", "outbox"):
        assert f'"{section}": {{' in schema
    for sink in sink_names():
        assert f'"const": "{sink}"' in schema


def test_the_event_schema_names_the_fields_of_an_archived_line() -> None:
    record = _printed("event")["$defs"]
    assert isinstance(record, dict)
    assert {"id", "received", "timestamp", "channel", "event", "severity", "payload"} == set(
        record["Record"]["required"]
    )


def test_an_unknown_schema_is_a_wrong_use() -> None:
    assert CliRunner().invoke(command, ["weather"]).exit_code == 2


def _section(name: str) -> dict[str, dict[str, Any]]:
    definitions = _printed("config")["$defs"]
    assert isinstance(definitions, dict)
    properties: dict[str, dict[str, Any]] = definitions[name]["properties"]
    return properties


@pytest.mark.parametrize(
    ("text", "fits"), [("30s", True), ("1h30m", True), ("2ms", True), ("soon", False), ("5", False)]
)
def test_a_duration_may_be_written_as_users_write_it(text: str, fits: bool) -> None:
    duration, *_ = _section("OutboxOptions")["max_age"]["anyOf"]
    (pattern,) = (kind["pattern"] for kind in duration["anyOf"] if kind["type"] == "string")
    assert (re.search(pattern, text) is not None) is fits


@pytest.mark.parametrize(("text", "fits"), [("16MB", True), ("1GiB", True), ("512 k", True), ("lots", False)])
def test_a_size_may_be_written_as_users_write_it(text: str, fits: bool) -> None:
    size, *_ = _section("OutboxOptions")["max_bytes"]["anyOf"]
    (pattern,) = (kind["pattern"] for kind in size["anyOf"] if kind["type"] == "string")
    assert (re.search(pattern, text) is not None) is fits


def test_anything_may_come_from_the_environment_a_secret_also_from_a_file() -> None:
    redis = _section("RedisOptions")
    assert redis["password_file"]["type"] == "string"
    assert any("\\$" in kind.get("pattern", "") for kind in redis["connect_timeout"]["anyOf"])
    assert "patterns_file" not in redis
