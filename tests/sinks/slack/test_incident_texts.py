"""What Slack is told of an incident: its headline, cause and data, what to do, the links, and how it ended."""

from typing import Any

import pytest

from relay.events import Severity
from sinks.slack import mentions, render
from sinks.slack.blocks import MAX_TEXT
from sinks.slack.incident import ErrorGroup, Note, incident_of
from sinks.slack.text import width
from tests.support import incidents
from tests.support.slack_texts import incident, shown


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


def test_an_entry_of_mentions_holds_for_its_severity_and_above_once() -> None:
    entries = {"warning": "<@U1>", "critical": "<!channel> <@U1>"}
    assert mentions.due(entries, Severity.INFO) == []
    assert mentions.due(entries, Severity.ERROR) == ["warning"]
    assert mentions.due(entries, Severity.EMERGENCY, called=["warning"]) == ["critical"]
    assert mentions.in_words(entries, ["warning", "critical"]) == "<@U1> <!channel>"
