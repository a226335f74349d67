"""A message to Slack is never more than Slack takes, and harmless, whatever comes."""

import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Event, Mark, Phase
from sinks.slack import render
from sinks.slack.incident import Incident, incident_of
from sinks.slack.message import Message
from sinks.slack.text import width
from sinks.testing import HOSTILE_TEXTS, make_event
from tests.support import incidents
from tests.support.examples import examples
from tests.support.slack_texts import compose, texts_in
from tickstock_simulator.slack_limits import refusal

MOST_TEXT = 9000
MOST_JSON = 60_000


@pytest.mark.parametrize("character", ["x", "&", "<", "\U0001f600", "`", "@here"])
def test_the_largest_of_all_errors_keeps_within_the_limits(character: str) -> None:
    text = character * 20_000
    payload = dict.fromkeys(("component", "error_code", "category", "message", "traceback"), text)
    context = {f"{text}{number}": text for number in range(30)}
    event = make_event(
        {**payload, "context": context}, source=text, run_id=text, channel=f"x:{text}", phase=Phase.IMPORT
    )
    event.marks = Mark.UNDATED | Mark.RECONSTRUCTED
    assert_within_limits(compose([event] * 2))


@pytest.mark.thorough
@pytest.mark.parametrize("character", ["x", "&", "<", "\U0001f600", "`", "@here", "*", "|", "~a"])
@pytest.mark.parametrize("state", ["firing", "over"])
def test_the_largest_of_all_incidents_keeps_within_the_limits(character: str, state: str) -> None:
    text = character * 6_000
    largest = _filled(incidents.is_over() | {"again": {"text": "", "url": ""}, "quote": ""}, text)
    read = incident_of(incidents.as_event(largest | {"state": state, "severity": "critical", "highest": "critical"}))
    assert read is not None
    for message in every_message(read):
        assert_within_limits(message.body())
        assert len(message.blocks) <= 6


def _filled(value: Any, text: str) -> Any:
    """With `text` in place of every text, and lists much longer than they may be."""
    if isinstance(value, dict):
        return {name: _filled(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, text) for inner in (value * 60)[:60]]
    return text if isinstance(value, str) or value is None else value


def every_message(incident: Incident) -> Iterator[Message]:
    """All that is ever posted of a state."""
    yield render.message(incident, "<!channel> <@U012AB3CD>")
    yield render.message(incident, is_struck=False)
    yield render.worse(incident, "<!channel>")
    yield render.cleared(incident)
    yield render.other_errors(incident)
    yield from (render.note(incident, line) for line in incident.notes[:3])
    yield from (render.errors_of(incident, group) for group in incident.errors.kinds[:3])


def assert_within_limits(message: dict[str, Any]) -> None:
    assert refusal(message) is None
    assert sum(map(width, texts_in(message["blocks"]))) <= MOST_TEXT
    assert len(json.dumps(message)) <= MOST_JSON


wire_text = st.text(max_size=12) | st.sampled_from(HOSTILE_TEXTS)
wire_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | wire_text,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(wire_text, inner, max_size=12),
    max_leaves=15,
)
ERROR_NAMES = ["severity", "component", "error_code", "message", "error", "traceback", "stack_trace", "context"]
OTHER_NAMES = [
    "category",
    "phase",
    "alert",
    "state",
    "title",
    "facts",
    "symbol",
    "run_id",
    "job_id",
    "duration_seconds",
]
names = st.sampled_from(ERROR_NAMES + OTHER_NAMES)
payloads = st.dictionaries(names | wire_text, wire_values, max_size=16)
events = st.builds(
    make_event,
    payloads.map(lambda payload: json.loads(json.dumps(payload).replace("\\ud", "\\u0d"))),
    channel=st.sampled_from(["tickstock:errors", "tickstock:monitoring", "relay:alert:x"]) | wire_text,
    event=st.sampled_from(["error", "pattern_detected"]) | wire_text,
    source=st.none() | wire_text,
    run_id=st.none() | wire_text,
    severity=st.sampled_from(["debug", "critical", "emergency"]),
    at=st.datetimes(timezones=st.just(UTC)),
    marks=st.sampled_from(list(Mark)),
)


@pytest.mark.thorough
@examples(50)
@given(st.lists(events, min_size=1, max_size=12))
def test_no_event_breaks_slacks_limits(several: list[Event]) -> None:
    message = compose(several)
    assert_within_limits(message)
    assert 0 < len(message["blocks"]) <= 10
    for text in texts_in(message):
        assert_harmless(text)
        assert "<" not in text


def assert_harmless(text: str) -> None:
    assert text.strip()
    text.encode()  # no half characters
    assert not set(text) & set(map(chr, (*range(9), *range(11, 32), 0x202E)))


hostile_states = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["firing", "eased", "over", "running", "?"]),
        "severity": wire_text | st.just("critical"),
    },
    optional={
        **dict.fromkeys(("title", "text", "cause", "quote", "silence", "url", "runbook", "source", "kind"), wire_text),
        "data": st.fixed_dictionaries(dict.fromkeys(("word", "label", "short", "sentence"), wire_text)),
        "phases": st.lists(st.fixed_dictionaries({"mark": wire_text, "text": wire_text, "strong": st.booleans()})),
        "actions": st.lists(st.fixed_dictionaries({"text": wire_text, "command": st.none() | wire_text})),
        "again": st.none() | st.fixed_dictionaries({"text": wire_text, "url": wire_text}),
        "cleared": st.fixed_dictionaries(dict.fromkeys(("text", "by_name", "by_url"), wire_text)),
        "context": st.lists(wire_text, max_size=12),
        "notes": st.lists(st.fixed_dictionaries({"text": wire_text, "change": wire_text, "number": st.integers(0, 9)})),
        "errors": st.fixed_dictionaries(
            {
                "more_groups": st.integers(0, 99),
                "list": st.lists(
                    st.fixed_dictionaries(dict.fromkeys(("id", "title", "text", "message", "context"), wire_text)),
                    max_size=3,
                ),
            }
        ),
    },
)


@examples(50)
@given(hostile_states)
def test_no_incident_breaks_slacks_limits(state: dict[str, Any]) -> None:
    incident = msgspec.convert({"incident": "r1"} | without_nulls(state), Incident)
    for message in every_message(incident):
        body = message.body()
        assert_within_limits(body)
        assert len(body["blocks"]) <= 6
        assert width(unescaped(body["text"])) <= 150
        for text in texts_in(body):
            assert_harmless(text)
            assert not {"<!channel>", "<!here>"} & set(text.replace("<!channel> <@U012AB3CD>", "").split()[2:])


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(value), object_hook=lambda one: {k: v for k, v in one.items() if v is not None})  # type: ignore[no-any-return]


def unescaped(text: str) -> str:
    """As it is read."""
    for written, read in (("<!channel>", "@channel"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(written, read)
    return text
