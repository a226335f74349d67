"""Redis' globs: matched as a real Valkey matches them, and found to overlap when they do."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relay.config.redis_globs import matches, overlap
from relay.config.settings import COMMAND_CHANNELS
from tests.support import Valkey
from tests.support.examples import examples

PATTERNS = st.text(st.sampled_from("ab:c*?[]^-\\"), max_size=8)
CHANNELS = st.text(st.sampled_from("abc:-^]\\"), min_size=1, max_size=6)


@examples(600)
@given(pattern=PATTERNS, channel=CHANNELS)
def test_a_pattern_matches_what_a_real_server_matches(shared_valkey: Valkey, pattern: str, channel: str) -> None:
    client = shared_valkey.client
    client.flushdb()
    client.set(channel, "")
    _, found = client.scan(0, match=pattern, count=100)
    assert matches(pattern, channel) is bool(found)


@st.composite
def of_one_channel(draw: st.DrawFn) -> tuple[str, str]:
    """Two patterns that both match the same made-up channel."""
    channel = draw(CHANNELS)

    def pattern() -> str:
        parts = [draw(st.sampled_from((f"\\{sign}", "?", "*", f"*\\{sign}", f"[^\\{sign}x]*"))) for sign in channel]
        return "".join(parts)

    one, other = pattern(), pattern()
    assume(matches(one, channel) and matches(other, channel))
    return one, other


@examples(500)
@given(of_one_channel())
def test_patterns_that_match_one_channel_overlap(pair: tuple[str, str]) -> None:
    one, other = pair
    assert overlap(one, other)
    assert overlap(other, one)


@examples(500)
@given(PATTERNS, CHANNELS)
def test_a_pattern_overlaps_a_channel_exactly_when_it_matches_it(pattern: str, channel: str) -> None:
    literal = "".join(f"\\{sign}" for sign in channel)
    assert overlap(pattern, literal) is matches(pattern, channel)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("tickstock:*", "tickstock:commands:*", True),
        ("*", "tickstock:processing:control", True),
        ("tickstock:processing:*", "tickstock:processing:control", True),
        ("tickstock:processing:status", "tickstock:processing:control", False),
        ("tickstock:*:status", "tickstock:commands:*", True),
        ("tickstock:import:*", "tickstock:commands:*", False),
        ("tickstock.*", "tickstock:*", False),
        ("tickstock:[^c]*", "tickstock:commands:*", False),
        ("tickstock:?ommands:x", "tickstock:commands:*", True),
        ("*a", "*b", False),
        ("a*", "*b", True),
        ("", "*", True),
        ("[]", "*", False),
        ("a" * 500 + "*" * 50, "*" * 50 + "b", True),
    ],
)
def test_known_pairs(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected


def test_the_default_pattern_covers_every_command_channel() -> None:
    assert all(overlap("tickstock:*", command) for command in COMMAND_CHANNELS)
