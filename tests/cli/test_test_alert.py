"""`tickstock-relay test-alert` at the stand-ins: one marked incident and its end, and what goes wrong in one line."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from relay.cli import main
from sinks.testing import FaultyServer, Reply
from tickstock_simulator.slack import SlackStandIn

TOKEN = "xoxb-stand-in"  # noqa: S105 - opens nothing


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    async with SlackStandIn(rate=None, channels=["#ops"]) as stand_in:
        yield stand_in


@pytest.fixture
async def app() -> AsyncIterator[FaultyServer]:
    async with FaultyServer(Reply(204, b"")) as server:
        yield server


async def run(tmp_path: Path, sinks: dict[str, Any], *arguments: str, code: int = 0) -> Result:
    """The command, in a thread beside the stand-ins' loop."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"sinks": sinks, "state_dir": str(tmp_path / "state")}))
    result = await asyncio.to_thread(
        CliRunner().invoke, main, ["test-alert", *arguments, "--wait", "0", "--config", str(path)]
    )
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert TOKEN not in result.output
    assert not (tmp_path / "state").exists(), "nothing is kept"
    return result


def bot(slack: SlackStandIn, **more: Any) -> dict[str, Any]:
    return {"type": "slack", "token": TOKEN, "channel": "#ops", "base_url": slack.api_url, **more}


async def test_slack_gets_one_marked_message_that_turns_to_its_end(tmp_path: Path, slack: SlackStandIn) -> None:
    result = await run(tmp_path, {"ops": bot(slack, mentions={"critical": "<!channel>"})})
    assert result.stdout == "ok          ops: the test alert and its end were taken\n"
    message, *replies = slack.messages
    first = message.edits[0]["text"]
    assert first.startswith("Test alert: nothing is wrong.")
    assert "test-alert" in json.dumps(message.edits[0])
    assert message.text.startswith("Cleared: test alert")
    assert all(reply.thread == message.ts for reply in replies)
    assert all("<!" not in json.dumps(each.payload) for each in slack.messages), "nobody is called"


async def test_a_critical_one_calls_who_is_to_be_called(tmp_path: Path, slack: SlackStandIn) -> None:
    sink = bot(slack, mentions={"critical": "<!channel>"})
    await run(tmp_path, {"ops": sink}, "ops", "--severity", "critical")
    assert slack.messages[0].edits[0]["text"].startswith("<!channel> Test alert")
    assert "<!channel>" not in slack.messages[0].text


async def test_an_incoming_webhook_gets_two_messages(tmp_path: Path, slack: SlackStandIn) -> None:
    await run(tmp_path, {"ops": {"type": "slack", "webhook_url": slack.webhook_url}})
    assert [message.via for message in slack.messages] == ["webhook", "webhook"]
    assert slack.messages[1].text.startswith("Cleared: test alert")


async def test_a_sink_that_shows_alerts_gets_them_as_always(tmp_path: Path, app: FaultyServer) -> None:
    result = await run(tmp_path, {"app": {"type": "webhook", "url": f"{app.url}/hook"}}, "app", "--json")
    assert json.loads(result.stdout) == {
        "ok": True,
        "sinks": [{"sink": "app", "works": True, "step": "end", "detail": "the test alert and its end were taken"}],
    }
    bodies = [request.json for request in app.requests]
    events = [body.get("data", body) for body in bodies]
    assert [event["payload"]["state"] for event in events] == ["firing", "resolved"]
    assert all(event["test"] is True for event in events)
    assert len({event["payload"]["alert"] for event in events}) == 1


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ({"joined": False}, "not_in_channel"),
        ({"archived": True}, "is_archived"),
        ({"scopes": set()}, "missing_scope"),
    ],
)
async def test_what_slack_refuses_is_named_and_ends_with_exit_code_1(
    tmp_path: Path, slack: SlackStandIn, trouble: dict[str, Any], expected: str
) -> None:
    for name, value in trouble.items():
        setattr(slack if name == "scopes" else slack.channels, name, value)
    result = await run(tmp_path, {"ops": bot(slack)}, code=1)
    assert result.stdout.startswith("failed      ops: not taken (begin): Slack says")
    assert expected in result.stdout


async def test_a_busy_place_is_tried_again(tmp_path: Path, app: FaultyServer) -> None:
    app.replies.append(Reply(503, b"later", {"Retry-After": "0"}))
    await run(tmp_path, {"app": {"type": "webhook", "url": f"{app.url}/hook"}}, "app")
    assert len(app.requests) == 3


async def test_one_sink_s_trouble_keeps_no_other_from_being_tried(
    tmp_path: Path, slack: SlackStandIn, app: FaultyServer
) -> None:
    app.always = Reply(403, b"no")
    sinks = {"app": {"type": "webhook", "url": f"{app.url}/hook"}, "ops": bot(slack)}
    result = await run(tmp_path, sinks, "app", "ops", code=1)
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [["failed", "app:"], ["ok", "ops:"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "no sink alerts people: add one such as slack, or name the sink to try"),
        (["phone"], "there is no sink phone; there are: archive, metrics"),
        (["metrics"], "the sink metrics writes on this machine: there is nobody to alert"),
    ],
)
async def test_a_sink_that_cannot_be_tried_is_a_usage_error(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    sinks = {"metrics": {"type": "prometheus"}, "archive": {"type": "jsonl", "directory": str(tmp_path / "archive")}}
    result = await run(tmp_path, sinks, *arguments, code=2)
    assert expected in result.output
    assert not (tmp_path / "archive").exists()


async def test_a_configuration_with_mistakes_is_one_line(tmp_path: Path) -> None:
    result = await run(tmp_path, {"ops": {"type": "slack"}}, code=2)
    assert "sinks.ops" in result.output
