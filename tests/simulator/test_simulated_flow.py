"""What the simulator would publish, without publishing it: order, numbers, names, shapes, and fault names."""

import ast
import itertools
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tickstock_simulator
from relay.normalize.normalize import Normalizer
from tests.support.shapes import every_shape, oversized, run_messages
from tickstock_simulator.faults import FAULTS, Faults, parse_fault
from tickstock_simulator.flow import Run, new_run_id
from tickstock_simulator.malformed import malformed
from tickstock_simulator.wire import Message, symbols

CONTRACT_ORDER = [
    "tickstock:processing:status",
    "tickstock:import:started",
    "tickstock:import:progress",
    "tickstock:import:completed",
    "tickstock:cache:started",
    "tickstock:cache:completed",
    "tickstock:indicators:started",
    "tickstock:indicators:progress",
    "tickstock:indicators:completed",
    "tickstock:patterns:started",
    "tickstock:patterns:progress",
    "tickstock:patterns:completed",
    "tickstock:processing:status",
]
CONTRACT_CHANNELS = {
    *CONTRACT_ORDER,
    "tickstock:processing:schedule",
    "tickstock:cache:progress",
    "tickstock:indicators:calculated",
    "tickstock:patterns:detected",
    "tickstock:monitoring",
    "tickstock:errors",
}
PER_ITEM = ("tickstock:indicators:calculated", "tickstock:patterns:detected")


def a_run(**changes: object) -> Run:
    return Run(new_run_id(1), **changes)  # type: ignore[arg-type]


def channels_without_repeats(messages: list[Message]) -> list[str]:
    names = [message.channel for message in messages if message.channel not in PER_ITEM]
    return [name for name, _ in itertools.groupby(names)]


def test_a_run_follows_the_thirteen_steps_of_the_contract() -> None:
    messages = list(run_messages(a_run()))
    assert channels_without_repeats(messages) == CONTRACT_ORDER
    assert json.loads(messages[0].body)["event"] == "processing_started"
    assert json.loads(messages[-1].body)["event"] == "processing_completed"


def test_a_run_takes_35_minutes_for_505_symbols_and_its_patterns_20() -> None:
    messages = list(run_messages(a_run()))
    last = json.loads(messages[-1].body)
    patterns = next(json.loads(m.body) for m in messages if m.channel == "tickstock:patterns:completed")
    assert last["payload"]["duration_seconds"] == 2100
    assert last["payload"]["symbols_processed"] == 505
    assert last["timestamp"] == "2025-01-27T21:45:00Z"
    assert patterns["payload"] == {
        "run_id": new_run_id(1),
        "total_symbols": 505,
        "patterns_detected": 1250,
        "success_rate": 99.0,
        "duration_seconds": 1200,
    }


def test_progress_comes_every_five_seconds_in_the_contracts_form() -> None:
    progress = [m for m in run_messages(a_run()) if m.channel == "tickstock:import:progress"]
    gaps = {round(later.offset - earlier.offset, 3) for earlier, later in itertools.pairwise(progress)}
    assert gaps == {5.0}
    assert len(progress) == 119
    assert list(json.loads(progress[0].body)["payload"]) == [
        "run_id",
        "completed_symbols",
        "total_symbols",
        "percent_complete",
        "current_symbol",
        "eta_seconds",
    ]


def test_all_single_results_are_published_when_they_are_asked_for() -> None:
    counts = Counter(message.channel for message in run_messages(a_run(items=1.0)))
    assert counts["tickstock:indicators:calculated"] == 7575
    assert counts["tickstock:patterns:detected"] == 1250
    assert not set(PER_ITEM) & set(Counter(m.channel for m in run_messages(a_run(items=0.0))))


def test_time_never_goes_back_within_a_run() -> None:
    offsets = [message.offset for message in run_messages(a_run(items=1.0))]
    assert offsets == sorted(offsets)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert list(run_messages(a_run(seed=7))) == list(run_messages(a_run(seed=7)))
    assert list(run_messages(a_run(seed=7))) != list(run_messages(a_run(seed=8)))
    assert new_run_id(1) != new_run_id(2)


def test_older_names_keep_the_order_and_change_events_and_numbers() -> None:
    messages = list(run_messages(a_run(), older=True))
    bodies = [json.loads(message.body) for message in messages]
    events = {body["event"] for body in bodies}
    assert {
        "daily_processing_started",
        "daily_processing_progress",
        "daily_processing_completed",
        "data_import_started",
        "data_import_completed",
        "job_progress_update",
    } <= events
    assert not events & {"processing_started", "processing_completed", "import_started", "import_completed"}
    beside = ("daily_processing_progress", "job_progress_update")
    kept = [message for message, body in zip(messages, bodies, strict=True) if body["event"] not in beside]
    assert channels_without_repeats(kept) == CONTRACT_ORDER
    percents = [b["payload"]["percent_complete"] for b in bodies if b["event"] == "import_progress"]
    assert percents[0] == "0.8"
    assert isinstance(
        next(b for b in bodies if b["event"] == "data_import_completed")["payload"]["failed_symbols"], list
    )
    assert bodies[-1]["payload"]["status"] == "success"


def test_every_shape_covers_the_18_channels_of_the_contract_and_those_of_the_wire_notes() -> None:
    shapes = every_shape()
    channels = {channel for channel, _, _ in shapes}
    assert len(CONTRACT_CHANNELS) == 18
    assert {
        *CONTRACT_CHANNELS,
        *("tickstock:streaming:session_started", "tickstock:streaming:session_stopped", "tickstock:streaming:health"),
        *("tickstock:patterns:streaming", "tickstock:indicators:streaming", "tickstock:alerts:indicators"),
        *("tickstock:market:ticks", "tickstock:alerts:critical", "tickstock:streaming:persistence"),
        *("tickstock:cache:sync_triggered", "tickstock:cache:sync_complete", "tickstock:cache:ipo_assignment"),
        *("tickstock:cache:delisting_cleanup", "tickstock:universe:updated", "tickstock:data:import:status"),
        *("tickstock:producer:heartbeat", "tickstock:job:status", "tickstock:eod:completion"),
    } <= channels
    assert [channel for channel, _, _ in shapes[:18]] == sorted(channels, key=[c for c, _, _ in shapes].index)[:18]
    assert all(isinstance(json.loads(body), dict) for _, body, _ in shapes)
    assert len({what for _, _, what in shapes}) == len(shapes)


def test_nothing_malformed_is_a_json_object() -> None:
    listed = malformed()
    assert len(listed) >= 10
    assert len({body for _, body, _ in listed}) == len(listed)
    assert [why for _, body, why in listed if _is_read(body)] == []


def _is_read(body: bytes) -> bool:
    """By the relay: how deep Python's own reader goes depends on its version."""
    events, unreadable = Normalizer().read_all([(b"tickstock:errors:x", body, 1)], datetime.now(UTC), "s1")
    assert len(events) + len(unreadable) == 1
    return bool(events)


def test_an_oversized_message_is_a_sound_event_of_exactly_that_size() -> None:
    channel, body, _ = oversized(100_000)
    assert len(body) == 100_000
    assert json.loads(body)["event"] == "error"
    assert channel in CONTRACT_CHANNELS


def test_the_symbols_are_distinct_and_always_the_same() -> None:
    assert len(set(symbols(505))) == 505
    assert symbols(505)[:70] == symbols(70)


def test_the_simulator_shares_no_code_with_the_relay() -> None:
    package = Path(tickstock_simulator.__file__).parent
    imported = set()
    for file in package.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
    assert any(name.startswith("tickstock_simulator") for name in imported)
    assert {name for name in imported if name.split(".")[0] in ("relay", "sinks")} == set()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nope", "there is no fault 'nope'"),
        ("stall", "stall:PHASE[:SECONDS], PHASE one of import, cache, indicators, patterns"),
        ("stall:lunch", "PHASE one of"),
        ("stall:import:soon", "'soon' is not a number"),
        ("stall:import:5:6", "too much after the name"),
        ("ticks:-1", "'-1' is not a number of 0 or more"),
        ("ticks:nan", "'nan' is not a number of 0 or more"),
        ("no-completion:3", "too much after the name"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_what_would_be_right(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_fault(text)
    assert complaint in str(refused.value)


def test_faults_are_written_as_they_were_asked_for() -> None:
    faults = Faults(["stall:import:30", "fast-restart", "ticks", "stall:patterns"])
    assert faults.names() == ["stall:import:30", "overlap", "ticks:64", "stall:patterns"]
    assert set(FAULTS) >= {"never-starts", "html-in-error"}
    faults.discard("stall")
    assert str(faults) == "overlap, ticks:64"
