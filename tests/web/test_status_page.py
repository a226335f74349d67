"""The page from a snapshot: hostile text stays text, parts change with what they show, an empty relay is calm."""

from datetime import timedelta
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.cli.board import board
from relay.status.snapshot import IntakeView, Today
from relay.web.assets import address
from relay.web.status_page import MOOD_COLOURS, PARTS, icon, page, parts
from tests.web.pictures import NOW, a_run, snapshot

HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title></svg></style><script>x</script>",
    "&lt;b&gt; &amp; <!-- ",
    "\u202eright to left\u2066 \x00\x1b[2J",
    "javascript:alert(1)",
]
VOID = {"meta", "link", "br"}


class Reading(HTMLParser):
    """What a browser would make of it: elements with their attributes, and that each is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """The elements and the names of their attributes, whatever the texts are."""
        return [(tag, tuple(sorted(attributes))) for tag, attributes in self.elements]


PLAIN = Reading(page(snapshot("words"))).shape


@pytest.mark.parametrize("text", HOSTILE)
def test_known_attacks_stay_text(text: str) -> None:
    read = Reading(page(snapshot(text)))
    assert read.shape == PLAIN
    assert [attributes.get("src") for name, attributes in read.elements if name == "script"] == [address("live.js")]


@given(st.text(min_size=1, max_size=60))
def test_no_text_from_the_wire_changes_the_document(text: str) -> None:
    assert Reading(page(snapshot("w" + text))).shape == PLAIN


@given(st.text(max_size=40))
def test_what_is_escaped_reads_as_it_was_apart_from_what_cannot_be_seen(text: str) -> None:
    picture = snapshot(today=Today(state="failed", mood="bad", headline="h", detail=f"<{text}>"))
    shown = "".join(Reading(parts(picture)["verdict"]).words)
    read = shown.partition("h\n<")[2].partition(">\n")[0]
    assert not set(shown) & set("\x00\x1b\x9b\u202a\u202b\u202d\u202e\u2066\u2067")
    line_ends = str.maketrans("\r", "\n")  # the same to a browser
    both = zip(text.translate(line_ends), read.translate(line_ends), strict=False)
    assert all(one in (given, "\ufffd") for given, one in both)


def test_every_part_has_its_section_and_a_heading_that_names_it() -> None:
    read = Reading(page(snapshot()))
    sections = {attributes["id"]: attributes for name, attributes in read.elements if name == "section"}
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert set(sections) == set(PARTS)
    assert len(ids) == len(set(ids))
    named = [attributes["aria-labelledby"] for _, attributes in read.elements if "aria-labelledby" in attributes]
    assert set(named) <= set(ids)


def test_charts_are_told_in_words_and_tables_have_captions() -> None:
    read = Reading(page(snapshot()))
    for name, attributes in read.elements:
        if name == "svg" and "x" not in attributes:  # those inside another are told with it
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
        if name == "progress":
            assert attributes["aria-label"]
    names = [name for name, _ in read.elements]
    assert names.count("caption") == names.count("table") == 2
    assert "import 10 min, cache running 10 min, indicators waiting, patterns waiting" in "".join(read.words)


def test_only_parts_whose_facts_have_changed_are_other_markup() -> None:
    before = parts(snapshot())
    errors = [msgspec.structs.replace(snapshot().errors[0], count=4)]
    after = parts(snapshot(errors=errors))
    assert {name for name in before if before[name] != after[name]} == {"errors"}
    moved = parts(snapshot(running=[a_run("words", percent=36)]))
    assert {name for name in before if before[name] != moved[name]} == {"current"}


def test_an_empty_relay_has_a_calm_page() -> None:
    today = Today(state="unknown", mood="waiting", headline="No run is known yet")
    nothing = snapshot(
        today=today, running=[], runs=[], usual=None, firing=[], alerts=[], errors=[], sinks=[], trouble=[],
        intake=IntakeView(subscribed=False, reason="not subscribed to Redis"),
    )  # fmt: skip
    made = parts(nothing)
    assert made["current"] == ""
    assert "none firing" in made["alerts"]
    assert "Not subscribed to Redis" in made["verdict"]
    assert "No alert is firing" in parts(snapshot(firing=[], trouble=[]))["verdict"]
    assert "No run is known yet." in page(nothing)


def test_times_are_new_yorks_with_the_day_where_it_is_another() -> None:
    late = NOW.replace(hour=2)  # 21:30 of the day before in New York
    section = parts(snapshot(intake=IntakeView(subscribed=True, since=late)))["intake"]
    assert "Sun 26 Jan 21:30" in section
    assert 'title="Sun 26 Jan 21:30:00 EST (Mon 02:30:00 UTC)"' in section


def test_ages_are_left_to_the_browser_in_what_is_streamed_and_written_in_the_page() -> None:
    later = snapshot(at=NOW + timedelta(seconds=7))
    assert parts(later) == parts(snapshot())
    assert "1 day" in page(snapshot()) or "24 h" in page(snapshot())


def test_each_mood_has_its_icon() -> None:
    assert all(colour in icon(mood) for mood, colour in MOOD_COLOURS.items())


@given(st.text(max_size=80), st.integers(20, 200), st.integers(12, 60))
def test_top_never_writes_a_line_that_is_too_wide_or_steers_the_terminal(text: str, width: int, height: int) -> None:
    lines = board(snapshot(text), width, height)
    assert len(lines) <= height
    for line in lines:
        assert line.cell_len <= width
        assert line.plain.isprintable() or "\n" not in line.plain
        assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in line.plain)


def test_top_gives_every_part_its_turn_when_there_is_little_room() -> None:
    many = [a_run(str(n), ago=timedelta(days=n), state="completed") for n in range(20)]
    errors = snapshot().errors * 30
    lines = [line.plain for line in board(snapshot(runs=many, errors=errors), 80, 22)]
    assert len(lines) == 22
    for head in ("RUN", "ALERTS", "ERRORS", "SINKS", "INTAKE"):
        assert sum(line.startswith(head) for line in lines) == 1
