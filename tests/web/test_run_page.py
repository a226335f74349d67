"""The page of a run from its report: every state has one, hostile text stays text, filters work without script."""

from datetime import timedelta

import pytest

from relay.status.run_report import RunReport
from relay.web.run_page import EventFilter, is_live, page, parts
from tests.support.days import DUE, SCHEDULE, a_run
from tests.support.reported import ReportedWorld
from tests.support.wire import upto
from tests.web.test_status_page import HOSTILE, Reading

MILESTONES = EventFilter()
LARGEST = 25_000


def a_report(text: str = "words", *, is_over: bool = True) -> RunReport:
    """A run with one of everything; `text` stands wherever the wire could put it."""
    world = ReportedWorld(DUE - timedelta(days=8), schedule=SCHEDULE)
    for number in range(8, 0, -1):
        world.play(a_run(DUE - timedelta(days=number), f"before-{number}"), step=3600)
    world.until(DUE, 3600)
    begun = a_run(DUE, start_with={"universe": text, "trigger_type": "automatic"})
    world.play(upto(begun, "indicator_processing_started"), step=60)
    for number in range(12):
        world.tell(
            "errors", "error", message=f"{text} {number}", error_code=text, component=text, severity="error",
            recovery_action=text, traceback=text, context={text or "k": text}, run_id="r1",
        )  # fmt: skip
    world.tell("indicators:progress", "indicator_progress", run_id="r1", percent_complete=30, current_symbol=text)
    world.pass_(20)
    world.tell("indicators:progress", "indicator_progress", run_id="r1", percent_complete=31, current_symbol=text)
    world.pass_(1)
    if is_over:
        world.tell("processing:status", "processing_completed", run_id="r1", status="failed", error=text)
        world.pass_(1)
    return world.report("r1")


PLAIN = Reading(page(a_report(), MILESTONES)).shape


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    read = Reading(page(a_report(text), MILESTONES))
    assert read.shape == PLAIN
    assert all(not str(attributes.get("href", "")).startswith("javascript") for _, attributes in read.elements)


@pytest.mark.parametrize("is_over", [True, False])
def test_a_page_is_small_and_says_what_its_report_says(is_over: bool) -> None:
    report = a_report(is_over=is_over)
    text = page(report, MILESTONES)
    read = Reading(text)
    words = "".join(read.words)
    assert len(text.encode()) < LARGEST
    assert report.verdict.headline in words
    assert report.data.word.value in words
    assert all(step.text in words for step in report.steps)
    assert "12 \N{MULTIPLICATION SIGN}" in words
    headings = [name for name, _ in read.elements if name in ("h1", "h2")]
    assert headings.count("h1") == 1
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_pictures_are_told_in_words_and_every_table_has_a_caption() -> None:
    read = Reading(page(a_report(), MILESTONES))
    names = [name for name, _ in read.elements]
    assert names.count("caption") == names.count("table")
    for name, attributes in read.elements:
        if name == "svg" and "x" not in attributes:  # those inside another are hidden with it
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
    assert "no progress since" in "".join(read.words)


def test_an_open_run_streams_only_what_has_changed_and_an_ended_one_without_alerts_nothing() -> None:
    report = a_report(is_over=False)
    assert is_live(report)
    before = parts(report, MILESTONES)
    assert parts(report, MILESTONES) == before
    ended = a_report()
    ended.alerts = []
    assert not is_live(ended)
    assert "data-stream" not in page(ended, MILESTONES)


@pytest.mark.parametrize(
    ("show", "phase", "has", "has_not"),
    [
        ("milestones", "", "Run ended: failed", "import_progress"),
        ("all", "", "import_progress", "Run ended"),
        ("all", "indicators", "indicator_progress", "import_progress"),
        ("warnings", "", "words: words 11", "import_progress"),
        ("nonsense", "nonsense", "Run ended: failed", "import_progress"),
    ],
)
def test_events_are_filtered_by_links(show: str, phase: str, has: str, has_not: str) -> None:
    section = parts(a_report(), EventFilter.asked(show, phase))["events"]
    words = "".join(Reading(section).words)
    assert has in words
    assert has_not not in words
    current = [attributes for name, attributes in Reading(section).elements if "aria-current" in attributes]
    assert len(current) == 2


@pytest.mark.parametrize("minutes", [-60, 2, 10, 300])
def test_a_day_without_a_run_has_a_page(minutes: int) -> None:
    world = ReportedWorld(DUE - timedelta(hours=20), schedule=SCHEDULE)
    world.until(DUE + timedelta(minutes=minutes), 60)
    report = world.report("2025-01-27")
    text = page(report, MILESTONES)
    assert report.verdict.headline in text
    assert 'id="events"' not in text
    Reading(text)
