"""Text in Slack's markup: escaped, cut without harm, and no text from the wire calls anybody or makes a link."""

import json

import pytest

from sinks.slack.message import Message
from sinks.slack.text import code_block, inline_code, link, lock_screen, mrkdwn, one_line, width
from sinks.testing import make_event
from tests.support.slack_texts import compose, section


def test_without_blocks_a_message_is_text_that_slack_does_not_read_as_markup() -> None:
    assert Message("t", [section("x")], "<https://a|Run page>").plain_body() == {
        "text": "t\n<https://a|Run page>",
        "blocks": [],
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert Message("t").plain_body()["text"] == "t"


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
