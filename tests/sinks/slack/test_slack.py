"""The Slack sink against the Slack stand-in, and against Slack's error answers word for word.

What an incident becomes is in test_incidents.py.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from relay.events import Announcement, Event, Severity
from sinks.base import Outcome, Reason, SinkError
from sinks.slack import SlackOptions, SlackSink
from sinks.slack.memory import Memory
from sinks.testing import HOSTILE_TEXTS, NOON, Fault, FaultyServer, MemoryState, Reply, make_context, make_event
from tests.support import incidents
from tickstock_simulator.slack import SlackStandIn

TOKEN = "xoxb-stand-in"  # noqa: S105 - opens nothing
POSTED = b'{"ok":true,"channel":"C012AB3CD","ts":"1738012800.000100"}'


@asynccontextmanager
async def started(state: MemoryState | None = None, **options: Any) -> AsyncIterator[SlackSink]:
    sink = SlackSink(SlackOptions.model_validate({"timeout": "30s", **options}), make_context("ops", state=state))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    async with SlackStandIn(rate=None) as stand_in:
        yield stand_in


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    async with FaultyServer(Reply(200, POSTED)) as faulty:
        yield faulty


def bot(url: str, **more: Any) -> dict[str, Any]:
    return {"token": TOKEN, "channel": "#ops", "base_url": url, **more}


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


async def test_slacks_rate_limit_is_handed_to_the_lane() -> None:
    async with SlackStandIn(rate=0.1, burst=1) as slack, started(**bot(slack.api_url)) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).delivered
        outcome = await sink.deliver([make_event()], "kit-2")
    assert outcome.reason is Reason.RATE_LIMITED
    assert outcome.retry_after == 10.0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("invalid_auth", Reason.UNAUTHORIZED),
        ("not_authed", Reason.UNAUTHORIZED),
        ("token_revoked", Reason.UNAUTHORIZED),
        ("token_expired", Reason.UNAUTHORIZED),
        ("account_inactive", Reason.UNAUTHORIZED),
        ("missing_scope", Reason.UNAUTHORIZED),
        ("channel_not_found", Reason.REJECTED),
        ("not_in_channel", Reason.REJECTED),
        ("is_archived", Reason.REJECTED),
        ("invalid_blocks", Reason.REJECTED),
        ("msg_too_long", Reason.REJECTED),
        ("something_new", Reason.REJECTED),
        ("ratelimited", Reason.RATE_LIMITED),
        ("internal_error", Reason.SERVER_ERROR),
        ("fatal_error", Reason.SERVER_ERROR),
        ("service_unavailable", Reason.SERVER_ERROR),
    ],
)
async def test_slacks_errors_have_their_reasons(server: FaultyServer, error: str, reason: Reason) -> None:
    server.always = Reply(200, json.dumps({"ok": False, "error": error}).encode())
    async with started(**bot(f"{server.url}/api/")) as sink:
        outcome = await sink.deliver([make_event()], "kit-1")
    assert outcome.reason is reason
    assert outcome.detail.startswith(f"Slack says {error}")


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (400, "invalid_payload", Reason.REJECTED),
        (400, "user_not_found", Reason.REJECTED),
        (403, "action_prohibited", Reason.UNAUTHORIZED),
        (403, "invalid_token", Reason.UNAUTHORIZED),
        (404, "channel_not_found", Reason.REJECTED),
        (404, "no_service", Reason.UNAUTHORIZED),
        (410, "channel_is_archived", Reason.REJECTED),
        (500, "rollup_error", Reason.SERVER_ERROR),
        (429, "rate_limited", Reason.RATE_LIMITED),
    ],
)
async def test_a_webhooks_errors_have_their_reasons(
    server: FaultyServer, status: int, text: str, reason: Reason
) -> None:
    server.always = Reply(status, text.encode())
    async with started(webhook_url=f"{server.url}/services/T/B/x") as sink:
        outcome = await sink.deliver([make_event()], "kit-1")
    assert outcome.reason is reason
    assert text in outcome.detail


@pytest.mark.parametrize(
    "body", [b"", b"<html>log in</html>", b"[1]", b"null", b'{"ok":"yes"}', b"\xff", b"[" * 50_000]
)
async def test_an_answer_that_is_not_slacks_is_no_delivery(server: FaultyServer, body: bytes) -> None:
    server.always = Reply(200, body)
    async with started(**bot(f"{server.url}/api/")) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).reason is Reason.BAD_ANSWER
    async with started(webhook_url=f"{server.url}/services/T/B/x") as sink:
        assert (await sink.deliver([make_event()], "kit-1")).reason is Reason.BAD_ANSWER


async def test_what_is_no_answer_of_slacks_is_named(server: FaultyServer) -> None:
    server.always = Reply(200, b"<html>")
    async with started(**bot(f"{server.url}/api/")) as sink:
        outcome = await sink.deliver([make_event()], "kit-1")
    assert outcome == Outcome(Reason.BAD_ANSWER, "chat.postMessage: the answer is not Slack's")
    async with started(webhook_url=f"{server.url}/services/T/B/x") as sink:
        outcome = await sink.deliver([make_event()], "kit-1")
    assert outcome == Outcome(Reason.BAD_ANSWER, "the webhook's answer is not Slack's `ok`")


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


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({}, "either token and channel, or webhook_url"),
        ({"token": "xoxb-1", "channel": "#a", "webhook_url": "https://x.example"}, "either token and channel"),
        ({"token": "xoxb-1"}, "Value error, a token needs a channel ["),
        ({"webhook_url": "https://x.example/", "channel": "#a"}, "channel goes with token"),
        ({"token": "xoxb 1", "channel": "#a"}, "error, the token is empty or holds blanks or control characters ["),
        ({"token": "", "channel": "#a"}, "error, the token is empty or holds blanks or control characters ["),
        ({"webhook_url": "http://hooks.example/hidden"}, "plain http leaves this machine"),
        ({"webhook_url": "ftp://hooks.example/hidden"}, "https://host/path"),
        ({"webhook_url": "https://x.example", "timezone": "Mars/Olympus"}, "is not a valid time zone"),
        ({"webhook_url": "https://x.example", "mentions": {"critical": "@channel"}}, "write <!here>"),
        ({"webhook_url": "https://x.example", "mentions": {"awful": "<!here>"}}, "is not a valid severity"),
        ({"webhook_url": "https://x.example", "colour": "red"}, "Extra inputs"),
    ],
)
def test_a_mistake_in_the_options_is_named_without_the_secret(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SlackOptions.model_validate(wrong)
    assert hint in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_mentions_may_be_several_and_severities_go_by_any_known_name() -> None:
    given = {"fatal": "<!channel> <@U012AB3CD>", "error": "<!subteam^S012AB3CD>"}
    options = SlackOptions.model_validate({"webhook_url": "https://x.example", "mentions": given})
    assert options.mentions == {"critical": "<!channel> <@U012AB3CD>", "error": "<!subteam^S012AB3CD>"}


def refused(error: str) -> Reply:
    return Reply(200, json.dumps({"ok": False, "error": error}).encode())


@pytest.mark.parametrize(
    "error",
    [
        "cannot_reply_to_message",
        "restricted_action_thread_locked",
        "restricted_action_non_threadable_channel",
        "cannot_broadcast",
    ],
)
async def test_a_refused_thread_loses_no_end(server: FaultyServer, error: str) -> None:
    """It went to the dead letters, and the channel showed the alert as firing."""
    async with started(**bot(f"{server.url}/api/")) as sink:
        assert (await sink.deliver([incidents.as_event(incidents.begins())], "kit-1")).delivered
        server.replies.extend([Reply(200, POSTED), refused(error)])
        over = incidents.is_over() | {"errors": incidents.errors(), "notes": []}
        assert (await sink.deliver([incidents.as_event(over)], "kit-2")).delivered
    *_, first, again = server.requests
    assert "thread_ts" in first.json
    assert again.json == {key: first.json[key] for key in first.json if key not in {"thread_ts", "reply_broadcast"}}


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        ("metadata_too_large", {"metadata"}),
        ("invalid_metadata_format", {"metadata"}),
        ("invalid_username", {"username", "icon_emoji"}),
        ("invalid_icon", {"username", "icon_emoji"}),
    ],
)
async def test_a_refused_ornament_loses_no_message(server: FaultyServer, error: str, fields: set[str]) -> None:
    server.replies.append(refused(error))
    async with started(**bot(f"{server.url}/api/", username="TickStock", icon=":bell:")) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).delivered
    first, again = server.requests
    assert first.json.keys() - again.json.keys() == fields


async def test_it_is_left_out_once(server: FaultyServer) -> None:
    server.always = refused("metadata_too_large")
    async with started(**bot(f"{server.url}/api/")) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).reason is Reason.REJECTED
    assert len(server.requests) == 2


@pytest.mark.parametrize("error", ["org_login_required", "ekm_access_denied"])
async def test_what_slack_calls_temporary_is_tried_again(server: FaultyServer, error: str) -> None:
    server.always = refused(error)
    async with started(**bot(f"{server.url}/api/")) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).worth_retrying


async def test_a_post_whose_answer_cannot_be_read_is_repeated_once(server: FaultyServer) -> None:
    server.always = Reply(200, b"", fault=Fault.DRIP)
    async with started(**bot(f"{server.url}/api/", timeout="1s")) as sink:
        first = await sink.deliver([make_event()], "kit-1")
        assert first == Outcome(Reason.BAD_ANSWER, "probably posted, but the answer broke off")
        assert (await sink.deliver([make_event()], "kit-1")).delivered
    assert len(server.requests) == 2


@pytest.mark.parametrize("body", [b'{"ok":true,"channel":"C0', b'{ "ok" : true, "ts": tru'])
async def test_the_beginning_of_an_answer_says_that_it_was_posted(server: FaultyServer, body: bytes) -> None:
    server.always = Reply(200, body)
    async with started(**bot(f"{server.url}/api/")) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).delivered
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (
            {"error": "missing_scope", "needed": "chat:write.public"},
            "missing_scope: give the app the scope chat:write.public and install it again",
        ),
        ({"error": "missing_scope"}, "missing_scope: give the app the scope chat:write and install it again"),
        ({"error": "not_in_channel"}, "not_in_channel: write /invite @tickstock-relay in that channel"),
        ({"error": "is_archived"}, "is_archived: unarchive the channel, or name another one"),
        ({"error": "something_new"}, "something_new"),
        ({"error": "invalid_blocks", "errors": ["a", "b", "c", "d"]}, "invalid_blocks: a; b; c"),
        ({"error": "Not A Code!"}, "an unknown error"),
    ],
)
async def test_a_refusal_says_what_to_do(server: FaultyServer, reply: dict[str, Any], detail: str) -> None:
    server.always = Reply(200, json.dumps({"ok": False, **reply}).encode())
    async with started(**bot(f"{server.url}/api/")) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).detail == f"Slack says {detail}"


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (500, "invalid_auth", Reason.SERVER_ERROR),
        (503, "not_in_channel", Reason.SERVER_ERROR),
        (429, "invalid_auth", Reason.RATE_LIMITED),
        (403, "invalid_auth", Reason.UNAUTHORIZED),
        (403, "odd", Reason.UNAUTHORIZED),
        (404, "odd", Reason.REJECTED),
        (201, "invalid_auth", Reason.UNAUTHORIZED),
    ],
)
async def test_what_a_status_means_beside_slacks_own_word(
    server: FaultyServer, status: int, error: str, reason: Reason
) -> None:
    server.always = Reply(status, json.dumps({"ok": False, "error": error}).encode())
    async with started(**bot(f"{server.url}/api/")) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).reason is reason


async def test_each_delivery_has_one_repeat_of_its_own(server: FaultyServer) -> None:
    server.always = Reply(200, b'{"channel":"C0', fault=Fault.DRIP)
    async with started(**bot(f"{server.url}/api/", timeout="300ms")) as sink:
        reasons = [(await sink.deliver([make_event()], key)).reason for key in ("a", "b", "a", "a", "b")]
    bad, good = Reason.BAD_ANSWER, Reason.OK
    assert reasons == [bad, bad, good, bad, good]


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
