"""The commands of every day with the server's config.yaml, in a shell that has none of the service's secrets."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from relay.cli import main
from relay.store.store import Store

SECRETS = """
redis: {url: "redis://127.0.0.1:1/0"}
sinks:
  ops-slack: {type: slack, token_file: "${CREDENTIALS_DIRECTORY}/slack-token", channel: "#ops"}
  app: {type: webhook, url: "https://app.example/", secret: "${APP_SECRET}"}
routes: [{name: all, match: {}, to: [ops-slack, app]}]
tickstockpl: {base_url: "http://127.0.0.1:1"}
http: {listen: "127.0.0.1:1"}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CREDENTIALS_DIRECTORY", "APP_SECRET"):
        monkeypatch.delenv(name, raising=False)
    Store(tmp_path / "relay.db").close()
    path = tmp_path / "config.yaml"
    path.write_text(f"{SECRETS}state_dir: {tmp_path}\n")
    return path


@pytest.mark.parametrize(
    "command", ["outbox list", "silence list", "silence add severity=error --until 1h", "outbox retry --all"]
)
def test_the_relays_store_is_found_without_the_sinks_secrets(command: str, config: Path) -> None:
    done = CliRunner().invoke(main, [*command.split(), "--config", str(config)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("command", ["status", "history", "schedule", "cancel --yes", "trigger --yes", "top --once"])
def test_what_is_asked_over_http_needs_the_sinks_secrets_no_more(command: str, config: Path) -> None:
    done = CliRunner().invoke(main, [*command.split(), "--config", str(config)])
    assert (done.exit_code, "127.0.0.1:1" in done.output) == (1, True), done.output
    assert "problem" not in done.output


def test_a_secret_that_is_needed_is_asked_for(config: Path) -> None:
    config.write_text(config.read_text().replace('127.0.0.1:1"}\nhttp', '127.0.0.1:1", token: "${TOKEN_X}"}\nhttp'))
    done = CliRunner().invoke(main, ["status", "--config", str(config)])
    assert (done.exit_code, "TOKEN_X" in done.output) == (2, True)


@pytest.mark.parametrize("command", ["outbox list", "silence list"])
def test_a_store_that_is_elsewhere_is_told(command: str, config: Path) -> None:
    (config.parent / "relay.db").unlink()
    done = CliRunner().invoke(main, [*command.split(), "--config", str(config)])
    assert (done.exit_code, "there is no store" in done.output) == (1, True)
