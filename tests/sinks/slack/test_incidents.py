"""An incident's life in Slack, against the stand-in: one message, its thread, and who is called when."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from relay.events import Announcement, Event
from sinks.base import Outcome, Reason
from sinks.slack import SlackOptions, SlackSink
from sinks.testing import FaultyServer, MemoryState, Reply, make_context
from tests.support import incidents
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.slack_messages import SlackMessage

Json = dict[str, Any]
TIMES = incidents.TIMES
PHASES = "✓ import 10 min  ·  ✓ cache 1 min  ·  ‖ *indicators since 16:21 (usually 4 min)*  ·  \N{EN DASH} patterns"
CHANNEL = {"critical": "<!channel>"}


@asynccontextmanager
async def started(url: str, state: MemoryState | None = None, **more: Any) -> AsyncIterator[SlackSink]:
    given = {"token": "xoxb-stand-in", "channel": "#ops", "base_url": url, "mentions": CHANNEL, "timeout": "30s"}
    sink = SlackSink(SlackOptions.model_validate(given | more), make_context("ops", state=state))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


@asynccontextmanager
async def by_webhook(url: str, state: MemoryState | None = None) -> AsyncIterator[SlackSink]:
    options = SlackOptions.model_validate({"webhook_url": url, "mentions": CHANNEL, "timeout": "30s"})
    sink = SlackSink(options, make_context("ops", state=state))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    async with SlackStandIn(rate=None) as stand_in:
        yield stand_in


async def show(sink: SlackSink, *states: Json) -> None:
    for state in states:
        outcome = await sink.deliver([incidents.as_event(state)], "kit")
        assert outcome.delivered, outcome


def calls(message: SlackMessage) -> int:
    """How often a message, as it was posted, calls somebody: in a block, which is what rings."""
    first = message.edits[0] if message.edits else message.payload
    return str(first["blocks"]).count("<!channel>")


def in_channel(slack: SlackStandIn) -> list[SlackMessage]:
    return [each for each in slack.messages if each.thread is None or each.is_broadcast]


def requests(slack: SlackStandIn) -> list[str]:
    return [attempt.path.rpartition("/")[2] for attempt in slack.attempts]


async def test_one_incident_is_one_message_with_one_mention(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, *incidents.life())
    message, *replies = slack.messages
    assert all(reply.thread == message.ts for reply in replies)
    assert [reply.text for reply in replies if not reply.is_broadcast] == [
        "16:30:07 EST: indicators go on at GPB, 52.1 %, after 7 min without progress.",
        f"40 {TIMES} RATE_LIMIT_EXCEEDED in data_import: Massive API rate limit hit",
        "PHASE_FAILED in data_import: Massive API rate limit hit",
        "17:02:28 EST: run again by hand. It usually takes 35 min.",
    ]
    assert [reply.text for reply in replies if reply.is_broadcast] == [
        f"<!channel> {incidents.fails()['text']}",
        incidents.is_over()["text"],
    ]
    assert sum(map(calls, slack.messages)) == 1
    assert all("<!channel>" not in str(each.payload) for each in slack.messages if each.edits), "an edit never calls"
    assert message.text.startswith("Cleared: run of Mon 27 Jan failed in patterns.")
    assert len(message.edits) == 6


async def test_the_address_of_the_message_is_asked_for_once_and_kept(slack: SlackStandIn) -> None:
    state = incidents.begins()
    async with started(slack.api_url) as sink:
        assert sink.link(state["incident"]) is None
        await show(sink, *incidents.life())
        [message, *_] = slack.messages
        assert sink.link(state["incident"]) == f"{slack.url}/archives/{message.channel}/p{message.ts.replace('.', '')}"
        assert sink.link("another") is None


@pytest.mark.parametrize("answer", [b'{"ok":false,"error":"x"}', b'{"ok":true,"permalink":"javascript:1"}', b"{"])
async def test_without_an_address_all_is_posted_the_same(answer: bytes) -> None:
    taken = Reply(200, b'{"ok":true,"channel":"C012AB3CD","ts":"1738012800.000100"}')
    async with FaultyServer(taken) as server, started(f"{server.url}/api/") as sink:
        server.replies += [taken, Reply(200, answer)]
        await show(sink, incidents.begins(), incidents.fails())
        assert sink.link(incidents.begins()["incident"]) is None
        assert sum("Permalink" in request.path for request in server.requests) == 1


async def test_the_first_message_is_exactly_this(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.begins())
    [message] = slack.messages
    texts = [block["text"]["text"] for block in message.payload["blocks"][:-1]]
    given = incidents.begins()
    assert texts == [
        f":red_circle: *<{incidents.PAGE}|{given['title']}>*\n{given['cause']}",
        "*Data of 27 Jan:* not yet usable. Import and cache are complete.\n" + PHASES,
        (
            "*Do:* look at the log of the indicators job around symbol CBV.\nIf it does not go on, end the run:"
            " `tickstock-relay cancel`\nStart it again: `tickstock-relay trigger`"
        ),
        (
            f"<{incidents.PAGE}|Run page> · <https://wiki.example/relay#run_stalled|Runbook> ·"
            " <https://grafana.example/d/relay?from=1738011300000&amp;to=now|Dashboard>"
        ),
    ]
    assert [each["text"] for each in message.payload["blocks"][-1]["elements"]] == [
        "16:28:04 EST (21:28 UTC) · alert run_stalled · no errors so far",
        f"Silence for 2 h: `tickstock-relay silence add --for 2h --incident {incidents.RUN}`",
    ]
    assert message.text == incidents.begins()["text"]
    assert {name: message.payload[name] for name in ("unfurl_links", "unfurl_media")} == {
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert "attachments" not in message.payload


async def test_the_end_keeps_the_facts_strikes_the_headline_and_names_who_cleared_it(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, *incidents.life())
    blocks = slack.messages[0].payload["blocks"]
    by = f"<{incidents.NEW_PAGE}|17:02 run>"
    phases = (
        "✓ import 10 min  ·  ✓ cache 1 min  ·  ✓ indicators 11 min (usually 4 min)  ·  ✗ patterns 10 min, 250 of 505"
    )
    assert [block["text"]["text"] for block in blocks[:3]] == [
        (
            f":large_green_circle: ~<{incidents.PAGE}|Run of Mon 27 Jan failed in patterns>~\n"
            f"*Cleared* by the {by} at 17:37 EST, after 55 min."
        ),
        "*Data of 27 Jan: usable.* 500 of 505 symbols (99.0 %), 7,575 indicators, 1,250 patterns, all as usual.",
        f"It was: c{incidents.fails()['cause'][1:]}\n{phases}",
    ]
    assert blocks[-1]["elements"][0]["text"] == (
        "16:28:04 to 17:37:29 EST (21:28 to 22:37 UTC) · 41 errors in 2 groups · 1 mention"
    )
    cleared = slack.messages[-1].payload["blocks"][0]["text"]["text"]
    assert cleared == (
        f":large_green_circle: *Cleared:* run of Mon 27 Jan failed in patterns. The <{incidents.NEW_PAGE}|17:02 run>"
        " completed at 17:37 EST; the day's data is usable."
    )


async def test_what_goes_on_is_amber_and_what_was_never_mended_stays_red(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.begins(), incidents.goes_on())
        assert slack.messages[0].payload["blocks"][0]["text"]["text"].startswith(":large_yellow_circle: *<")
        text = "Run of Mon 27 Jan never started. The next run started on Tue 28 Jan."
        never_ran = {"lasting": True, "text": text, "cleared": {"text": "Cleared.", "reason": "It never happened."}}
        await show(sink, incidents.is_over() | never_ran)
    assert slack.messages[0].payload["blocks"][0]["text"]["text"] == (
        f":red_circle: *<{incidents.PAGE}|Run of Mon 27 Jan failed in patterns>*\nIt never happened."
    )
    assert slack.messages[-1].payload["blocks"][0]["text"]["text"] == f":red_circle: {text}"


@pytest.mark.parametrize("split", range(1, 7))
async def test_whatever_state_was_seen_last_the_next_one_tells_all(slack: SlackStandIn, split: int) -> None:
    """States in between may be left out in the outbox, and the process may end anywhere."""
    state = MemoryState()
    life = incidents.life()
    async with started(slack.api_url, state) as sink:
        await show(sink, life[split - 1])
    async with started(slack.api_url, state) as sink:  # another process
        await show(sink, life[-3], life[-1])
    assert len([each for each in slack.messages if each.thread is None]) == 1
    assert sum(map(calls, slack.messages)) == 1
    groups = [each.text for each in slack.messages if "in data_import" in each.text and each.thread]
    assert groups == [
        f"40 {TIMES} RATE_LIMIT_EXCEEDED in data_import: Massive API rate limit hit",
        "PHASE_FAILED in data_import: Massive API rate limit hit",
    ]
    assert slack.messages[0].text.startswith("Cleared: ")


async def test_a_first_post_that_failed_while_it_got_worse_calls_once(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        slack.trouble.fail(500)
        assert not (await sink.deliver([incidents.as_event(incidents.begins())], "kit")).delivered
        await show(sink, incidents.fails(), incidents.fails())
    assert in_channel(slack) == slack.messages[:1]
    assert calls(slack.messages[0]) == 1
    assert slack.messages[0].text.startswith("<!channel> Run of Mon 27 Jan failed in patterns")
    assert "<!channel>" in slack.messages[0].payload["blocks"][0]["text"]["text"]


async def test_an_end_that_was_never_announced_calls_nobody(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.is_over(), incidents.is_over())
    assert len(in_channel(slack)) == 1
    assert sum(map(calls, slack.messages)) == 0
    assert slack.messages[0].payload["blocks"][0]["text"]["text"].startswith(":large_green_circle: *Cleared: <")


async def test_a_delivery_that_is_repeated_posts_nothing_twice(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        for state in incidents.life():
            await show(sink, state, state)
        before = len(slack.attempts)
        await show(sink, incidents.is_over(), incidents.fails())
    assert len(slack.attempts) == before, "an older state changes nothing"
    assert len(slack.messages) == 7


async def test_each_entry_of_mentions_is_called_once_and_holds_for_higher_severities(slack: SlackStandIn) -> None:
    entries = {"error": "<@U012AB3CD>", "critical": "<!channel> <@U012AB3CD>"}
    async with started(slack.api_url, mentions=entries) as sink:
        await show(sink, *incidents.life())
    first, broadcast, *_ = in_channel(slack)
    assert first.edits[0]["text"].startswith("<@U012AB3CD> Run of Mon 27 Jan is stalled")
    assert broadcast.text.startswith("<!channel> <@U012AB3CD> Run of Mon 27 Jan failed")
    async with started(slack.api_url, mentions=entries | {"critical": "<!here>"}) as sink:
        await show(sink, incidents.fails() | {"incident": "another"})
    assert slack.messages[-3].text.startswith("<@U012AB3CD> <!here> Run of")


async def test_another_incident_of_the_same_id_is_another_message(slack: SlackStandIn) -> None:
    again = {"incident": "api_unreachable", "kind": "alert", "began": "2025-01-28T10:00:00Z"}
    async with started(slack.api_url) as sink:
        await show(sink, incidents.begins() | again, incidents.is_over() | again)
        await show(sink, incidents.begins() | again | {"began": "2025-01-29T10:00:00Z"})
    assert len([each for each in slack.messages if each.thread is None]) == 2


async def test_forty_kinds_of_errors_have_replies_and_the_others_one(slack: SlackStandIn) -> None:
    groups = [incidents.error_group(number, 2) for number in range(1, 46)]
    many = incidents.errors(*groups[:40], more_groups=13, more_errors=1300)
    async with started(slack.api_url) as sink:
        await show(sink, incidents.begins() | {"errors": many})
        await show(sink, incidents.begins() | {"errors": many | {"more_errors": 1400}, "number": 2})
    _, *replies = slack.messages
    assert len(replies) == 41
    assert replies[-1].text == "and 13 other kinds of errors (1,400 in all)"
    assert len(replies[-1].edits) == 1
    assert sum(len(each.edits) for each in replies) == 1, "only what has changed is edited"


async def test_errors_outside_a_run_are_one_message_that_ends_silently(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.lone_error())
        first = slack.messages[0].payload["blocks"][0]["text"]["text"]
        assert first == (
            ":large_yellow_circle: *<https://relay.example/#errors|BAD_RESPONSE in data_import>*\n"
            "Once, outside any run.\n"
            "```\nunexpected token in answer: &lt;script&gt;alert('tickstock')&lt;/script&gt; &amp; &lt;b&gt;*bold*"
            "&lt;/b&gt; &lt;!channel&gt;\n```"
        )
        await show(sink, incidents.lone_error(50, number=50), incidents.lone_error(50, number=51, is_over=True))
    [message] = slack.messages
    assert len(message.edits) == 2
    assert message.edits[1]["text"].startswith(f"50 {TIMES} BAD_RESPONSE in data_import, outside any run")


@pytest.mark.parametrize(("runs", "expected"), [("trouble", ["failed"]), ("none", []), ("all", ["progress", "failed"])])
async def test_runs_says_what_is_told_of_runs(slack: SlackStandIn, runs: str, expected: list[str]) -> None:
    async with started(slack.api_url, runs=runs) as sink:
        given = [run_event("started"), run_event("phase_started"), incidents.as_event(incidents.fails())]
        for event in sink.select(given):
            assert (await sink.deliver([event], "kit")).delivered
        wanted = [event.event for event in sink.select(given)]
    assert wanted == {"trouble": ["incident"], "none": [], "all": ["run_started", "incident"]}[runs]
    assert len([each for each in slack.messages if each.thread is None]) == min(len(expected), 1)


def run_event(transition: str) -> Event:
    payload: Json = {"run_id": incidents.RUN, "run_date": "2025-01-27", "trigger_type": "automatic"}
    payload |= {"started_at": "2025-01-27T21:10:00Z", "ended_at": "2025-01-27T21:45:00Z"}
    payload |= {"duration_seconds": 2100.0, "symbols_processed": 500, "patterns_detected": 1250}
    payload |= {"state": "completed", "sound": True, "findings": []} if transition == "checked" else {}
    announcement = Announcement(
        channel=f"relay:run:{transition}", event=f"run_{transition}", run_id=incidents.RUN, payload=payload
    )
    return announcement.as_event("kit", 1, incidents.moment("21:45"))


async def test_a_run_without_trouble_is_told_from_start_to_end(slack: SlackStandIn) -> None:
    async with started(slack.api_url, runs="all") as sink:
        for transition in ("started", "checked"):
            assert (await sink.deliver([run_event(transition)], "kit")).delivered
    message, reply = slack.messages
    assert message.edits[0]["blocks"][0]["text"]["text"] == (
        ":large_blue_circle: *Run of Mon 27 Jan is in progress*\nIt began at 16:10 EST."
    )
    assert message.payload["blocks"][0]["text"]["text"] == (
        ":large_blue_circle: *Run of Mon 27 Jan completed*\nIt completed at 16:45 EST after 35 min."
    )
    assert message.payload["blocks"][1]["elements"][0]["text"] == "500 symbols · 1,250 patterns"
    assert reply.is_broadcast
    assert reply.text == "Run of Mon 27 Jan completed: it completed at 16:45 EST after 35 min."


@pytest.mark.parametrize(
    "result", [{"sound": False, "findings": ["zero_results"]}, {"sound": True, "findings": ["too_fast"]}, {}]
)
async def test_a_run_that_has_completed_is_not_good_news_before_its_result_is_sound(
    slack: SlackStandIn, result: Json
) -> None:
    checked = run_event("checked")
    for name in ("sound", "findings"):
        del checked.payload[name]
    checked.payload.update(result)
    async with started(slack.api_url, runs="all") as sink:
        given = [run_event("started"), run_event("completed"), checked]
        assert [event.event for event in sink.select(given)] == ["run_started"]


async def test_trouble_of_a_run_that_was_told_is_told_in_its_thread(slack: SlackStandIn) -> None:
    async with started(slack.api_url, runs="all") as sink:
        assert (await sink.deliver([run_event("started")], "kit")).delivered
        await show(sink, incidents.fails())
        assert (await sink.deliver([run_event("checked")], "kit")).delivered
    message, broadcast, *_ = slack.messages
    assert message.payload["blocks"][0]["text"]["text"].startswith(":red_circle:")
    assert broadcast.is_broadcast
    assert broadcast.text.startswith("<!channel> ")


async def test_the_installations_name_stands_in_every_title(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.fails() | {"source": "paper"})
    message = slack.messages[0]
    assert message.text.startswith("<!channel> [paper] Run of Mon 27 Jan failed")
    assert f"*<{incidents.PAGE}|[paper] Run of Mon 27 Jan failed in patterns>*" in str(message.payload["blocks"])


# --- When Slack refuses ----------------------------------------------------------------------------------------------


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


# --- An incoming webhook ---------------------------------------------------------------------------------------------


async def test_a_webhook_tells_when_it_begins_gets_worse_and_ends(slack: SlackStandIn) -> None:
    async with by_webhook(slack.webhook_url) as sink:
        await show(sink, *incidents.life(), incidents.is_over())
    first, worse, over = slack.messages
    assert [each.payload.keys() & {"channel", "ts", "thread_ts"} for each in slack.messages] == [set()] * 3
    assert first.text.startswith("Run of Mon 27 Jan is stalled")
    assert worse.text.startswith("<!channel> Run of Mon 27 Jan failed")
    assert len(worse.payload["blocks"]) == 5
    assert over.payload["blocks"][0]["text"]["text"].startswith(":large_green_circle: *Cleared: <")
    assert sum(map(calls, slack.messages)) == 1


async def test_a_webhook_tells_the_count_of_errors_outside_runs_once(slack: SlackStandIn) -> None:
    async with by_webhook(slack.webhook_url) as sink:
        await show(sink, incidents.lone_error(), incidents.lone_error(50, number=50))
        await show(sink, incidents.lone_error(50, number=51, is_over=True))
        other = {"incident": "error:other"}
        await show(sink, incidents.lone_error() | other, incidents.lone_error(1, number=2, is_over=True) | other)
    texts = [each.text[:20] for each in slack.messages]
    assert texts == ["BAD_RESPONSE in data", f"50 {TIMES} BAD_RESPONSE in", "BAD_RESPONSE in data"]
