"""Substitution in long texts: the same as in one go, whatever stands at the borders of the windows."""

import random
import re

import pytest

from relay.long_texts import substituted
from relay.secret_shapes import RULES

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
