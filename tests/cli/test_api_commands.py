"""What the commands that ask TickStockPL's API share: where it is, what goes wrong there, text from the wire."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from relay.process.terminal import plain
from tests.support.api_commands import TickStockPLStand, run

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "\x1b[31m\x1b]0;owned\x07[bold red]x[/] [link=http://evil]y[/link]\u202e\x9b2J\ud800"


# Where the API is, and what goes wrong there


@pytest.mark.parametrize("command", ["status", "history", "schedule", "trigger", "cancel"])
@pytest.mark.parametrize("json_wanted", [(), ("--json",)])
def test_an_api_that_is_down_is_one_line_and_exit_code_1(command: str, json_wanted: tuple[str, ...]) -> None:
    yes = ("--yes",) if command in {"trigger", "cancel"} else ()
    result = run(command, "--base-url", "http://user:hush@127.0.0.1:1/", *yes, *json_wanted, code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: cannot reach http://127.0.0.1:1")
    assert result.stderr.count("\n") == 1
    assert "hush" not in result.stderr


@pytest.mark.parametrize("command", ["status", "history", "schedule", "trigger", "cancel"])
@pytest.mark.parametrize("url", ["ftp://u:hush@h", "h:8080", "http://u:hush@h:x", "/etc"])
def test_a_base_url_of_no_use_is_exit_code_2(command: str, url: str) -> None:
    result = run(command, "--base-url", url, code=2)
    assert "base URL" in result.stderr
    assert "hush" not in result.stderr


def test_the_option_goes_before_the_environment(api: TickStockPLStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKSTOCKPL_BASE_URL", "http://127.0.0.1:1")
    run("status", "--base-url", f"{api.url}/pl")
    assert api.asked[0][1] == "/pl/api/processing/status"


def test_the_token_of_the_environment_is_sent_and_shown_nowhere(
    api: TickStockPLStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKSTOCKPL_TOKEN", "tok-hush")
    output = run("status").output + run("status", "--help").output
    assert api.asked[0][3] == "Bearer tok-hush"
    assert "hush" not in output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def test_the_config_gives_address_and_token_and_goes_before_the_environment(
    api: TickStockPLStand, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKSTOCKPL_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TICKSTOCKPL_TOKEN", "tok-other")
    config.write_text(f"tickstockpl: {{base_url: {api.url}/pl, token: tok-hush}}\n")
    result = run("status", "--config", str(config))
    assert api.asked[0][1:] == ("/pl/api/processing/status", None, "Bearer tok-hush")
    assert "hush" not in result.output


def test_a_typed_base_url_goes_before_the_configs(api: TickStockPLStand, config: Path) -> None:
    config.write_text("tickstockpl: {base_url: http://127.0.0.1:1, token: tok-hush}\n")
    run("status", "--config", str(config), "--base-url", api.url)
    assert api.asked[0][3] == "Bearer tok-hush"


def test_the_configs_timeout_is_kept(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config.write_text(f"tickstockpl: {{base_url: {url}, timeout: 100ms}}\n")
        error = run("cancel", "--yes", "--config", str(config), code=1).stderr
    assert "no answer within 0.1 s" in error
    assert "may or may not" in error


@pytest.mark.parametrize("command", ["status", "history", "schedule", "trigger", "cancel"])
def test_a_wrong_config_is_exit_code_2_and_names_each_mistake(command: str, config: Path) -> None:
    config.write_text("tickstockpl:\n  base_url: 5\n  tokn: tok-hush\n")
    result = run(command, "--config", str(config), code=2)
    assert "tickstockpl.base_url" in result.stderr
    assert "did you mean token?" in result.stderr
    assert "hush" not in result.output


def test_a_missing_config_is_exit_code_2(config: Path) -> None:
    assert "does not exist" in run("status", "--config", str(config), code=2).stderr


# Text from the wire


@pytest.mark.parametrize(
    ("command", "key", "body"),
    [
        ("status", "GET /status", {"run_id": HOSTILE, "current_phase": HOSTILE}),
        ("history", "GET /history", {"runs": [dict.fromkeys(("run_id", "status", "trigger_type"), HOSTILE)]}),
        ("schedule", "GET /schedule", {"universes": [HOSTILE]}),
        ("trigger", "POST /trigger-manual", {"run_id": HOSTILE, "status": HOSTILE, "message": HOSTILE}),
        ("cancel", "DELETE /cancel", {"run_id": HOSTILE, "status": HOSTILE, "message": HOSTILE}),
    ],
)
@pytest.mark.parametrize("json_wanted", [(), ("--json",)])
def test_text_from_the_wire_cannot_steer_the_terminal(
    api: TickStockPLStand, command: str, key: str, body: dict[str, Any], json_wanted: tuple[str, ...]
) -> None:
    api.answers[key] = body
    yes = ("--yes",) if command in {"trigger", "cancel"} else ()
    shown = run(command, *yes, *json_wanted).stdout
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    assert "[bold red]x[/]" in shown
    is_cut = command == "history" and not json_wanted  # a line of 80 columns has no room for more
    assert ("[link=http://evil]y[/link]" in shown) == (not is_cut)


def test_an_error_from_the_wire_cannot_steer_the_terminal(api: TickStockPLStand) -> None:
    api.answers["GET /status"] = {"detail": HOSTILE}
    api.statuses["GET /status"] = 400
    error = run("status", code=1).stderr
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(error)
    assert "[bold red]x[/]" in error


def test_plain_text_is_one_line_without_what_is_not_shown() -> None:
    assert plain("a\r\n\tb\x00c\x7f\x85d\u2028e\ue000\U000e0041") == "a bc d e"
    assert plain("žluťoučký 株 😀") == "žluťoučký 株 😀"
