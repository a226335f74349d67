"""Which errors are the same: one answer for the page and for Slack."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Event
from relay.events.errors import error_group, error_message
from relay.runs.recent import Recent
from relay.store.shelf import MemoryShelf
from sinks.slack.repeats import fingerprint
from tests.support.examples import examples
from tests.support.wire import event, utc

NOW = utc("2025-01-27 21:10")
ROOT = Path(__file__).parents[2]


def error(message: str, **more: Any) -> Event:
    return event("errors", "error", NOW, component="db", error_code="E1", message=message, **more)


def groups_on_page(*events: Event) -> int:
    recent = Recent(MemoryShelf())
    recent.observe(events, NOW)
    return len(recent.error_groups())


def groups_in_slack(*events: Event) -> int:
    return len({fingerprint(one) for one in events})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("job 550e8400-e29b-41d4-a716-446655440000 failed", "job aabbccdd-eeff-4abc-8def-aabbccddeeff failed"),
        ("job 550E8400-E29B-41D4-A716-446655440000 failed", "job 9f1c2b3a-0000-4000-8000-0123456789ab failed"),
        ("trace 550e8400e29b41d4a716446655440000", "trace deadbeefcafe4abc9defaabbccddeeff"),
        ("request 01ARZ3NDEKTSV4RRFFQ69G5FAV", "request 01BX5ZZKBKACTAV9WEVGEMMVRZ"),
        ("at 0xdeadbeef, attempt 3 after 30.5 s", "at 0xcafe, attempt 12 after 7 s"),
    ],
)
def test_errors_that_differ_in_an_id_are_one_group_on_page_and_in_slack(one: str, other: str) -> None:
    pair = (error(one), error(other))
    assert groups_on_page(*pair) == groups_in_slack(*pair) == 1


def test_errors_that_differ_in_the_symbol_or_run_that_they_name_are_one_group() -> None:
    pair = (error("no quotes for AAPL", symbol="AAPL"), error("no quotes for BRK.B", context={"symbol": "BRK.B"}))
    assert groups_on_page(*pair) == groups_in_slack(*pair) == 1
    runs = (error("run daily-a broke off", run_id="daily-a"), error("run daily-b broke off", run_id="daily-b"))
    assert groups_on_page(*runs) == groups_in_slack(*runs) == 1


@pytest.mark.parametrize(
    "other",
    [
        error("Refused"),
        error("Timeout", severity="critical"),
        event("errors", "error", NOW, component="api", error_code="E1", message="Timeout"),
        event("errors", "error", NOW, component="db", error_code="E2", message="Timeout"),
    ],
)
def test_errors_that_say_something_else_are_two(other: Event) -> None:
    pair = (error("Timeout"), other)
    assert groups_on_page(*pair) == groups_in_slack(*pair) == 2


def test_words_of_hex_letters_are_words() -> None:
    assert error_group(error("decade facade")) != error_group(error("decade effaced"))


@examples(200)
@given(first=st.uuids(), second=st.uuids(), text=st.text(max_size=60))
def test_page_and_slack_agree(first: UUID, second: UUID, text: str) -> None:
    pair = (error(f"{text} {first}"), error(f"{text} {second}"))
    assert groups_on_page(*pair) == groups_in_slack(*pair) == 1


def test_a_group_can_be_named_in_a_command_and_is_the_same_tomorrow() -> None:
    group = error_group(error("Timeout after 3 s"))
    assert re.fullmatch("[0-9a-f]{12}", group)
    assert group == error_group(event("errors", "error", utc("2025-02-01 21:10"), **error("Timeout after 9 s").payload))


def test_an_error_says_its_words_under_several_names() -> None:
    assert error_message(event("errors", "error", NOW, error_message="refused")) == "refused"
    assert error_message(event("errors", "error", NOW, component="db")) is None


def test_nobody_else_decides_which_errors_are_the_same() -> None:
    for folder in ("relay", "sinks"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != ROOT / "relay" / "events" / "errors.py":
                source = path.read_text()
                assert "0x[0-9a-f]" not in source, f"{path}: use error_group"
                assert 'sub("#"' not in source, f"{path}: use error_group"
