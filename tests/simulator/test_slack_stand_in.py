"""The Slack stand-in through slack_sdk and plain HTTP: what it takes, what it refuses, and how it shows it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.web.client import WebClient

from tests.support import eventually
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.slack_channels import RefusedError, SlackChannels
from tickstock_simulator.slack_limits import refusal

TOKEN = "xoxb-for-the-test"  # noqa: S105 - opens nothing
Json = dict[str, Any]


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    async with SlackStandIn(token=TOKEN, channels=["#tickstock-ops"]) as stand_in:
        yield stand_in


@pytest.fixture
async def client(slack: SlackStandIn) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=slack.url, headers=headers, timeout=120) as open_client:
        yield open_client


def section(text: str, **more: object) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


async def post(client: httpx.AsyncClient, **message: object) -> httpx.Response:
    return await client.post("/api/chat.postMessage", json={"channel": "#tickstock-ops", **message})


async def test_slack_sdk_posts_and_updates_a_message(slack: SlackStandIn) -> None:
    sdk = WebClient(token=TOKEN, base_url=slack.api_url)
    blocks = [{"type": "header", "text": plain("Run failed")}, section("a &lt; b")]
    posted = await asyncio.to_thread(sdk.chat_postMessage, channel="#tickstock-ops", text="failed", blocks=blocks)
    assert posted["ok"]
    assert posted["channel"].startswith("C")
    await asyncio.to_thread(sdk.chat_update, channel=posted["channel"], ts=posted["ts"], text="resolved")
    assert len(slack.messages) == 1
    message = slack.messages[0]
    assert (message.text, message.channel_name, message.ts) == ("resolved", "#tickstock-ops", posted["ts"])
    assert message.edits[0]["text"] == "failed"


async def test_slack_sdk_raises_with_slacks_own_error(slack: SlackStandIn) -> None:
    for token, channel, error in (
        ("", "#tickstock-ops", "not_authed"),
        ("xoxb-wrong", "#tickstock-ops", "invalid_auth"),
        (TOKEN, "#nowhere", "channel_not_found"),
    ):
        sdk = WebClient(token=token or None, base_url=slack.api_url)
        with pytest.raises(SlackApiError) as refused:
            await asyncio.to_thread(sdk.chat_postMessage, channel=channel, text="hi")
        assert refused.value.response["error"] == error
    assert slack.messages == []
    assert [attempt.error for attempt in slack.attempts] == ["not_authed", "invalid_auth", "channel_not_found"]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"attachments": [{"text": "a"}] * 101}, "too_many_attachments"),
        ({"blocks": [section("x")] * 51}, "invalid_blocks"),
        ({"blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"blocks": [section("")]}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [section("x", fields=[plain("f")] * 11)]}, "invalid_blocks"),
        ({"blocks": [section("x", fields=[plain("f" * 2001)])]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": plain("h" * 151)}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "h"}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "context", "elements": [plain("c")] * 11}]}, "invalid_blocks"),
        ({"blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
        ({"blocks": [section("a", block_id="one"), section("b", block_id="one")]}, "invalid_blocks"),
        ({"blocks": [{"type": "surprise"}]}, "invalid_blocks"),
        ({"blocks": {"type": "section"}}, "invalid_blocks"),
        (
            {"blocks": [{"type": "actions", "elements": [{"type": "button", "text": plain("b" * 76)}]}]},
            "invalid_blocks",
        ),
        ({"attachments": [{"color": "#f00", "blocks": [section("x" * 3001)]}]}, "invalid_blocks"),
    ],
)
def test_what_is_over_a_documented_limit_is_refused(message: Json, error: str) -> None:
    refused = refusal(message)
    assert refused is not None
    assert refused[0] == error


def test_what_is_exactly_at_the_limits_is_taken() -> None:
    blocks = [
        {"type": "header", "text": plain("h" * 150)},
        section("x" * 3000, fields=[plain("f" * 2000)] * 10, block_id="b" * 255),
        {"type": "context", "elements": [plain("c")] * 10},
        *[{"type": "divider"}] * 47,
    ]
    assert refusal({"text": "x" * 40_000, "blocks": blocks}) is None
    assert refusal({"attachments": [{"color": "#f00", "blocks": blocks}] + [{"text": "a"}] * 99}) is None


async def test_an_invalid_block_is_pointed_at_as_slack_does(client: httpx.AsyncClient) -> None:
    body = (await post(client, blocks=[section("x" * 3001)])).json()
    assert body["errors"] == ["must be less than 3001 characters [json-pointer:/blocks/0/text/text]"]
    assert body["response_metadata"]["messages"] == [f"[ERROR] {body['errors'][0]}"]


async def test_short_bursts_are_taken_and_then_one_message_a_second() -> None:
    now = [100.0]
    async with SlackStandIn(token=TOKEN, burst=3, monotonic=lambda: now[0]) as slack:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=slack.url, headers=headers) as client:
            answers = [await post(client, text=str(number)) for number in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert answers[3].headers["Retry-After"] == "1"
            assert answers[3].json() == {"ok": False, "error": "ratelimited"}
            elsewhere = await client.post("/api/chat.postMessage", json={"channel": "#else", "text": "x"})
            assert elsewhere.status_code == 200
            now[0] += 1.0
            assert [(await post(client, text="x")).status_code for _ in range(2)] == [200, 429]


@pytest.mark.filterwarnings(  # slack-sdk leaves the answer of a refused request open, which Python 3.14 notices
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
async def test_slack_sdk_waits_as_long_as_it_is_told() -> None:
    async with SlackStandIn(token=TOKEN, rate=2.0, burst=1) as slack:
        sdk = WebClient(token=TOKEN, base_url=slack.api_url, retry_handlers=[RateLimitErrorRetryHandler()])
        for text in ("one", "two"):
            await asyncio.to_thread(sdk.chat_postMessage, channel="#a", text=text)
    assert [attempt.status for attempt in slack.attempts] == [200, 429, 200]
    assert [message.text for message in slack.messages] == ["one", "two"]


async def test_an_incoming_webhook_says_ok_and_its_errors_in_plain_text(slack: SlackStandIn) -> None:
    async with httpx.AsyncClient() as client:
        taken = await client.post(slack.webhook_url, json={"text": "hello"})
        form = await client.post(slack.webhook_url, data={"payload": '{"text": "from a form"}'})
        answers = [
            await client.post(slack.webhook_url, content=b"{nope", headers={"Content-Type": "application/json"}),
            await client.post(slack.webhook_url, json={"username": "x"}),
            await client.post(f"{slack.url}/services/T1/B1/wrong", json={"text": "x"}),
            await client.post(slack.webhook_url, json={"text": "x"}),
        ]
    assert (taken.status_code, taken.text) == (200, "ok")
    assert form.text == "ok"
    assert [(answer.status_code, answer.text) for answer in answers] == [
        (400, "invalid_payload"),
        (400, "no_text"),
        (404, "no_service"),
        (429, "rate_limited"),
    ]
    assert answers[3].headers["Retry-After"] == "1"
    assert [message.text for message in slack.messages] == ["hello", "from a form"]
    slack.channels.archived = True
    async with httpx.AsyncClient() as client:
        assert (await client.post(slack.webhook_url, json={"text": "x"})).status_code == 410


async def test_an_update_needs_the_channels_id_and_a_known_message(client: httpx.AsyncClient) -> None:
    posted = (await post(client, text="first")).json()
    for channel, ts, error in (
        ("#tickstock-ops", posted["ts"], "channel_not_found"),
        (posted["channel"], "1.000000", "message_not_found"),
    ):
        answer = await client.post("/api/chat.update", json={"channel": channel, "ts": ts, "text": "x"})
        assert answer.json() == {"ok": False, "error": error}


async def test_a_reply_stands_in_its_thread_and_the_channel_sees_a_broadcast() -> None:
    async with SlackStandIn(token=TOKEN, rate=None) as slack:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=slack.url, headers=headers) as client:
            first = (await post(client, text="first")).json()["ts"]
            reply = (await post(client, text="reply", thread_ts=first)).json()["ts"]
            assert (await post(client, text="both", thread_ts=first, reply_broadcast=True)).json()["ok"]
            for thread, error in ((reply, "cannot_reply_to_message"), ("1.000000", "thread_not_found")):
                assert (await post(client, text="x", thread_ts=thread)).json()["error"] == error
        threads = [(each.thread, each.is_broadcast) for each in slack.messages]
    assert threads == [(None, False), (first, False), (first, True)]


async def test_an_edit_keeps_the_blocks_that_it_does_not_name() -> None:
    channels = SlackChannels(None)
    kept = channels.post("#ops", {"text": "a", "blocks": [section("b")]}, "api", 1.0)
    where = {"channel": kept.channel, "ts": kept.ts}
    assert channels.edit({**where, "text": "c"}, 2.0).payload == {"text": "c", "blocks": [section("b")]}
    assert channels.edit({**where, "text": "c", "blocks": []}, 3.0).payload == {"text": "c", "blocks": []}
    assert kept.edited_at == [2.0, 3.0]


async def test_what_cannot_be_edited_or_replied_to_is_refused_as_slack_does() -> None:
    channels = SlackChannels(None)
    kept = channels.post("#ops", {"text": "a"}, "api", 1.0)
    where = {"channel": kept.channel, "ts": kept.ts, "text": "b"}
    channels.edit_window = 60.0
    assert channels.edit(where, 60.0) is kept
    with pytest.raises(RefusedError, match="edit_window_closed"):
        channels.edit(where, 62.0)
    channels.locked.add(kept.ts)
    with pytest.raises(RefusedError, match="restricted_action_thread_locked"):
        channels.post("#ops", {"text": "x", "thread_ts": kept.ts}, "api", 2.0)
    kept.is_deleted = True
    with pytest.raises(RefusedError, match="message_not_found"):
        channels.edit(where, 3.0)
    channels.archived = True
    with pytest.raises(RefusedError, match="is_archived"):
        channels.named("#ops")


async def test_a_permalink_leads_to_a_message_that_is_there(slack: SlackStandIn, client: httpx.AsyncClient) -> None:
    posted = (await post(client, text="first")).json()
    asked = {"channel": posted["channel"], "message_ts": posted["ts"]}
    answer = (await client.get("/api/chat.getPermalink", params=asked)).json()
    assert answer["permalink"] == f"{slack.url}/archives/{posted['channel']}/p{posted['ts'].replace('.', '')}"
    missing = (await client.get("/api/chat.getPermalink", params=asked | {"message_ts": "1.0"})).json()
    assert missing == {"ok": False, "error": "message_not_found"}


async def test_scopes_and_membership_are_asked_for(slack: SlackStandIn, client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/auth.test")).headers["X-OAuth-Scopes"] == "chat:write"
    slack.channels.joined = False
    assert (await post(client, text="x")).json()["error"] == "not_in_channel"
    slack.scopes = {"chat:write.public"}
    assert (await post(client, text="x")).json() == {
        "ok": False,
        "error": "missing_scope",
        "needed": "chat:write",
        "provided": "chat:write.public",
    }


async def test_the_page_shows_markup_as_slack_does(client: httpx.AsyncClient) -> None:
    text = ":red_circle: *<https://a.example/?b=1&amp;c=2|a &lt; b>* ~gone~ `code *x*` <!channel>\n```<b>```"
    await post(client, text="t", blocks=[section(text)])
    page = (await client.get("/")).text
    for shown in (
        '<b><a href="https://a.example/?b=1&amp;c=2">a &lt; b</a></b>',
        "<s>gone</s>",
        "<code>code *x*</code>",
        '<span class="at">@channel</span>',
        "<pre>&lt;b&gt;</pre>",
        'class="dot"',
    ):
        assert shown in page


async def test_what_arrived_is_shown_and_escaped(slack: SlackStandIn, client: httpx.AsyncClient) -> None:
    attachment = {"color": "#d00000", "blocks": [section("a &lt; b &amp; c"), {"type": "divider"}]}
    await post(client, text="<script>alert(1)</script>", attachments=[attachment, {"color": '"><script>', "text": "t"}])
    listed = (await client.get("/messages")).json()["messages"]
    assert listed[0]["plain"].splitlines() == ["<script>alert(1)</script>", "a < b & c", "t"]
    assert listed[0]["color"] == "#d00000"
    page = (await client.get("/")).text
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "border-color:#d00000" in page
    assert slack.messages[0].plain() == listed[0]["plain"]


async def test_down_refuses_connections_and_the_same_port_comes_back(slack: SlackStandIn) -> None:
    url = slack.webhook_url
    await slack.down()
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.post(url, json={"text": "x"})
        await slack.resume()
        assert (await client.post(url, json={"text": "x"})).text == "ok"
    assert slack.webhook_url == url


async def test_failures_and_hanging_on_request(slack: SlackStandIn, client: httpx.AsyncClient) -> None:
    slack.trouble.fail(500, 2)
    slack.trouble.fail(429, retry_after=7)
    answers = [await post(client, text="x") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [500, 500, 429, 200]
    assert answers[2].headers["Retry-After"] == "7"
    slack.trouble.hang()
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/api/chat.postMessage", json={"channel": "#tickstock-ops", "text": "x"}, timeout=0.2)
    slack.trouble.clear()
    assert (await post(client, text="y")).json()["ok"]
    assert [message.text for message in slack.messages] == ["x", "y"]


async def test_hanging_requests_do_not_keep_it_from_stopping() -> None:
    slack = SlackStandIn(token=TOKEN)
    await slack.start()
    slack.trouble.hang()
    async with httpx.AsyncClient(timeout=120) as client:
        waiting = asyncio.create_task(client.post(slack.webhook_url, json={"text": "x"}))
        await eventually(lambda: slack.trouble.held == 1)
        async with asyncio.timeout(120):
            await slack.stop()
        await asyncio.gather(waiting, return_exceptions=True)
    assert slack.messages == []
