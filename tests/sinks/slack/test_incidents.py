"""An incident's life in Slack, against the stand-in: one message with its thread, and who is called when."""

import pytest

from sinks.testing import FaultyServer, MemoryState, Reply
from tests.support import incidents
from tests.support.slack_incidents import TIMES, calls, show, started
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.slack_messages import SlackMessage

PHASES = "✓ import 10 min  ·  ✓ cache 1 min  ·  ‖ *indicators since 16:21 (usually 4 min)*  ·  \N{EN DASH} patterns"


def in_channel(slack: SlackStandIn) -> list[SlackMessage]:
    return [each for each in slack.messages if each.thread is None or each.is_broadcast]


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


async def test_the_installations_name_stands_in_every_title(slack: SlackStandIn) -> None:
    async with started(slack.api_url) as sink:
        await show(sink, incidents.fails() | {"source": "paper"})
    message = slack.messages[0]
    assert message.text.startswith("<!channel> [paper] Run of Mon 27 Jan failed")
    assert f"*<{incidents.PAGE}|[paper] Run of Mon 27 Jan failed in patterns>*" in str(message.payload["blocks"])
