"""`tickstock-relay silence` on a store that a relay has opened."""

import json
from datetime import UTC, datetime
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


INCIDENTS = {
    "sequence": "7",
    "2ec03b4d-4377": "{}",
    "2ec03b4d-9999": "{}",
    "error:BAD_RESPONSE": "{}",
    "sink_failing:ops": "{}",
}


@pytest.fixture
def incidents(config: Path) -> Path:
    """A configuration whose store has incidents."""
    store = Store(config.parent / "relay.db")
    shelf = store.shelf("incidents")
    for key, text in INCIDENTS.items():
        shelf.put(key, text)
    store.close()
    return config


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("2ec03b4d-4377", "2ec03b4d-4377"),
        ("2ec03b4d-4", "2ec03b4d-4377"),
        ("error:BAD_RESPONSE", "error:BAD_RESPONSE"),
        ("sink", "sink_failing:ops"),
    ],
)
def test_an_incident_may_be_named_by_the_beginning_of_its_id(incidents: Path, given: str, found: str) -> None:
    added = run(incidents, "add", "--for", "2h", "--incident", given, "--json")
    assert added.exit_code == 0, added.output
    assert (json.loads(added.stdout)["incident"], json.loads(added.stdout)["match"]) == (found, {})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("2ec03b4d", "several begin so: 2ec03b4d-4377, 2ec03b4d-9999"),
        ("sin", "did you mean"),
        ("sequence", "there is no incident sequence"),
        ("eror:BAD_RESPONSE", "did you mean error:BAD_RESPONSE?"),
    ],
)
def test_an_incident_that_is_not_there_is_refused_with_a_hint(incidents: Path, given: str, why: str) -> None:
    refused = run(incidents, "add", "--for", "2h", "--incident", given)
    assert refused.exit_code == 2
    assert why in " ".join(refused.output.split()) or "one of" in refused.output


def test_everything_is_silenced_only_when_it_is_asked_for(config: Path) -> None:
    Store(config.parent / "relay.db")
    added = run(config, "add", "--for", "30m", "--all")
    assert added.exit_code == 0, added.output
    assert "silenced until" in added.output
    assert "everything" in run(config, "list").output


def test_a_maintenance_window_is_listed_too(config: Path) -> None:
    Store(config.parent / "relay.db")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    window = f"{{date: {today}, from: '00:00', lasting: 2d, timezone: UTC, comment: the reboot}}"
    config.write_text(f"{config.read_text()}watchdog: {{maintenance: [{window}]}}\n")
    (listed,) = json.loads(run(config, "list", "--json").stdout)
    assert (listed["maintenance"], listed["comment"], listed["match"]) == (True, "the reboot", {})
    assert "the reboot" in run(config, "list").output


def test_a_mistake_in_a_matcher_is_hinted_at_as_check_does(config: Path) -> None:
    Store(config.parent / "relay.db")
    refused = run(config, "add", "--for", "2h", "chanel=x")
    assert refused.exit_code == 2
    assert "did you mean channel?" in refused.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "event=error"),
        ("add", "event=error", "--for", "2h", "--until", "2h"),
        ("add", "event=error", "--for", "9000d"),
        ("add", "event=error", "--for", "99999999999d"),
        ("add", "--for", "2h"),
        ("add", "event=error", "--all", "--for", "2h"),
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
