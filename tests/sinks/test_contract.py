"""Every remote sink keeps the one contract (sinks/testing/contract.py)."""

from typing import Any

from sinks.slack import SlackSink
from sinks.testing import Reply, SinkContract
from sinks.webhook import WebhookSink

TOKEN = "xoxb-12345678-not-a-real-token"  # noqa: S105 - opens nothing
KEY = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


class TestSlackWithAToken(SinkContract):
    sink_type = SlackSink
    accepted = Reply(200, b'{"ok":true,"channel":"C012AB3CD","ts":"1738012800.000100"}')
    secrets = (TOKEN,)

    def options(self, url: str) -> dict[str, Any]:
        return {"token": TOKEN, "channel": "#ops", "base_url": f"{url}/api/", "timeout": "300ms"}


class TestSlackWithAnIncomingWebhook(SinkContract):
    sink_type = SlackSink
    secrets = ("/services/T0/B0/hidden-path",)

    def options(self, url: str) -> dict[str, Any]:
        return {"webhook_url": f"{url}/services/T0/B0/hidden-path", "timeout": "300ms"}


class TestWebhook(SinkContract):
    sink_type = WebhookSink
    secrets = ("hidden-query", "hidden-header", KEY, KEY.removeprefix("whsec_"))

    def options(self, url: str) -> dict[str, Any]:
        return {
            "url": f"{url}/hook?key=hidden-query",
            "headers": {"Authorization": "Bearer hidden-header"},
            "secret": KEY,
            "timeout": "300ms",
            "retry_delay": "1ms",
        }


class TestWebhookWithBatchesOfOriginals(SinkContract):
    sink_type = WebhookSink
    secrets = ("hidden-query",)

    def options(self, url: str) -> dict[str, Any]:
        return {
            "url": f"{url}/hook?key=hidden-query",
            "batch": {"max_events": 10},
            "body": "original",
            "timeout": "300ms",
            "attempts": 1,
        }
