"""One canary of each documented kind of secret goes through a day of a running relay; none comes out anywhere."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from relay.process.log_limit import FIRST
from tests.redaction.canaries import SEEN, canaries, carriers, envelope, failed_run, joined
from tests.support import Valkey, free_port, until
from tests.support.broken_relay import BrokenRelay
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.webhook import WebhookStandIn

CANARIES = canaries()
TEXTS = [text for canary in CANARIES for text in canary.texts]
SLACK_TOKEN = "xoxb-CANARY9000000000"  # noqa: S105 - opens nothing
WEBHOOK_SECRET = "whsec_CANARY91aaaaaaaaaaaaaaaaaaaaaaaa"  # noqa: S105

PAGES = ("/", "/api/state", "/metrics", "/runs", *(f"/runs/canary-run{of}" for of in ("", ".json", "/events.ndjson")))


def leaks(text: str) -> list[str]:
    """Canaries in a text, with what stands around them."""
    return [text[max(0, found.start() - 80) : found.end() + 20] for found in SEEN.finditer(text)][:5]


def test_every_documented_kind_is_there() -> None:
    asked_for = {"a name and its value", "an argument in a list", "a sentence", "a field with a short name"}
    assert asked_for <= {canary.kind for canary in CANARIES}
    assert len(CANARIES) >= 38
    assert all(SEEN.search(text) for text in TEXTS)


class Day:
    """A relay with every kind of sink, and what comes out of it."""

    def __init__(self, directory: Path, valkey: Valkey, slack: SlackStandIn, app: WebhookStandIn) -> None:
        self.valkey, self.slack, self.app = valkey, slack, app
        self.subscription: Any = valkey.client.pubsub()  # type: ignore[no-untyped-call]
        self.subscription.subscribe("flask-socketio")
        sinks = {
            "slack": {"type": "slack", "token": "${SLACK_TOKEN}", "channel": "#ops", "base_url": slack.api_url},
            "app": {"type": "webhook", "url": app.url, "secret": "${APP_SECRET}"},
            "raw": {"type": "webhook", "url": app.url, "secret": "${APP_SECRET}", "body": "original"},
            "away": {"type": "webhook", "url": f"http://127.0.0.1:{free_port()}/?token=CANARY92secret"},
            "web": {"type": "socketio"},
        }
        routes = [
            {"name": "all", "match": {}, "to": ["app", "raw", "web", "away"]},
            {"name": "loud", "match": {"channel": ["relay:*", "tickstock:errors"]}, "to": ["slack"]},
        ]
        outbox = {"retry_first": "50ms", "retry_most": "200ms", "breaker_rest": "200ms"}
        self.relay = BrokenRelay(
            directory,
            valkey.url,
            config={"sinks": sinks, "routes": routes, "outbox": outbox},
            environment={"SLACK_TOKEN": SLACK_TOKEN, "APP_SECRET": WEBHOOK_SECRET},
        )
        self.relay.choose("relay.tracking:Tracker.observe", joined(TEXTS))

    def publish(self, messages: Iterator[tuple[str, bytes]]) -> None:
        """Publish."""
        pipeline = self.valkey.client.pipeline(transaction=False)
        for channel, data in messages:
            pipeline.publish(channel, data)
        pipeline.execute()

    def settle(self) -> None:
        """Wait until all is delivered to whoever takes it."""
        sinks = ("slack", "app", "raw", "web")
        until(
            lambda: (
                not self.relay.metric("relay_unread_bytes")
                and sum(self.relay.metric("relay_lane_depth", sink=sink) for sink in sinks) == 0
            ),
            every=0.2,
            what="the end of the deliveries",
        )

    def outputs(self) -> dict[str, str]:
        """Everything that can be seen from outside."""
        pages = {path: self.relay.get(path) for path in PAGES}
        emits = [each["data"] for each in iter(self.subscription.get_message, None) if each["type"] == "message"]
        return pages | {
            "slack": json.dumps([asdict(message) for message in self.slack.messages]),
            "webhooks": repr([(each.path, each.headers, each.body) for each in self.app.deliveries]),
            "socketio": repr(emits),
        }

    def play(self) -> dict[str, str]:
        """The day; what came out of it."""
        with self.relay:
            self.publish(failed_run(TEXTS))
            for text in TEXTS:
                self.publish(carriers(text))
            self.settle()
            self.relay.set_broken("raises")
            self.publish(iter([("tickstock:errors", envelope("error", {"message": "who observes this, raises"}))]))
            until(lambda: "tracking a batch failed" in self.relay.log_text(), what="the traceback")
            self.relay.config["redis"]["url"] = "redis://:CANARY93hunter@nowhere:x/0"
            self.relay.write_config()
            self.relay.send(signal.SIGHUP)
            until(lambda: "reload refused" in self.relay.log_text(), what="the refused reload")
            found = self.outputs()
            self.relay.terminate()
        return found | {"log": self.relay.log_text()}


@pytest.mark.thorough
async def test_no_canary_comes_out_of_a_day(tmp_path: Path, valkey: Valkey) -> None:
    async with SlackStandIn(token=SLACK_TOKEN, rate=None) as slack, WebhookStandIn(secret=WEBHOOK_SECRET) as app:
        day = Day(tmp_path, valkey, slack, app)
        with closing(day.subscription):
            found = await asyncio.to_thread(day.play)
    for place in ("slack", "webhooks", "socketio", "log", *PAGES[:3], *PAGES[4:]):
        assert "[redacted]" in found[place], f"it had something to hide: {place}"
    assert {place: leaks(text) for place, text in found.items() if leaks(text)} == {}
    assert found["log"].count('"message quarantined"') == FIRST, "and no line for each of them"
    kept = b"".join(day.relay.archive_lines()).decode()
    assert all(f"CANARY{number:02}" in kept for number in range(len(CANARIES))), "the archive keeps what came"
