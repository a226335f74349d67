"""The parts that tests put together leave nothing behind, whatever goes wrong with them."""

import io
import sqlite3
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

from relay.cli import main
from tests.support import RelayProcess, Valkey, free_port


def give_up(*_: object, **__: object) -> NoReturn:
    raise AssertionError("it did not come")


@pytest.mark.parametrize("module", ["relay_process", "valkey"])
def test_a_start_that_takes_too_long_leaves_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """`_children_end_with_their_test` would fail otherwise."""
    monkeypatch.setattr(f"tests.support.{module}.until", give_up)
    part = Valkey() if module == "valkey" else RelayProcess(tmp_path, f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(AssertionError, match="did not come"):
        part.start()


@pytest.mark.parametrize("status", [404, 503])
def test_an_answer_without_success_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    body = io.BytesIO(b"not ready")

    def refuse(url: str, **_: object) -> NoReturn:
        raise urllib.error.HTTPError(url, status, "no", Message(), body)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert not RelayProcess(tmp_path, "redis://127.0.0.1:1/0").answers("/readyz")
    assert body.closed


@pytest.mark.parametrize(
    ("command", "code"),
    [(["check", "--connect"], 1), (["outbox", "list"], 1), (["replay", "events.jsonl", "--to", "sinks"], 0)],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_a_command_closes_every_database_that_it_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], code: int
) -> None:
    config = tmp_path / "config.yaml"
    sink = "sinks: {app: {type: webhook, url: 'http://127.0.0.1:9'}}\nroutes: [{name: all, to: [app]}]\n"
    config.write_text(
        f"state_dir: {tmp_path}\nredis: {{url: 'redis://127.0.0.1:9/0'}}\n"
        f"tickstockpl: {{base_url: 'http://127.0.0.1:9'}}\n{sink}"
    )
    (tmp_path / "relay.db").write_bytes(b"no database" * 100)
    (tmp_path / "events.jsonl").write_bytes(b"")
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, [*command, "--config", str(config)])
    assert ended.exit_code == code, ended.output
    assert opened
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
