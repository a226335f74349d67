"""The state of a run for a page that comes late: kept up to date, repeated until it ends, and not for ever."""

import fakeredis

from sinks.socketio.run_state import SILENT
from sinks.testing import NOON, make_event
from tests.support.shapes import run_messages
from tests.support.socketio_sink import Queue, normalized, progress, started
from tickstock_simulator.flow import Run


async def test_a_late_page_gets_the_state_of_the_run_until_it_ends(server: fakeredis.FakeServer, queue: Queue) -> None:
    messages = list(run_messages(Run(run_id="r1", symbols=40, items=0)))
    half = next(i for i, each in enumerate(messages) if each.channel == "tickstock:indicators:progress") + 5
    alert = make_event({"alert": "slow:r1", "state": "firing"}, channel="relay:alert:slow", event="slow")
    async with started(server) as sink:
        events = [normalized(each.channel, each.body) for each in messages]
        await sink.deliver([*events[:half], alert, make_event(run_id="r1")], "d1")
        queue.emits()
        await sink.repeat_states()
        ((name, state),) = queue.emits()
        assert name == "run_state"
        assert {phase: its["status"] for phase, its in state["phases"].items()} == {
            "import": "completed",
            "cache": "completed",
            "indicators": "running",
        }
        assert state["phases"]["import"]["percent"] == 100.0
        assert 0 < state["phases"]["indicators"]["percent"] < 100
        assert (state["run_id"], state["status"], state["errors"]) == ("r1", "running", 1)
        assert [each["alert"] for each in state["alerts"]] == ["slow:r1"]
        await sink.deliver(events[half:], "d2")
        last = queue.emits()[-1]
        assert (last[0], last[1]["status"]) == ("run_state", "completed")
        await sink.repeat_states()
    assert queue.emits() == []


async def test_a_run_whose_end_was_missed_is_not_repeated_for_ever(server: fakeredis.FakeServer, queue: Queue) -> None:
    clock = [NOON]
    async with started(server, now=lambda: clock[0]) as sink:
        await sink.deliver([progress()], "d1")
        queue.emits()
        clock[0] += SILENT
        await sink.repeat_states()
    assert queue.emits() == []


async def test_what_the_relay_found_out_changes_the_state(server: fakeredis.FakeServer, queue: Queue) -> None:
    found = {"state": "failed", "phases": {"cache": {"state": "failed", "percent": 12.0}, "other": 1}}
    phase = make_event(found, channel="relay:run:phase_failed", event="phase_failed", run_id="r1")
    ended = make_event(found, channel="relay:run:failed", event="run_failed", run_id="r1")
    async with started(server) as sink:
        await sink.deliver([progress(), phase, ended], "d1")
    emits = queue.emits()
    assert [name for name, _ in emits] == ["import_progress", "run_state"]
    assert emits[1][1]["status"] == "failed"
    assert emits[1][1]["phases"]["cache"] == {"status": "failed", "percent": 12.0}


async def test_a_repeated_delivery_counts_an_error_once(server: fakeredis.FakeServer, queue: Queue) -> None:
    async with started(server) as sink:
        await sink.deliver([progress()], "d0")
        for _ in range(2):
            await sink.deliver([make_event(run_id="r1")], "d1")
        queue.emits()
        await sink.repeat_states()
    assert queue.emits()[0][1]["errors"] == 1
