"""What operators do to a relay that runs: silences, a maintenance window, commands; and who is told what of it."""

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from relay.cli import main
from tests.faults.conftest import Report
from tests.support import RelayProcess, Valkey, eventually
from tickstock_simulator.slack import SlackStandIn

pytestmark = pytest.mark.faults

ERROR = {"event": "error", "payload": {"severity": "error", "component": "data_import", "message": "no answer"}}
ROUTES = [
    {"name": "alerts", "match": {"channel": "relay:alert:*"}, "to": ["ops"]},
    {"name": "errors", "match": {"severity": ">=error", "not": {"domain": "alert"}}, "to": ["ops"]},
]


@pytest.fixture
def as_ann(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are given by ann, by sudo; no relay of this machine is meant."""
    monkeypatch.setenv("SUDO_USER", "ann")
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)


def config_of(stand_in: SlackStandIn, **more: Any) -> dict[str, Any]:
    slack = {"type": "slack", "token": stand_in.token, "channel": "#ops", "base_url": stand_in.api_url}
    return {"sinks": {"ops": slack | {"repeat_window": "100ms"}}, "routes": ROUTES, **more}


async def command(relay: RelayProcess, *words: str) -> Result:
    """A command as it is typed; in a thread, as the stand-in answers meanwhile."""
    arguments = [*words, "--config", str(relay.config_path)]
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


def notices(relay: RelayProcess, event: str) -> list[dict[str, Any]]:
    return [each["payload"] for each in relay.archived(event)]


def posted(stand_in: SlackStandIn) -> str:
    return "\n".join(message.plain() for message in stand_in.messages)


def state(relay: RelayProcess) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(relay.get("/api/state"))
    return found


@pytest.mark.usefixtures("as_ann")
async def test_a_silence_keeps_errors_from_slack_and_is_told_at_its_begin_and_end(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    begun = time.monotonic()
    async with SlackStandIn(rate=None) as slack:
        with RelayProcess(tmp_path, valkey.url, config=config_of(slack)) as relay:
            added = await command(relay, "silence", "add", "--for", "1h", "--all", "--comment", "disk swap", "--json")
            assert added.exit_code == 0, added.output
            silence = json.loads(added.stdout)["id"]
            for _ in range(3):  # at once: it is in force when the command ends
                valkey.publish("tickstock:errors", json.dumps(ERROR))
            await eventually(lambda: notices(relay, "silence_began"), what="its begin")
            assert relay.metric("relay_silences_active") == 1
            await eventually(lambda: state(relay)["quiet"][0].get("kept_errors") == 3, what="that they are kept back")
            assert "no answer" not in posted(slack)
            assert (await command(relay, "silence", "expire", silence)).exit_code == 0
            await eventually(lambda: notices(relay, "silence_ended"), what="its end")
            (end,) = notices(relay, "silence_ended")
            assert (end["title"], end["message"]) == ("Silence ended", "3 errors were kept back.")
            assert relay.metric("relay_silences_active") == 0
            await eventually(lambda: "3 errors were kept back" in posted(slack), what="that Slack is told")
            assert "disk swap" in posted(slack)
            valkey.publish("tickstock:errors", json.dumps(ERROR))
            await eventually(lambda: "no answer" in posted(slack), what="the next error in Slack")
            commands = [(each["command"], each["who"], each["uid"]) for each in operators(relay)]
            assert commands == [("silence add", "ann", os.getuid()), ("silence expire", "ann", os.getuid())]
            texts = [line.get("text", "") for line in relay.log_lines()]
            assert any(text.startswith("ann: silence add --comment=disk swap --all --for=3600s: ") for text in texts)
            assert any(text.startswith("Silenced until ") and "disk swap (ann)" in text for text in texts)
            assert "Silence ended: 3 errors were kept back." in texts
    report("a silence of everything", injections=1, messages=4, seconds=time.monotonic() - begun)


def operators(relay: RelayProcess) -> list[dict[str, Any]]:
    return [each["payload"] for each in relay.archive() if each["channel"].startswith("relay:operator:")]


async def test_a_maintenance_window_does_the_same_and_what_lasts_is_told_after_it(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    begun = time.monotonic()
    today = datetime.now(UTC)
    window = {"date": f"{today:%Y-%m-%d}", "from": "00:00", "lasting": "1d", "timezone": "UTC", "comment": "reboot"}
    async with SlackStandIn(rate=None) as slack:
        config = config_of(
            slack, watchdog={"maintenance": [window], "api_unreachable_after": "1s", "poll_interval": "1s"}
        )
        with RelayProcess(tmp_path, valkey.url, config=config) as relay:
            valkey.publish("tickstock:errors", json.dumps(ERROR))
            await eventually(lambda: state(relay)["quiet"][0].get("kept_alerts") == 1, what="the alert, kept back")
            (quiet,) = state(relay)["quiet"]
            assert (quiet["is_maintenance"], quiet["why"], quiet["kept_errors"]) == (True, "reboot", 1)
            assert relay.metric("relay_silences_active") == 1
            assert notices(relay, "silence_began")[0]["title"].startswith("Maintenance until ")
            assert "no answer" not in posted(slack)
            assert "API" not in posted(slack)
            relay.config["watchdog"]["maintenance"] = []
            relay.write_config()
            assert (await command(relay, "reload")).exit_code == 0
            await eventually(lambda: "API" in posted(slack), what="that what lasts is told")
            (end,) = notices(relay, "silence_ended")
            assert end["message"].startswith("1 alert and 1 error were kept back; 1 alert still fires: ")
            (reload_,) = operators(relay)
            assert (reload_["command"], reload_["answer"]) == ("reload", "the new configuration is in force")
    report("a maintenance window", injections=1, messages=1, seconds=time.monotonic() - begun)


@pytest.mark.usefixtures("as_ann")
async def test_what_was_done_while_no_relay_ran_is_recorded_by_the_next_one(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    begun = time.monotonic()
    relay = RelayProcess(tmp_path, valkey.url)
    with relay:
        relay.terminate()
    assert (await command(relay, "silence", "add", "--for", "1h", "event=a")).exit_code == 0
    assert (await command(relay, "outbox", "drop", "--all", "--yes")).exit_code == 0
    refused = await command(relay, "cancel", "--yes")  # TickStockPL is not there
    assert refused.exit_code == 1
    with relay:
        await eventually(lambda: len(operators(relay)) == 3, what="the record of each")
        assert [(each["command"], each["ok"]) for each in operators(relay)] == [
            ("silence add", True),
            ("outbox drop", True),
            ("cancel", False),
        ]
        assert "127.0.0.1:9" in operators(relay)[2]["answer"]
        assert {each["who"] for each in operators(relay)} == {"ann"}
    report("commands without a relay", injections=3, messages=0, seconds=time.monotonic() - begun)
