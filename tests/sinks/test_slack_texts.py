"""What Slack is told: the exact JSON of single events, and never more than Slack takes, whatever comes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Announcement, Event, Mark, Phase, Severity
from sinks.slack import mentions, plain, render, summary
from sinks.slack.blocks import MAX_TEXT
from sinks.slack.facts import AlertNotification, alert_of
from sinks.slack.incident import ErrorGroup, Incident, Note, incident_of
from sinks.slack.message import Message
from sinks.slack.repeats import fingerprint
from sinks.slack.text import code_block, inline_code, link, lock_screen, mrkdwn, one_line, width
from sinks.testing import HOSTILE_TEXTS, NOON, make_event
from tests.support import incidents
from tests.support.examples import examples
from tickstock_simulator.slack_limits import refusal

NEW_YORK = ZoneInfo("America/New_York")
MOST_TEXT = 9000
MOST_JSON = 60_000


def compose(events: list[Event], mention: str = "") -> dict[str, Any]:
    return plain.compose(events, NEW_YORK, mention).body()


def texts_in(value: object) -> Iterator[str]:
    """Every text that Slack would read as mrkdwn, the top-level one included."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts_in(item)


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn_object(text)}


def mrkdwn_object(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def test_the_contracts_error_is_told_in_exactly_this_json() -> None:
    assert compose([make_event(phase=Phase.IMPORT)]) == {
        "text": "Error in data_import: RATE_LIMIT_EXCEEDED",
        "blocks": [
            section(":red_circle: *Error in data_import: RATE_LIMIT_EXCEEDED*"),
            section("```\nMassive API rate limit hit\n```"),
            {
                "type": "section",
                "fields": [
                    mrkdwn_object("*Component*\ndata_import"),
                    mrkdwn_object("*Error code*\nRATE_LIMIT_EXCEEDED"),
                    mrkdwn_object("*Phase*\nimport"),
                    mrkdwn_object("*Run*\n550e8400-e29b-41d4-a716-446655440000"),
                ],
            },
            {
                "type": "section",
                "fields": [mrkdwn_object("*Symbol*\nAAPL"), mrkdwn_object("*Retry after*\n60")],
            },
            {
                "type": "context",
                "elements": [
                    mrkdwn_object("16:20:00 EST (21:20:00 UTC)"),
                    mrkdwn_object("tickstock:errors from massive_fetcher"),
                ],
            },
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_an_event_that_is_no_error_is_told_by_its_name_and_fields() -> None:
    event = make_event(
        {"pattern_type": "Doji", "symbol": "AAPL", "confidence": 0.93, "parameters": {"span": 5}, "tags": ["a", "b"]},
        channel="tickstock:patterns:detected",
        event="pattern_detected",
        phase=Phase.PATTERNS,
        run_id=None,
    )
    message = compose([event])
    assert message["text"] == "Pattern detected: AAPL"
    assert message["blocks"][0] == section(":large_blue_circle: *Pattern detected: AAPL*")
    assert [field["text"] for field in message["blocks"][2]["fields"]] == [
        "*Pattern type*\nDoji",
        "*Symbol*\nAAPL",
        "*Confidence*\n0.93",
        '*Parameters*\n{"span":5}',
        "*Tags*\na, b",
    ]


def alert(state: str, **more: Any) -> Event:
    payload = {"alert": "run_missing", "state": state, "title": "No run today", "message": "Due 16:10.", **more}
    return Announcement(
        channel="relay:alert:run_missing", event="run_missing", severity=Severity.CRITICAL, payload=payload
    ).as_event("kit", 1, NOON)


def test_an_alert_without_an_incident_is_told_plainly() -> None:
    message = compose([alert("firing", facts={"due": "16:10"}, since="2025-01-27T21:15:00Z")], "<!channel>")
    assert message["text"] == "<!channel> Critical: No run today"
    assert message["blocks"][0] == section(":red_circle: *Critical: No run today* <!channel>")
    assert message["blocks"][1] == section("Due 16:10.")
    assert message["blocks"][2]["fields"] == [mrkdwn_object("*Due*\n16:10")]
    over = compose([alert("resolved", title="Resolved: No run today")])
    assert over["blocks"][0] == section(":large_green_circle: *Resolved: No run today*")


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        ({"alert": "cpu", "state": "firing", "title": "CPU"}, AlertNotification("cpu", False, "CPU")),
        ({"alert": "cpu", "state": "resolved", "title": "Resolved: CPU"}, AlertNotification("cpu", True, "CPU")),
        ({"alert": "run_failed", "state": "firing", "title": ""}, AlertNotification("run_failed", False, "Run failed")),
        ({"alert": "run_failed", "state": "firing", "title": 5}, AlertNotification("run_failed", False, "Run failed")),
        (
            {"alert": "never_started", "state": "resolved", "title": "T", "facts": {"never_ran": True}},
            AlertNotification("never_started", True, "T", is_lasting=True),
        ),
        (
            {"alert": "never_started", "state": "resolved", "title": "T", "facts": {"never_ran": "yes"}},
            AlertNotification("never_started", True, "T"),
        ),
        ({"alert": "cpu", "state": "pending", "title": "CPU"}, None),
        ({"alert": 5, "state": "firing", "title": "CPU"}, None),
        ({"state": "firing", "title": "CPU"}, None),
    ],
)
def test_what_is_read_of_an_alert(payload: dict[str, Any], read: AlertNotification | None) -> None:
    assert alert_of(make_event(payload, channel="relay:alert:cpu")) == read


def test_what_never_ran_keeps_its_colour_when_it_is_over() -> None:
    over = compose([alert("resolved", facts={"never_ran": True})])
    assert over["blocks"][0]["text"]["text"].startswith(":red_circle: *Resolved: No run today*")


def test_only_the_relays_own_address_is_a_link() -> None:
    ours = compose([alert("firing", url="https://relay.example/x", facts={})])["blocks"]
    assert ours[0] == section(":red_circle: *<https://relay.example/x|Critical: No run today>*")
    assert not any("fields" in block for block in ours)
    theirs = compose([make_event({"message": "m", "url": "https://x.example"})])["blocks"]
    assert "x.example" not in theirs[0]["text"]["text"]
    assert theirs[3]["fields"] == [mrkdwn_object("*Url*\nhttps://x.example")]


@pytest.mark.parametrize(
    ("payload", "more", "title"),
    [
        ({"component": "db", "error_code": "E1", "category": "c", "message": "m"}, {}, "Error in db: E1"),
        ({"component": "db", "category": "c", "message": "m"}, {}, "Error in db: c"),
        ({"component": "db", "message": "m"}, {}, "Error in db: m"),
        ({"component": True}, {"source": "job"}, "Error in job: Error"),
        ({"alert": {"message": "m"}}, {"source": None}, "Error: m"),
        ({"error_message": ["a", "b"]}, {"source": None}, "Error: a b"),
        ({"symbol": "AAPL"}, {"channel": "tickstock:x", "event": "odd_thing", "severity": "info"}, "Odd thing: AAPL"),
        ({}, {"channel": "tickstock:x", "event": "odd_thing", "severity": "warning"}, "Warning: Odd thing"),
        ({"error_code": 5}, {"channel": "tickstock:x", "severity": "info", "source": None}, "Info: 5"),
    ],
)
def test_the_headline_says_where_and_what(payload: dict[str, Any], more: dict[str, Any], title: str) -> None:
    assert compose([make_event(payload, **more)])["text"] == title


def test_details_are_shown_as_they_come_and_once() -> None:
    payload = {
        "message": "m",
        "job_id": "r1",
        "session_id": "other",
        "version": "1.0",
        "context": {"stack": "Traceback", "n": 0, "empty": "", "none": None, "list": [1, "a", 2.5], "map": {"a": [1]}},
        "more": ["a", {"b": 1}],
    }
    blocks = compose([make_event(payload, run_id="r1")])["blocks"]
    assert [field["text"] for field in blocks[3]["fields"]] == [
        "*N*\n0",
        "*List*\n1, a, 2.5",
        '*Map*\n{"a":[1]}',
        "*Session id*\nother",
        '*More*\n["a",{"b":1}]',
    ]
    assert blocks[4] == section("```\nTraceback\n```")


def test_a_context_that_holds_no_fields_is_shown_as_it_is() -> None:
    fields = compose([make_event({"message": "m", "context": "at noon", "a": 1})])["blocks"][-2]["fields"]
    assert [field["text"] for field in fields] == ["*Context*\nat noon", "*A*\n1"]


def incident(**changes: Any) -> Incident:
    read = incident_of(incidents.as_event(incidents.state(**changes)))
    assert read is not None
    return read


def shown(message: Message) -> list[str]:
    """What each block says."""
    return [text for block in message.body()["blocks"] for text in texts_in(block)]


def test_what_gets_worse_says_what_is_wrong_whether_the_data_is_usable_and_what_to_do() -> None:
    worse = incident(cause="It broke.", actions=[{"text": "Look at it.", "command": None}], url=None)
    (text,) = shown(render.worse(worse, "<!here>"))
    assert text.splitlines() == [
        "<!here> *Run of Mon 27 Jan is stalled in indicators*",
        "It broke.",
        "The day's data is not complete yet. *Do:* look at it.",
    ]
    bare = incident(cause=None, data=None, actions=[], url=None)
    assert shown(render.worse(bare, "")) == ["*Run of Mon 27 Jan is stalled in indicators*"]


@pytest.mark.parametrize(
    ("actions", "todo"),
    [
        ([("Look at the log.", None)], "*Do:* look at the log."),
        ([("Look at the log.", "journalctl -e")], "*Do:* look at the log: `journalctl -e`"),
        ([("", "journalctl -e")], "*Do:* `journalctl -e`"),
        ([("", None), ("A second", None), ("API calls", "x")], "*Do:* a second\nAPI calls: `x`"),
        ([("API calls stop", None)], "*Do:* API calls stop"),
        ([("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")], "*Do:* 1: `a`\n2: `b`\n3: `c`"),
    ],
)
def test_what_to_do_is_a_sentence_with_its_command(actions: list[tuple[str, str | None]], todo: str) -> None:
    given = incident(actions=[{"text": text, "command": command} for text, command in actions])
    assert todo in shown(render.message(given))


@pytest.mark.parametrize(
    ("changes", "head"),
    [
        ({}, ":large_green_circle: ~T~\n*Cleared* by itself."),
        ({"cleared": None}, ":large_green_circle: ~T~\n*Cleared*."),
        ({"lasting": True}, ":red_circle: *T*\nIt was not run."),
        ({"lasting": True, "cleared": None}, ":red_circle: *T*"),
        ({"source": "backup"}, ":large_green_circle: ~[backup] T~\n*Cleared* by itself."),
    ],
)
def test_the_headline_of_what_is_over(changes: dict[str, Any], head: str) -> None:
    cleared = {"text": "Cleared by itself.", "reason": "It was not run.", "by_name": None, "by_url": None}
    over = incident(**({"state": "over", "title": "T", "url": None, "cleared": cleared} | changes))
    assert shown(render.message(over))[0] == head
    plain_head = head.replace("~T~", "*Cleared: T*").replace("~[backup] T~", "*Cleared: [backup] T*")
    assert shown(render.message(over, is_struck=False))[0] == plain_head


def test_of_what_is_over_the_cause_is_in_the_past_and_no_phase_stands_out() -> None:
    for cause, was in (("It was stalled.", "It was stalled."), ("No progress.", "It was: no progress."), (None, None)):
        texts = shown(render.message(incident(state="over", cause=cause, data=None)))
        assert [text.partition("\n")[0] for text in texts if text.startswith("It was")] == ([was] if was else [])
        assert not any("*stalled indicators" in text for text in texts)
    (phases,) = [text for text in shown(render.message(incident())) if "indicators since" in text]
    assert "✓ import 10 min  \N{MIDDLE DOT}  ✓ cache 1 min  \N{MIDDLE DOT}  ‖ *indicators since 16:21" in phases


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"word": "Yes", "label": "Data of 27 Jan", "sentence": "All."}, "*Data of 27 Jan: usable.* All."),
        ({"word": "No", "label": "", "sentence": ""}, "*Data: not usable.*"),
        ({"word": "Not yet", "label": "D", "sentence": "S."}, "*D:* not yet usable. S."),
        ({"word": "Partly", "label": "D", "sentence": ""}, "*D:* partly usable."),
        ({"word": "Unknown", "label": "D", "sentence": ""}, "*D:* not known whether usable."),
        ({"word": "Not affected", "label": "D", "sentence": ""}, "*D:* not affected."),
        ({"word": "Who knows", "label": "D", "sentence": ""}, "*D:* Who knows."),
    ],
)
def test_whether_the_data_is_usable_is_one_sentence(data: dict[str, str], text: str) -> None:
    assert shown(render.message(incident(data=data, phases=[])))[1] == text
    assert shown(render.message(incident(data=data, phases=[], state="over", cause=None)))[1] == text


@pytest.mark.parametrize(
    ("changes", "circle"),
    [
        ({"severity": "critical"}, "red"),
        ({"severity": "error"}, "red"),
        ({"severity": "warning"}, "large_yellow"),
        ({"severity": "info"}, "large_yellow"),
        ({"severity": "critical", "state": "eased"}, "large_yellow"),
        ({"severity": "error", "kind": "error"}, "large_yellow"),
        ({"severity": "critical", "kind": "error"}, "red"),
        ({"severity": "critical", "state": "running"}, "large_blue"),
        ({"severity": "critical", "state": "completed"}, "large_blue"),
        ({"severity": "critical", "state": "over"}, "large_green"),
        ({"severity": "info", "state": "over", "lasting": True}, "red"),
    ],
)
def test_the_circle_says_how_it_stands(changes: dict[str, Any], circle: str) -> None:
    assert shown(render.message(incident(**changes)))[0].startswith(f":{circle}_circle: ")


@pytest.mark.parametrize(
    ("mention", "read", "room"),
    [
        ("", "", MAX_TEXT),
        ("<!channel>", "@channel ", MAX_TEXT),
        ("<!subteam^S012AB3CD>", "@subteam ", MAX_TEXT),
        ("<@U012AB3CD>", "@nnnnnnnnnnnn ", MAX_TEXT),
        (" ".join(["<@U012AB3CD>"] * 12), "", MAX_TEXT // 2),
    ],
)
def test_a_mention_takes_its_room_of_the_lock_screen_as_it_is_read(mention: str, read: str, room: int) -> None:
    given = incident(text="x" * 200, source="backup")
    text = render.message(given, mention).text.removeprefix(f"{mention} ")
    assert text.startswith("[backup] xxx")
    assert width(read + text) == room


def test_beneath_it_are_its_links_and_in_small_print_what_else_is_known() -> None:
    given = incident(kind="alert", url="https://relay.example", runbook="https://wiki.example", dashboard=None)
    *_, links, small, silence = shown(render.message(given, mentions=2))
    assert links == "<https://relay.example|Status page> \N{MIDDLE DOT} <https://wiki.example|Runbook>"
    dot = "\N{MIDDLE DOT}"
    assert small == f"16:28:04 EST (21:28 UTC) {dot} alert run_stalled {dot} no errors so far"
    assert silence == f"Silence for 2 h: `tickstock-relay silence add --for 2h --incident {incidents.RUN}`"
    over = shown(render.message(incident(state="over", context=["a", "", "b"]), mentions=2))
    assert over[-1] == f"a {dot} b {dot} 2 mentions"
    assert over[-2].startswith(f"<{incidents.PAGE}|Run page> {dot} ")
    assert shown(render.message(incident(context=[], silence=None)))[-1] == incidents.RUN


def test_the_reply_that_ends_it_has_its_words_else_its_title_and_links_who_cleared_it() -> None:
    by = {"text": "", "by_name": "17:02 run", "by_url": "https://relay.example/n"}
    over = incident(state="over", text="Cleared: by the 17:02 run.", title="T", cleared=by)
    assert shown(render.cleared(over)) == [
        ":large_green_circle: *Cleared:* by the <https://relay.example/n|17:02 run>."
    ]
    assert shown(render.cleared(incident(state="over", text=None, title="T"))) == [":large_green_circle: T"]


def test_numbers_of_an_incident_are_read_also_as_text_and_what_is_none_as_left_out() -> None:
    read = incident(number="7", lasting="true", title=None)
    assert (read.number, read.lasting, read.title) == (7, True, "")
    assert incident_of(incidents.as_event(incidents.state(errors="many"))) is None


def test_a_long_mention_leaves_half_of_the_lock_screen_to_the_title() -> None:
    many = " ".join(["<@U012AB3CD>"] * 10)
    text = plain.compose([make_event({"message": "x" * 300}, source=None)], NEW_YORK, many).text
    assert width(text.removeprefix(f"{many} ")) == MAX_TEXT // 2
    one = plain.compose([make_event({"message": "x" * 300}, source=None)], NEW_YORK, "<!here>").text
    assert width(one.removeprefix("<!here> ")) == MAX_TEXT - len("<!here>")


def test_without_blocks_a_message_is_text_that_slack_does_not_read_as_markup() -> None:
    assert Message("t", [section("x")], "<https://a|Run page>").plain_body() == {
        "text": "t\n<https://a|Run page>",
        "blocks": [],
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert Message("t").plain_body()["text"] == "t"


def test_a_line_of_the_story_links_the_new_run_and_errors_their_part_of_the_page() -> None:
    again = {"text": "Run again at 17:10.", "url": "https://relay.example/n"}
    given = incident(again=again, url="https://relay.example/r")
    line = Note(2, "again", "Run again.")
    assert shown(render.note(given, line)) == ["Run again. <https://relay.example/n|New run>"]
    assert shown(render.note(given, Note(2, "better", "It goes on."))) == ["It goes on."]
    assert "*Run again* at 17:10. <https://relay.example/n|New run>" in shown(render.message(given))
    group = ErrorGroup("1", "E1 in db", "E1 in db: gone", "gone", "first 16:20", 1)
    assert shown(render.errors_of(given, group)) == [
        "*<https://relay.example/r#errors|E1 in db>*\n```\ngone\n```",
        "first 16:20",
    ]
    assert shown(render.errors_of(incident(url=None), ErrorGroup("1", "E1 in db"))) == ["*E1 in db*"]
    others = incident(errors=incidents.errors(more_groups=3, more_errors=1200), url="https://relay.example/r")
    words = "and 3 other kinds of errors (1,200 in all)"
    assert shown(render.other_errors(others)) == [f"{words}: <https://relay.example/r|Run page>"]
    assert render.other_errors(others).text == words


def test_a_notice_of_the_relay_is_told_by_its_title_and_message() -> None:
    payload = {"title": "Gap of 6 s: events were not received", "message": "What was published is missing.", "url": ""}
    notice = Announcement(
        channel="relay:alert:gap", event="gap_notice", severity=Severity.WARNING, payload=payload | {"facts": {"a": 1}}
    )
    message = compose([notice.as_event("kit", 1, NOON)])
    assert message["text"] == "Gap of 6 s: events were not received"
    assert message["blocks"][:2] == [
        section(":large_yellow_circle: *Gap of 6 s: events were not received*"),
        section("What was published is missing."),
    ]
    assert message["blocks"][2]["type"] == "context"


def test_repeats_are_one_message_with_a_count_and_a_span() -> None:
    events = [make_event(at=NOON + timedelta(seconds=second), offset=second) for second in range(0, 61, 2)]
    message = compose(events)
    assert message["text"] == "31 × Error in data_import: RATE_LIMIT_EXCEEDED"  # noqa: RUF001 - how it is written
    footer = message["blocks"][-1]["elements"]
    assert footer[0]["text"] == "31 × in 1 min, first 16:20:00, last 16:21:00 EST"  # noqa: RUF001


def test_a_traceback_keeps_its_end_in_a_code_block() -> None:
    lines = "".join(f"  File {n}\n" for n in range(2000)) + "ValueError: ```bad``` & <odd>"
    block = compose([make_event({"message": "m", "traceback": lines})])["blocks"][-2]["text"]
    text = block["text"]
    assert text.startswith("```\n…")
    assert text.endswith("&amp; &lt;odd&gt;\n```")
    assert text.count("```") == 2, "the traceback's own backticks must not close the block"
    assert 2800 < width(text) <= 2900


def test_a_claimed_time_that_cannot_be_true_is_not_shown_as_the_time() -> None:
    event = make_event(at=NOON + timedelta(hours=5), received=NOON)
    footer = [one["text"] for one in compose([event])["blocks"][-1]["elements"]]
    assert footer[0] == "16:20:00 EST (21:20:00 UTC)"
    assert footer[-1] == "claims Tue 28 Jan 02:20:00 UTC, which cannot be true"


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (Mark.RECONSTRUCTED, "reconstructed from the API after a gap"),
        (Mark.UNDATED, "came without a time"),
        (Mark.TEST, "a test"),
        (Mark.REPLAYED, "replayed from an archive"),
    ],
)
def test_what_is_unusual_is_said(mark: Mark, words: str) -> None:
    footer = compose([make_event(marks=mark)])["blocks"][-1]["elements"]
    assert words in [one["text"] for one in footer]


def test_local_time_follows_the_clock_change() -> None:
    summer = compose([make_event(at=datetime(2025, 7, 1, 20, 10, tzinfo=UTC))])
    assert summer["blocks"][-1]["elements"][0]["text"].startswith("16:10:00 EDT (20:10:00")


def test_nobody_is_called_by_a_text_from_the_wire() -> None:
    text = "<!channel> <!here> <@U012AB3CD> @channel @HERE @everyone <https://evil.example|click>"
    payload = {"message": text, "component": text, "error_code": text, "traceback": text, "context": {text: text}}
    written = json.dumps(compose([make_event(payload, run_id=text, source=text)])).lower()
    assert "<" not in written
    assert not any(call in written for call in ("@channel", "@here", "@everyone"))


@pytest.mark.parametrize("limit", [2, 5, 9, 50])
def test_a_cut_never_halves_an_entity_or_a_character(limit: int) -> None:
    for text in ("&" * 60, "a<b>c&" * 20, "😀é" * 40):
        cut = mrkdwn(text, limit)
        assert width(cut) <= limit
        assert cut.endswith("…")
        assert "&" not in cut.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        cut.encode()


def test_short_text_is_escaped_and_else_untouched() -> None:
    assert mrkdwn("a & b <c> 'd' `e`", 100) == "a &amp; b &lt;c&gt; 'd' `e`"
    assert mrkdwn("", 10) == mrkdwn(" \x00\n", 10) == "—"
    assert one_line("a\u061cb\u202ec\u2066d", 100) == "abcd", "what turns the direction of writing hides what it says"
    assert one_line("RATE_LIMIT *now*\n and\tthen", 100) == "RATE_LIMIT now and then"
    assert code_block("a\x1b[0m", 100) == "```\na[0m\n```"


def test_repeats_of_one_error_have_one_fingerprint_whatever_numbers_they_carry() -> None:
    def error(message: str, **more: Any) -> str | None:
        return fingerprint(make_event({"component": "db", "error_code": "E1", "message": message, **more}))

    first = error("Timeout after 30.5 s for job 550e8400-e29b-41d4-a716-446655440000 at 0xdeadbeef, attempt 3")
    assert first == error("Timeout after 7 s for job 650e8400-e29b-41d4-a716-446655449999 at 0xcafe, attempt 12")
    assert first is not None
    assert error("Timeout") != error("Refused")
    assert error("Timeout") != error("Timeout", severity="critical")
    assert error("Timeout") != error("Timeout", component="api")
    assert error("decade facade") != error("decade"), "words of hex letters are words"


def test_only_errors_and_alerts_repeat() -> None:
    assert fingerprint(make_event({"symbol": "AAPL"}, channel="tickstock:patterns:detected", event="x")) is None
    assert fingerprint(alert("firing")) == "alert|run_missing|firing"
    assert fingerprint(alert("resolved")) == "alert|run_missing|resolved"


def test_someone_elses_alert_is_no_alert_of_the_relay() -> None:
    payload = {"alert": "run_missing", "state": "resolved", "title": "x", "severity": "error"}
    assert compose([make_event(payload)])["blocks"][0]["text"]["text"].startswith(":red_circle:")


def test_an_entry_of_mentions_holds_for_its_severity_and_above_once() -> None:
    entries = {"warning": "<@U1>", "critical": "<!channel> <@U1>"}
    assert mentions.due(entries, Severity.INFO) == []
    assert mentions.due(entries, Severity.ERROR) == ["warning"]
    assert mentions.due(entries, Severity.EMERGENCY, called=["warning"]) == ["critical"]
    assert mentions.in_words(entries, ["warning", "critical"]) == "<@U1> <!channel>"


def test_a_lock_screen_shows_whole_words_and_no_markup() -> None:
    assert lock_screen("*Run* failed: `a` & <b>", 150) == "Run failed: a &amp; &lt;b&gt;"
    cut = lock_screen("word & " * 40, 150)
    assert cut.endswith(" &amp;…")
    assert width(cut.replace("&amp;", "&")) <= 150
    assert lock_screen("x" * 200, 150) == "x" * 149 + "…"
    assert lock_screen("\x00", 150) == "—"


def test_a_link_holds_what_would_end_it() -> None:
    assert link("https://a.example/?a=1&b=<x>|y z", "A | B > C", 60) == (
        "<https://a.example/?a=1&amp;b=%3Cx%3E%7Cy%20z|A \N{BROKEN BAR} B &gt; C>"
    )
    assert link("", "A", 60) == "A"
    assert link("https://a.example/" + "x" * 3000, "A", 60) == "A"
    assert inline_code("a `b`\nc", 60) == "`a b c`"


def test_the_days_summary_is_told_without_a_mention() -> None:
    payload = {
        "title": "Mon 27 Jan: failed in patterns at 16:42",
        "text": "Mon 27 Jan: failed in patterns at 16:42 EST. Data not usable yet. 41 errors, 3 alerts.",
        "cause": "The day's data is not usable yet.",
        "state": "bad",
        "fields": [{"name": "Errors", "text": "40 RATE_LIMIT_EXCEEDED\n1 PHASE_FAILED"}],
        "context": ["next run Tue 28 Jan 16:10 EST"],
        "url": "https://relay.example/runs/2025-01-27",
    }
    message = summary.compose(payload).body()
    assert message["text"] == payload["text"]
    assert message["blocks"] == [
        section(
            ":red_circle: *<https://relay.example/runs/2025-01-27|Mon 27 Jan: failed in patterns at 16:42>*\n"
            "The day's data is not usable yet."
        ),
        {"type": "section", "fields": [mrkdwn_object("*Errors*\n40 RATE_LIMIT_EXCEEDED\n1 PHASE_FAILED")]},
        {
            "type": "context",
            "elements": [
                mrkdwn_object(
                    "<https://relay.example/runs/2025-01-27|Day page> \N{MIDDLE DOT} next run Tue 28 Jan 16:10 EST"
                )
            ],
        },
    ]


@pytest.mark.parametrize("character", ["x", "&", "<", "\U0001f600", "`", "@here"])
def test_the_largest_of_all_errors_keeps_within_the_limits(character: str) -> None:
    text = character * 20_000
    payload = dict.fromkeys(("component", "error_code", "category", "message", "traceback"), text)
    context = {f"{text}{number}": text for number in range(30)}
    event = make_event(
        {**payload, "context": context}, source=text, run_id=text, channel=f"x:{text}", phase=Phase.IMPORT
    )
    event.marks = Mark.UNDATED | Mark.RECONSTRUCTED
    assert_within_limits(compose([event] * 2))


@pytest.mark.thorough
@pytest.mark.parametrize("character", ["x", "&", "<", "\U0001f600", "`", "@here", "*", "|", "~a"])
@pytest.mark.parametrize("state", ["firing", "over"])
def test_the_largest_of_all_incidents_keeps_within_the_limits(character: str, state: str) -> None:
    text = character * 6_000
    largest = _filled(incidents.is_over() | {"again": {"text": "", "url": ""}, "quote": ""}, text)
    read = incident_of(incidents.as_event(largest | {"state": state, "severity": "critical", "highest": "critical"}))
    assert read is not None
    for message in every_message(read):
        assert_within_limits(message.body())
        assert len(message.blocks) <= 6


def _filled(value: Any, text: str) -> Any:
    """With `text` in place of every text, and lists much longer than they may be."""
    if isinstance(value, dict):
        return {name: _filled(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, text) for inner in (value * 60)[:60]]
    return text if isinstance(value, str) or value is None else value


def every_message(incident: Incident) -> Iterator[Message]:
    """All that is ever posted of a state."""
    yield render.message(incident, "<!channel> <@U012AB3CD>")
    yield render.message(incident, is_struck=False)
    yield render.worse(incident, "<!channel>")
    yield render.cleared(incident)
    yield render.other_errors(incident)
    yield from (render.note(incident, line) for line in incident.notes[:3])
    yield from (render.errors_of(incident, group) for group in incident.errors.kinds[:3])


def assert_within_limits(message: dict[str, Any]) -> None:
    assert refusal(message) is None
    assert sum(map(width, texts_in(message["blocks"]))) <= MOST_TEXT
    assert len(json.dumps(message)) <= MOST_JSON


wire_text = st.text(max_size=12) | st.sampled_from(HOSTILE_TEXTS)
wire_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | wire_text,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(wire_text, inner, max_size=12),
    max_leaves=15,
)
ERROR_NAMES = ["severity", "component", "error_code", "message", "error", "traceback", "stack_trace", "context"]
OTHER_NAMES = [
    "category",
    "phase",
    "alert",
    "state",
    "title",
    "facts",
    "symbol",
    "run_id",
    "job_id",
    "duration_seconds",
]
names = st.sampled_from(ERROR_NAMES + OTHER_NAMES)
payloads = st.dictionaries(names | wire_text, wire_values, max_size=16)
events = st.builds(
    make_event,
    payloads.map(lambda payload: json.loads(json.dumps(payload).replace("\\ud", "\\u0d"))),
    channel=st.sampled_from(["tickstock:errors", "tickstock:monitoring", "relay:alert:x"]) | wire_text,
    event=st.sampled_from(["error", "pattern_detected"]) | wire_text,
    source=st.none() | wire_text,
    run_id=st.none() | wire_text,
    severity=st.sampled_from(["debug", "critical", "emergency"]),
    at=st.datetimes(timezones=st.just(UTC)),
    marks=st.sampled_from(list(Mark)),
)


@pytest.mark.thorough
@examples(50)
@given(st.lists(events, min_size=1, max_size=12))
def test_no_event_breaks_slacks_limits(several: list[Event]) -> None:
    message = compose(several)
    assert_within_limits(message)
    assert 0 < len(message["blocks"]) <= 10
    for text in texts_in(message):
        assert_harmless(text)
        assert "<" not in text


def assert_harmless(text: str) -> None:
    assert text.strip()
    text.encode()  # no half characters
    assert not set(text) & set(map(chr, (*range(9), *range(11, 32), 0x202E)))


hostile_states = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["firing", "eased", "over", "running", "?"]),
        "severity": wire_text | st.just("critical"),
    },
    optional={
        **dict.fromkeys(("title", "text", "cause", "quote", "silence", "url", "runbook", "source", "kind"), wire_text),
        "data": st.fixed_dictionaries(dict.fromkeys(("word", "label", "short", "sentence"), wire_text)),
        "phases": st.lists(st.fixed_dictionaries({"mark": wire_text, "text": wire_text, "strong": st.booleans()})),
        "actions": st.lists(st.fixed_dictionaries({"text": wire_text, "command": st.none() | wire_text})),
        "again": st.none() | st.fixed_dictionaries({"text": wire_text, "url": wire_text}),
        "cleared": st.fixed_dictionaries(dict.fromkeys(("text", "by_name", "by_url"), wire_text)),
        "context": st.lists(wire_text, max_size=12),
        "notes": st.lists(st.fixed_dictionaries({"text": wire_text, "change": wire_text, "number": st.integers(0, 9)})),
        "errors": st.fixed_dictionaries(
            {
                "more_groups": st.integers(0, 99),
                "list": st.lists(
                    st.fixed_dictionaries(dict.fromkeys(("id", "title", "text", "message", "context"), wire_text)),
                    max_size=3,
                ),
            }
        ),
    },
)


@examples(50)
@given(hostile_states)
def test_no_incident_breaks_slacks_limits(state: dict[str, Any]) -> None:
    incident = msgspec.convert({"incident": "r1"} | without_nulls(state), Incident)
    for message in every_message(incident):
        body = message.body()
        assert_within_limits(body)
        assert len(body["blocks"]) <= 6
        assert width(unescaped(body["text"])) <= 150
        for text in texts_in(body):
            assert_harmless(text)
            assert not {"<!channel>", "<!here>"} & set(text.replace("<!channel> <@U012AB3CD>", "").split()[2:])


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(value), object_hook=lambda one: {k: v for k, v in one.items() if v is not None})  # type: ignore[no-any-return]


def unescaped(text: str) -> str:
    """As it is read."""
    for written, read in (("<!channel>", "@channel"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(written, read)
    return text
