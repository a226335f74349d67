"""What becomes of an incident where Slack refuses: nothing is lost and nobody is called twice."""

import pytest

from sinks.base import Outcome, Reason
from sinks.testing import FaultyServer, Reply
from tests.support import incidents
from tests.support.slack_incidents import Json, calls, show, started
from tickstock_simulator.slack import SlackStandIn


def requests(slack: SlackStandIn) -> list[str]:
    return [attempt.path.rpartition("/")[2] for attempt in slack.attempts]


async def test_a_deleted_message_is_posted_anew_without_a_second_mention(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.fails())
        slack.messages[0].is_deleted = True
        await show(sink, incidents.is_run_again(), incidents.is_over())
    anew = [each for each in slack.messages if each.thread is None and not each.is_deleted]
    assert len(anew) == 1
    assert anew[0].text.startswith("Cleared: ")
    assert sum(map(calls, slack.messages)) == 1
    assert slack.messages[-1].thread == anew[0].ts


async def test_a_deleted_reply_is_posted_anew_in_the_same_thread(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.has_errors(1))
        slack.messages[1].is_deleted = True
        await show(sink, incidents.has_errors(40, 4))
    assert [each.thread for each in slack.messages] == [None, slack.messages[0].ts, slack.messages[0].ts]


async def test_where_edits_are_closed_it_goes_on_in_the_thread(slack: SlackStandIn) -> None:
    slack.channels.edit_window = -1.0
    async with started(slack.api_url) as sink:
        await show(sink, *incidents.life())
    assert slack.messages[0].edits == []
    assert [each.text[:8] for each in slack.messages if each.is_broadcast] == ["<!channe", "Cleared:"]
    assert requests(slack).count("chat.update") == 1, "it is not tried again and again"


async def test_a_locked_thread_puts_the_mention_into_the_channel(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.begins())
        slack.channels.locked.add(slack.messages[0].ts)
        await show(sink, incidents.fails() | {"errors": incidents.errors()}, incidents.is_over())
    in_channel_now = [each.text for each in slack.messages if each.thread is None]
    assert any(text.startswith("<!channel> ") for text in in_channel_now)
    assert any(text.startswith("Cleared: ") for text in in_channel_now[1:])


@pytest.mark.parametrize(
    ("state", "detail"),
    [
        ({"archived": True}, "is_archived: unarchive the channel"),
        ({"joined": False}, "not_in_channel: write /invite @tickstock-relay"),
    ],
)
async def test_a_channel_that_cannot_be_used_is_named_with_the_remedy(
    slack: SlackStandIn, state: Json, detail: str
) -> None:
    for name, value in state.items():
        setattr(slack.channels, name, value)
    async with started(slack.api_url) as sink:
        outcome = await sink.deliver([incidents.as_event(incidents.begins())], "kit")
    assert outcome.reason is Reason.REJECTED
    assert detail in outcome.detail


async def test_a_missing_scope_is_named(slack: SlackStandIn) -> None:
    slack.scopes.clear()
    async with started(slack.api_url) as sink:
        outcome = await sink.deliver([incidents.as_event(incidents.begins())], "kit")
    assert outcome.reason is Reason.UNAUTHORIZED
    assert "give the app the scope chat:write" in outcome.detail


async def test_the_rate_limit_is_waited_for_and_outdated_edits_are_left_out() -> None:
    now = [100.0]
    async with SlackStandIn(rate=1.0, burst=1, monotonic=lambda: now[0]) as slack, started(slack.api_url) as sink:
        await show(sink, incidents.begins())
        outcome = await sink.deliver([incidents.as_event(incidents.goes_on())], "kit")
        assert outcome == Outcome(Reason.RATE_LIMITED, "HTTP 429: ratelimited", 1.0)
        for _ in range(6):
            now[0] += 1.0
            outcome = await sink.deliver([incidents.as_event(incidents.fails())], "kit")
        assert outcome.delivered
    message, *replies = slack.messages
    assert [edit["text"][:36] for edit in message.edits][1:] == ["Run of Mon 27 Jan goes on: it was st"]
    assert [each.is_broadcast for each in replies] == [True, False, False, False], "no post is left out"
    assert calls(replies[0]) == 1


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_too_long"])
async def test_refused_blocks_leave_the_text_and_the_link(error: str) -> None:
    refused = Reply(
        200, b'{"ok":false,"error":"%b","errors":["must be more [json-pointer:/blocks/0]"]}' % error.encode()
    )
    taken = Reply(200, b'{"ok":true,"channel":"C012AB3CD","ts":"1738012800.000100"}')
    async with FaultyServer(taken) as server:
        server.replies.append(refused)
        async with started(f"{server.url}/api/") as sink:
            await show(sink, incidents.begins())
            assert sink.context.registry.get_sample_value("tickstock_relay_slack_blocks_refused_total") == 1.0
        body = server.requests[1].json
    assert body["blocks"] == []
    assert body["text"] == f"{incidents.begins()['text']}\n<{incidents.PAGE}|Run page>"


async def test_an_edit_that_is_refused_for_good_keeps_no_mention_back() -> None:
    taken = Reply(200, b'{"ok":true,"channel":"C012AB3CD","ts":"1738012800.000100"}')
    async with FaultyServer(taken) as server, started(f"{server.url}/api/") as sink:
        await show(sink, incidents.begins())
        server.replies.append(Reply(200, b'{"ok":false,"error":"something_new"}'))
        outcome = await sink.deliver([incidents.as_event(incidents.fails())], "kit")
        assert outcome.reason is Reason.REJECTED
        bodies = [request.json for request in server.requests if "Permalink" not in request.path]
    assert bodies[2]["reply_broadcast"] is True
    assert bodies[2]["text"].startswith("<!channel> ")
