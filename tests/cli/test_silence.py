"""`tickstock-relay silence` on a store that a relay has opened."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from relay.cli.silence import command
from relay.store.store import Store
from relay.watchdog.silences import Silences
from tests.support.wire import event, utc


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"state_dir: {tmp_path}\nsinks: {{metrics: {{type: prometheus}}}}\nroutes: [{{name: all, to: [metrics]}}]\n"
    )
    return path


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--config", str(config)])


def test_a_silence_is_added_listed_seen_by_the_relay_and_expired(config: Path) -> None:
    store = Store(config.parent / "relay.db")
    shelf = store.shelf("silences")
    daemon = Silences(shelf)
    added = run(config, "add", "event=error", "severity=>=error", "--until", "2h", "--comment", "<known>", "--json")
    assert added.exit_code == 0, added.output
    silence = json.loads(added.output)
    assert silence["match"] == {"event": "error", "severity": ">=error"}
    shelf.reload()
    daemon.refresh()
    (found,) = daemon.listed(utc(silence["created"][:19]).replace(year=2200), ended=True)
    assert found.id == silence["id"]
    error = event("errors", "error", utc("2025-01-27 21:10"), severity="error")
    assert daemon.silencing(error, found.created) == found
    assert "<known>" in run(config, "list").output
    assert run(config, "expire", silence["id"]).exit_code == 0
    assert run(config, "list").output == "no silences\n"
    assert json.loads(run(config, "list", "--all", "--json").output)[0]["id"] == silence["id"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "event=error", "--until", "soon"),
        ("add", "event", "--until", "2h"),
        ("add", "--until", "2h"),
        ("add", "nonsense=1", "--until", "2h"),
        ("add", "event=error", "--until", "2020-01-01"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_with_exit_code_2(config: Path, arguments: tuple[str, ...]) -> None:
    Store(config.parent / "relay.db")
    refused = run(config, *arguments)
    assert refused.exit_code == 2
    assert "Traceback" not in refused.output


def test_without_a_store_or_such_a_silence_it_fails_with_exit_code_1(config: Path) -> None:
    missing = run(config, "list")
    assert (missing.exit_code, missing.output.count("\n")) == (1, 1)
    Store(config.parent / "relay.db")
    unknown = run(config, "expire", "nothing")
    assert (unknown.exit_code, unknown.output) == (1, "Error: there is no active silence nothing\n")
