"""Slack's error answers, word for word: the reason of each, what is left out and sent again, and what to do."""

import json
from typing import Any

import pytest

from sinks.base import Outcome, Reason
from sinks.testing import Fault, FaultyServer, Reply, make_event
from tests.support import incidents
from tests.support.slack_sink import POSTED, bot, started
from tickstock_simulator.slack import SlackStandIn


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
