"""Users' patterns: the same as Python's where they are taken, refused in words where not, and never slow."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.config.settings import RedactionOptions
from relay.events.matching import predicate
from relay.events.patterns import Pattern, PatternError
from relay.redaction.patterns import REDACTED
from relay.redaction.redactor import Redactor
from sinks.testing import make_event
from tests.support.examples import examples

PUMPED = [
    (r"^(\w+\s?)*$", "database connection lost after retry number seven of seven! " * 400),
    (r"^(\w+\s?)*$", "a" * 26 + "!"),
    (r"^(a+)+$", "a" * 20_000 + "b"),
    (r"(x+x+)+y", "x" * 20_000),
    (r"^(\w|\d|_)*$", "1" * 20_000 + "-"),
    (r"(.*)*=(.*)*;", "é" * 20_000),
    (r"^([a-zA-Z0-9._-]+)+@([a-z]+\.)+com$", "a." * 10_000),
    (r"\b(\w+ ?)+\b!$", "número " * 3_000),
    (r"(?i)(é|É|e)*$x", "É" * 20_000),
]
LONGEST = 0.05
"""Seconds; Python's `re` would take hours to centuries for most of them."""


def _seconds(pattern: Pattern, text: str) -> float:
    best = 1e9
    for _ in range(3):  # of CPU: the machine may be busy with something else
        begun = time.process_time()
        pattern.found_in(text)
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize(("written", "text"), PUMPED)
def test_no_text_makes_a_pattern_slow(written: str, text: str) -> None:
    assert _seconds(Pattern(written), text) < LONGEST


def test_no_text_makes_a_glob_slow() -> None:
    holds = predicate({"event": "*a*a*a*a*a*a*a*b"})
    begun = time.process_time()
    assert not holds(make_event(event="a" * 20_000))
    assert time.process_time() - begun < LONGEST


def test_no_text_makes_redaction_slow() -> None:
    redactor = Redactor(patterns=[r"id (?P<secret>(\d+-?)+)!", r"^(\w+\s?)*\?$"])
    begun = time.process_time()
    assert redactor.redact_text("id 1-2! id " + "1" * 20_000) == f"id {REDACTED}! id " + "1" * 20_000
    assert time.process_time() - begun < 20 * LONGEST  # the built-in rules look at it too


@pytest.mark.parametrize(
    ("written", "text", "found"),
    [
        (r"\bÖzil\b", "Spieler Özil!", True),
        (r"\bzil", "Özil", False),
        (r"\w+ü$", "Menü", True),
        (r"^\d+$", "٣٤٥", True),
        (r"a\sb", "a\u2003b", True),
        (r"a\sb", "a\x1cb", True),
        (r"^[^\W\d_]+$", "Straße", True),
        (r"[\W_]", "Straße", False),
        (r"^.\w$", "\nß", False),
        (r"(?s)^.\w$", "\nß", True),
        (r"(?s:^.)\w$", "\nß", True),
        (r"^(?:(?s:a).)$", "a\u2028", True),
        (r"ende$", "ende\n", False),
        (r"ende\Z", "das Ümlautende", True),
        (r"\bé\b$", "à é", True),
        (r"^\bé", "é!", True),
        (r"x\u00e9\N{EURO SIGN}\x41", "xé€A", True),
        (r"^x{,2}$", "xx", True),
        (r"(?#a comment)a(?:b|c)[]x-]", "éab]", True),
        (r"(?i)ÀÉ", "àé", True),
        (r"\ud800?x", "x\ud800", True),
        (r"x.z", "x\ud800z", True),
        (r"x\bz", "x\ufdd0z", False),
        (r"[\b]\0\101", "\b\0A", True),
        (r"\#\ \-\é", "# -é", True),
    ],
)
def test_they_mean_what_they_mean_in_python_for_every_text(written: str, text: str, found: bool) -> None:
    assert Pattern(written).found_in(text) is found


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("a(?=b)", "(?= at position 1 looks ahead"),
        ("a(?!b)", "(?! at position 1 looks ahead"),
        ("é(?<=b)", "(?<= at position 1 looks behind"),
        ("(?<!b)a", "(?<! at position 0 looks behind"),
        (r"(a)\1", r"\1 at position 3 refers back to a group"),
        ("(?P<x>a)(?P=x)", "(?P= at position 8 refers back to a group"),
        ("ab++", "++ at position 2 is a possessive repeat"),
        ("a{2}+", "{2}+ at position 1 is a possessive repeat"),
        ("(?>a)", "(?> at position 0 is an atomic group"),
        ("(a)?(?(1)b|c)", "(?( at position 4 depends on another group"),
        (r"a\B", r"\B at position 1 asks for a place without a word boundary"),
        ("(?x) a b", "(?x) at position 0 ignores blanks"),
        (r"(?a)\w", "(?a) at position 0 limits what letters are"),
        ("a{1001}", "{1001} at position 1 repeats more than 1,000 times"),
        ("((a{100}){100}){100}", "repeats too much in all"),
        ("ab(", "missing ), unterminated subpattern at position 2"),
        ("[a", "unterminated character set at position 0"),
        ("*", "nothing to repeat at position 0"),
        (r"[a-\d]", r"bad character range a-\d at position 1"),
        (r"\N{NO SUCH CHARACTER}", "names no character"),
        (r"\Qa\E", r"bad escape \Q"),
        (r"\C", r"bad escape \C"),
        ("a\ud800", "surrogates not allowed"),
    ],
)
def test_what_they_cannot_do_is_refused_with_reason_and_position(written: str, reason: str) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)):
        Pattern(written)
    with pytest.raises(ValueError, match=re.escape(reason)):
        RedactionOptions(patterns=(written,))
    with pytest.raises(ValueError, match=re.escape(reason)):
        predicate({"payload.message": f"=~{written}"})


@pytest.mark.parametrize(
    ("written", "text", "hidden"),
    [
        (r"\bACC-\d+", "é ACC-12 und ACC-3", "é # und #"),
        (r"Kunde (?P<secret>\w+)\b", "Kunde Özil, Kunde Ümit", "Kunde #, Kunde #"),
        (r"pin (?:(?P<secret>\d+)|none)", "pin none, pin 12, pin ٣٤", "pin none, pin #, pin #"),
        (r"\b", "a é", "a é"),
        (r"(?:a|\b)", "a é", "# é"),
        (r"(?:\ba|\bé)\b\b-", "é- a- b-", "# # b-"),
        (r"x\w", "\ud800xé\ufdd0xa", "\ud800#\ufdd0#"),
    ],
)
def test_matches_are_replaced_where_they_are(written: str, text: str, hidden: str) -> None:
    assert Pattern(written).replaced_in(text, "#", "secret") == hidden


ATOMS = st.sampled_from([*"abé1_ -", ".", r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", "[ab]", r"[^\w-]", r"[\W1]", "É"])
PLACES = st.sampled_from(["", "", "", r"\b"])
REPEATS = st.sampled_from(["", "", "", "*", "+", "?", "{1,2}", "*?", "+?"])


@st.composite
def written_patterns(draw: st.DrawFn) -> str:
    def sequence(depth: int) -> str:
        parts = []
        for _ in range(draw(st.integers(1, 3))):
            nested = depth < 2 and draw(st.booleans())
            inner = f"(?:{sequence(depth + 1)}|{sequence(depth + 1)})" if nested else draw(ATOMS)
            # a repeat of what can be empty is where the two differ by design, in which of the empty ones they take
            parts.append(draw(PLACES) + inner + ("" if nested else draw(REPEATS)))
        return "".join(parts)

    start, end = draw(st.sampled_from([("", ""), ("^", ""), ("", r"\Z")]))
    return start + sequence(0) + end


@examples(100)
@given(written_patterns(), st.text("ab1_ -\n", max_size=12))
def test_both_engines_agree_on_ascii(written: str, text: str) -> None:
    assert Pattern(written).found_in(text) == (re.search(written, text) is not None)
    ours = Pattern(written).replaced_in(text, "#", "secret")
    if "*" not in written and "?" not in written:  # else there are empty matches, which are not replaced
        assert ours == re.sub(written, lambda found: "#" if found[0] else "", text)


@examples(100)
@example(r"\bé\b", "é-é")
@example(r"\ba*(?:x|\ba*\ba*)\b-", "é-")
@example(r"(?i)(?:\bx|y)*\b\b\b(?:\b|\b\b)-", "é-")
@given(written_patterns(), st.text("abéÉ1٣_ -\n\u2003\ufdd0", max_size=12))
def test_both_engines_agree_on_every_other_text_too(written: str, text: str) -> None:
    assert Pattern(written).found_in(text) == (re.search(written, text) is not None)
