"""The style sheet's colours against each other, in light and in dark: WCAG AA wherever words stand."""

import re
from itertools import product

import pytest

from relay.web.assets import asset

SCHEMES = ("light", "dark")
MOODS = ("good", "bad", "warn", "busy", "wait")
ON_CARDS = ("ink", "dim", *MOODS)
PAIRS = [
    *product(ON_CARDS, ("card", "ground", "code")),
    *((mood, f"{mood}-bg") for mood in MOODS),
    *(("ink", f"{mood}-bg") for mood in MOODS),
]
TEXT, GRAPHICS = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11


def text(file: str) -> str:
    return asset(file).content.decode()


def colours(scheme: str) -> dict[str, str]:
    """The named colours, six digits each."""
    light, dark = re.findall(r":root \{(.*?)\}", text("style.css"), re.DOTALL)
    found = re.findall(r"--([\w-]+): #([0-9a-f]{3,6})\b", light if scheme == "light" else dark)
    return {name: value if len(value) == 6 else "".join(digit * 2 for digit in value) for name, value in found}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_words_can_be_read_on_everything_they_stand_on(scheme: str) -> None:
    known = colours(scheme)
    weak = {(ink, ground): round(contrast(known[ink], known[ground]), 2) for ink, ground in PAIRS}
    assert {pair: value for pair, value in weak.items() if value < TEXT} == {}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_bars_and_borders_can_be_told_from_the_card(scheme: str) -> None:
    known = colours(scheme)
    for name in ("import", "cache", "indicators", "patterns", "usual", "edge"):
        assert contrast(known[name], known["card"]) >= GRAPHICS, name


def test_both_schemes_name_the_same_colours_and_nothing_comes_from_elsewhere() -> None:
    assert colours("light").keys() == colours("dark").keys()
    assert not re.search(r"url\(|@import|https?:", text("style.css") + text("live.js"))
