"""Substitution in long texts: the same as in one go, whatever stands at the borders of the windows."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.redaction.long_texts import REACH, WINDOW, substituted
from relay.redaction.patterns import RULES
from relay.redaction.redactor import Redactor
from tests.support.examples import examples

PIECES = (
    "password=abc123",
    "https://user:secret%d@host/x",
    "token: ",
    "-----BEGIN RSA PRIVATE KEY-----\n" + "A" * 500 + "\n-----END RSA PRIVATE KEY-----",
    " ",
    "\n",
    "x" * 300,
    "eyJabcdefgh.abcdefghij.zz",
    "Cookie: a=b; c=d",
    "Authorization: Bearer abcdefghijklmnop",
    "AKIAABCDEFGHIJKLMNOP",
    "ghp_" + "a" * 36,
    "?sig=abc&",
    "-u user:pw ",
    "<db-password>x</db-password>",
    "--password foo ",
    "https://a:" + "q" * 30_000 + "@h ",
)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(3))
def test_a_long_text_is_redacted_as_in_one_go(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice(PIECES) for _ in range(400))
    for rule in RULES:
        found = substituted(rule.pattern, rule.replacement, text, window=20_000)
        assert found == rule.pattern.sub(rule.replacement, text), rule.pattern.pattern


@pytest.mark.parametrize("length", [10, 30_000, 100_000])
def test_a_match_longer_than_a_window_is_seen_whole(length: int) -> None:
    text = "." * 90_000 + "<" + "y" * length + ">" + "." * 90_000
    assert substituted(re.compile("<y*>"), "-", text) == "." * 90_000 + "-" + "." * 90_000


def test_a_text_without_a_match_stays_the_same_object() -> None:
    text = "x" * 1_000_000
    assert substituted(re.compile("y+"), "-", text) is text


def test_an_empty_match_ends() -> None:
    assert substituted(re.compile("(?=x)"), "-", "x" * 200_000) == "x" * 200_000


texts = st.lists(
    st.tuples(st.sampled_from(PIECES[:-1]), st.integers(0, 700), st.sampled_from((".", " ", "x", "\n", "é"))),
    max_size=12,
).map(lambda parts: "".join(piece + filling * count for piece, count, filling in parts))


@examples(50)
@given(text=texts)
def test_windows_change_nothing(text: str) -> None:
    """Whatever stands between secrets, and wherever they lie."""
    text = "." * 2_000 + text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relay.redaction.long_texts.REACH", 1_500)  # more than twice the longest piece
        for rule in RULES:
            found = substituted(rule.pattern, rule.replacement, text, window=500)
            assert found == rule.pattern.sub(rule.replacement, text), rule.pattern.pattern


@pytest.mark.parametrize(
    "piece", ["password=canary7", "https://user:canary7@host/", "Authorization: Bearer canary7canary7"]
)
def test_no_secret_gets_through_at_the_border_of_a_window(piece: str) -> None:
    for border in (WINDOW, WINDOW + REACH, 2 * WINDOW):
        for before in range(0, len(piece) + 1, 6):
            text = ("word " * border)[: border - before - 1] + " " + piece + " " + "word " * 20_000
            assert "canary7" not in Redactor().redact_text(text), (border, before)
