"""The Slack sink against the Slack stand-in: the exact requests, its check, and what it asks of its lane."""

from datetime import timedelta
from typing import Any

import pytest

from relay.events import Announcement, Event, Severity
from sinks.base import Outcome, Reason, SinkError
from sinks.slack import SlackOptions, SlackSink
from sinks.slack.memory import Memory
from sinks.testing import HOSTILE_TEXTS, NOON, FaultyServer, MemoryState, Reply, make_context, make_event
from tests.support import incidents
from tests.support.slack_sink import TOKEN, bot, started
from tickstock_simulator.slack import SlackStandIn


def alert(state: str, minutes: int = 0, **more: Any) -> Event:
    title = "No run today" if state == "firing" else "Resolved: No run today"
    payload = {"alert": "run_missing", "state": state, "title": title, "message": "Due 16:10.", **more}
    announcement = Announcement(
        channel="relay:alert:run_missing", event="run_missing", severity=Severity.CRITICAL, payload=payload
    )
    return announcement.as_event("kit", minutes, NOON + timedelta(minutes=minutes))


async def test_the_exact_request_with_a_bot_token(server: FaultyServer) -> None:
    async with started(**bot(f"{server.url}/api/", username="TickStock", icon=":bell:")) as sink:
        assert await sink.deliver([make_event({"message": "m"}, source=None, run_id=None)], "kit-1") == Outcome(
            Reason.OK
        )
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/api/chat.postMessage")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers["user-agent"] == "tickstock-relay"
    assert request.headers["idempotency-key"] == "kit-1"
    assert request.json == {
        "channel": "#ops",
        "text": "Error: m",
        "username": "TickStock",
        "icon_emoji": ":bell:",
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {"event_type": "tickstock_relay", "event_payload": {"delivery_id": "kit-1"}},
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": ":red_circle: *Error: m*", "verbatim": True}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "```\nm\n```", "verbatim": True}},
            {
                "type": "context",
                "elements": [
                    {
                        "type": "mrkdwn",
                        "text": "16:20:00 EST (21:20:00 UTC)",
                        "verbatim": True,
                    },
                    {"type": "mrkdwn", "text": "tickstock:errors", "verbatim": True},
                ],
            },
        ],
    }


async def test_the_exact_request_with_an_incoming_webhook(server: FaultyServer) -> None:
    server.always = Reply(200, b"ok")
    async with started(webhook_url=f"{server.url}/services/T/B/x", icon="https://pics.example/bell.png") as sink:
        assert (await sink.deliver([make_event()], "kit-1")).delivered
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/services/T/B/x")
    assert "authorization" not in request.headers
    assert request.headers["idempotency-key"] == "kit-1"
    body = request.json
    assert set(body) == {"text", "blocks", "unfurl_links", "unfurl_media", "icon_url"}
    assert body["icon_url"] == "https://pics.example/bell.png"


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
async def test_slack_takes_whatever_an_event_holds(slack: SlackStandIn, text: str) -> None:
    event = make_event(
        {"component": text, "message": text, "traceback": text, "context": {text: [text], "n": {text: 1}}}
    )
    async with started(**bot(slack.api_url)) as sink:
        assert (await sink.deliver([event], "kit-1")).delivered
    async with started(webhook_url=slack.webhook_url) as sink:
        assert (await sink.deliver([event], "kit-2")).delivered
    assert [message.via for message in slack.messages] == ["api", "webhook"]


async def test_a_single_alert_is_two_messages_where_incidents_do_not_come(slack: SlackStandIn) -> None:
    async with started(**bot(slack.api_url, mentions={"error": "<!here>"})) as sink:
        assert (await sink.deliver([alert("firing")], "kit-1")).delivered
        assert (await sink.deliver([alert("resolved", minutes=12)], "kit-2")).delivered
    assert [message.text for message in slack.messages] == ["<!here> Critical: No run today", "Resolved: No run today"]


async def test_a_sink_that_was_not_started_says_so_and_can_be_closed() -> None:
    sink = SlackSink(SlackOptions.model_validate({"webhook_url": "https://hooks.slack.com/x"}), make_context())
    await sink.close()
    with pytest.raises(SinkError, match=r"^the Slack sink was not started$"):
        await sink.deliver([make_event()], "kit-1")


async def test_a_check_names_the_bot_and_posts_nothing(slack: SlackStandIn) -> None:
    async with started(**bot(slack.api_url)) as sink:
        assert (await sink.check()).startswith("posts as tickstock-relay in Stand-in to #ops")
    async with started(webhook_url=slack.webhook_url) as sink:
        assert "not tried" in await sink.check()
    assert slack.attempts == []


async def test_a_check_with_a_wrong_token_fails_in_one_line(slack: SlackStandIn) -> None:
    async with started(**bot(slack.api_url) | {"token": "xoxb-wrong"}) as sink:
        with pytest.raises(SinkError, match=r"^Slack: Slack says invalid_auth$"):
            await sink.check()


def test_repeats_and_order_are_asked_of_the_lane() -> None:
    sink = SlackSink(SlackOptions.model_validate({"webhook_url": "https://hooks.slack.com/x"}), make_context())
    assert (sink.batching().max_events, sink.batching().repeat_window) == (1, 60.0)
    assert sink.repeat_key(make_event()) == sink.repeat_key(make_event(offset=9))
    assert sink.order_key(alert("firing")) == sink.order_key(alert("resolved")) == "run_missing"
    assert sink.order_key(make_event()) is None
    assert sink.order_key(incidents.as_event(incidents.begins())) == incidents.RUN
    assert sink.repeat_key(incidents.as_event(incidents.begins())) is None
    assert (sink.alerting, sink.remote, sink.durable) == (True, True, True)


def test_an_incident_has_the_address_that_slack_named() -> None:
    state = MemoryState()
    sink = SlackSink(
        SlackOptions.model_validate({"webhook_url": "https://hooks.slack.com/x"}), make_context(state=state)
    )
    assert sink.link("r1") is None
    memory = Memory(state)
    for link, shown in (("https://x.slack.com/archives/C1/p1", "https://x.slack.com/archives/C1/p1"), ("", None)):
        posted = memory.recall("r1", "")
        posted.link = link
        memory.keep("r1", posted)
        assert sink.link("r1") == shown
