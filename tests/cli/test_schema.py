"""`schema` prints what editors and readers of the archive can use."""

import json

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
