"""A replay to sinks: all is delivered in bounded memory, and nobody is woken unless that was asked for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from relay.events import encode
from tests.support.archives import BEGIN, PROGRAM, lines, write
from tests.support.wire import read
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.webhook import WebhookStandIn


async def run(*arguments: str | Path, code: int = 0) -> str:
    """As `replay --to sinks`, while the stand-ins answer in this loop."""
    command = [PROGRAM, "replay", "--to", "sinks", "--as-fast", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(120):
        _, output = await process.communicate()
    assert process.returncode == code, output.decode()
    return output.decode()


async def test_to_sinks_all_is_delivered_in_bounded_memory_before_it_ends(tmp_path: Path, config: Any) -> None:
    source = write(tmp_path / "a.jsonl.zst", lines(6000))
    async with WebhookStandIn() as receiver:
        app = {"type": "webhook", "url": receiver.url, "batch": {"max_events": 500, "max_wait": "50ms"}}
        routes = [{"name": "some", "match": {"payload.n": "<5000"}, "to": ["app", "archive"]}]
        archive = {"type": "jsonl", "directory": str(tmp_path / "archive")}
        path = config(sinks={"app": app, "archive": archive}, routes=routes, outbox={"max_rows": 3000})
        output = await run(source, "--config", path)
        bodies = [json.loads(delivery.body) for delivery in receiver.accepted]
    events = [each for body in bodies for each in body]
    assert sorted(each["payload"]["n"] for each in events) == list(range(5000))
    assert all(each["replayed"] for each in events)
    assert output == "6,000 events, 5,000 to app, 1,000 with no route to them\n"
    assert not (tmp_path / "archive").exists(), "archive and metrics are a running relay's"
    assert not (tmp_path / "state").exists()


@pytest.mark.thorough
async def test_nobody_is_woken_by_a_replay_unless_asked_for(tmp_path: Path, config: Any) -> None:
    alert = {"alert": "never_started", "state": "firing", "title": "No run", "message": "It has not started."}
    heard = read("relay:alert:never_started", json.dumps({"event": "never_started", "payload": alert}).encode(), BEGIN)
    source = write(tmp_path / "a.jsonl", [encode(heard)])
    async with SlackStandIn() as slack:
        ops = {"type": "slack", "webhook_url": slack.webhook_url}
        path = config(sinks={"ops": ops}, routes=[{"name": "all", "to": ["ops"]}])
        assert await run(source, "--config", path) == "1 event, 0 to ops, 1 not sent to alerting sinks\n"
        assert len(slack.messages) == 0
        assert await run(source, "--config", path, "--alerts") == "1 event, 1 to ops\n"
        assert len(slack.messages) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("received", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("claimed", ["0001-01-01T00:00:00Z", "2025-01-27T21:10:00Z", "9999-12-31T23:59:59.999999Z"])
async def test_whatever_year_an_archive_claims_its_alerts_are_delivered(
    tmp_path: Path, config: Any, received: str, claimed: str
) -> None:
    alert = {"alert": "never_started", "title": "No run", "message": "It has not started."}
    bodies = [{"event": "never_started", "payload": alert | {"state": state}} for state in ("firing", "resolved")]
    heard = [json.loads(encode(read("relay:alert:never_started", json.dumps(body).encode(), BEGIN))) for body in bodies]
    content = [json.dumps(line | {"received": received, "timestamp": claimed}).encode() for line in heard]
    async with SlackStandIn() as slack:
        ops = {"type": "slack", "webhook_url": slack.webhook_url}
        path = config(sinks={"ops": ops}, routes=[{"name": "all", "to": ["ops"]}])
        source = write(tmp_path / "a.jsonl", content)
        assert await run(source, "--config", path, "--alerts") == "2 events, 2 to ops\n"
        assert len(slack.messages) == 2


async def test_what_a_sink_refuses_is_reported_and_ends_with_exit_code_1(tmp_path: Path, config: Any) -> None:
    source = write(tmp_path / "a.jsonl", lines(3))
    async with WebhookStandIn(secret="whsec_" + "QUFB" * 8) as receiver:  # we sign with none
        path = config(sinks={"app": {"type": "webhook", "url": receiver.url}}, routes=[{"name": "a", "to": ["app"]}])
        output = await run(source, "--config", path, code=1)
    assert "3 NOT delivered to app" in output
