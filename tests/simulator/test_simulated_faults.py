"""Each fault as it shows on the wire or at the API, with a real Valkey in between."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulator.hearing import Hearing
from tests.simulator.test_simulated_runs import FAST, MONDAY, Log
from tests.support import eventually
from tickstock_simulator.disturbance import SCRIPT
from tickstock_simulator.faults import ALIASES, FAULTS
from tickstock_simulator.malformed import malformed
from tickstock_simulator.tickstockpl import Simulator

STATUS = "tickstock:processing:status"


async def one_run(redis_url: str, hearing: Hearing, faults: Iterable[str], **options: Any) -> Simulator:
    """A whole run with these faults; everything that was published has been heard when it returns."""
    simulator = Simulator(redis_url, **{"speed": FAST, "run": "now", "faults": faults, **options})
    async with simulator, asyncio.timeout(120):
        await simulator.wait_until_done()
        await hearing.until(lambda: len(hearing.messages) == simulator.publisher.sent.total())
    return simulator


def run_ids(hearing: Hearing) -> set[str]:
    bodies = hearing.events()
    return {body["payload"]["run_id"] for body in bodies if "run_id" in body.get("payload", {})}


def positions(hearing: Hearing, *channels: str) -> list[int]:
    names = [channel for channel, _ in hearing.messages]
    return [names.index(channel) for channel in channels]


def test_every_fault_is_tried_here() -> None:
    asked = re.findall(r'(?:\[|inject\(|", )f?"([a-z-]+)[":]', Path(__file__).read_text(encoding="utf-8"))
    assert set(FAULTS) <= {ALIASES.get(name, name) for name in asked}


async def test_never_starts_publishes_nothing_but_a_manual_trigger_works(redis_url: str, hearing: Hearing) -> None:
    log = Log()
    async with Simulator(
        redis_url, speed=FAST, start=MONDAY, run="scheduled", runs=1, faults=["never-starts"], say=log
    ) as simulator:
        async with asyncio.timeout(120):
            await simulator.wait_until_done()
        assert log.count("run_never_starts") == 1
        assert hearing.messages == []
        assert simulator.trigger() is not None
        await hearing.completed()
    assert hearing.events(event="processing_started")[0]["payload"]["trigger_type"] == "manual"


async def test_a_run_that_never_starts_starts_late_when_the_fault_is_cleared(redis_url: str, hearing: Hearing) -> None:
    log = Log()
    async with Simulator(redis_url, speed=FAST, run="now", faults=["never-starts"], say=log) as simulator:
        await eventually(lambda: log.count("run_never_starts"))
        await simulator.inject(clear=True)
        await hearing.completed()


async def test_a_stall_halts_the_phase_half_way_and_all_later_times_move(redis_url: str, hearing: Hearing) -> None:
    simulator = await one_run(
        redis_url, hearing, ["stall:import:900"], start=MONDAY, clock="simulated", run="scheduled", runs=1
    )
    progress = [event["timestamp"] for event in hearing.events("tickstock:import:progress")]
    moments = [datetime.fromisoformat(stamp) for stamp in progress]
    gaps = {round((later - earlier).total_seconds()) for earlier, later in itertools.pairwise(moments)}
    assert gaps == {5, 905}
    assert hearing.events("tickstock:import:completed")[0]["payload"]["duration_seconds"] == 1500
    assert hearing.events(event="processing_completed")[0]["payload"]["duration_seconds"] == 3000
    assert hearing.events(event="processing_completed")[0]["timestamp"] == "2025-01-27T22:00:00Z"
    assert simulator.finished[0].phase_seconds["import"] == 1500


async def test_a_stall_without_end_lasts_until_it_is_cleared(redis_url: str, hearing: Hearing) -> None:
    log = Log()
    async with Simulator(redis_url, speed=FAST, run="now", faults=["stall:indicators"], say=log) as simulator:
        await eventually(lambda: log.count("run_stalls"))
        await hearing.until(lambda: len(hearing.messages) == simulator.publisher.sent.total())
        heard = len(hearing.messages)
        assert simulator.current is not None
        assert simulator.current.current_phase == "indicators"
        await asyncio.sleep(0.2)  # 20 simulated minutes in which nothing must come
        assert len(hearing.messages) == heard
        await simulator.inject(clear=True)
        await hearing.completed()
    assert log.count("run_goes_on") == 1


async def test_an_error_burst_repeats_one_error(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["error-burst:120"])
    errors = hearing.events("tickstock:errors", "error")
    assert len(errors) == 120
    assert {error["payload"]["error_code"] for error in errors} == {"RATE_LIMIT_EXCEEDED"}


async def test_malformed_messages_come_byte_for_byte_in_the_middle_of_a_sound_run(
    redis_url: str, hearing: Hearing
) -> None:
    await one_run(redis_url, hearing, ["malformed"])
    bodies = [message for message in hearing.messages if message in [(c, b) for c, b, _ in malformed()]]
    assert bodies == [(channel, body) for channel, body, _ in malformed()]
    assert hearing.events(event="processing_completed")


async def test_older_names_replace_the_contracts(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["older-names"])
    assert hearing.events(STATUS, "daily_processing_started")
    assert hearing.events(STATUS, "daily_processing_completed")[0]["payload"]["status"] == "success"
    assert hearing.events("tickstock:monitoring", "job_progress_update")
    assert not hearing.events(event="processing_started")


async def test_streaming_brings_health_each_minute_detections_and_monitoring(redis_url: str, hearing: Hearing) -> None:
    async with Simulator(redis_url, speed=600, faults=["streaming"]) as simulator:
        await hearing.until(lambda: len(hearing.events("tickstock:streaming:health")) >= 3)
        await hearing.until(lambda: len(hearing.events("tickstock:*:streaming")) >= 12)
        await simulator.inject(clear=True)
    assert hearing.messages[0][0] == "tickstock:streaming:session_started"
    assert "session_id" in hearing.events("tickstock:streaming:session_started")[0]["data"]
    first, second = (datetime.fromisoformat(e["timestamp"]) for e in hearing.events("tickstock:streaming:health")[:2])
    assert abs((second - first).total_seconds() - 0.1) < 0.01  # a minute at 600 times the speed
    assert {each["event_type"] for each in hearing.events("tickstock:monitoring")} == {"METRIC_UPDATE", "HEALTH_CHECK"}
    assert all("detection" in each for each in hearing.events("tickstock:patterns:streaming"))
    assert all("calculation" in each for each in hearing.events("tickstock:indicators:streaming"))


async def test_ticks_come_at_their_rate_in_real_seconds_and_have_no_name(redis_url: str, hearing: Hearing) -> None:
    async with Simulator(redis_url, speed=60, faults=["ticks:400"]):
        await hearing.until(lambda: hearing.messages)
        began = time.monotonic()
        await hearing.until(lambda: len(hearing.messages) >= 400)
        took = time.monotonic() - began
    assert took > 0.8
    assert all(set(tick) == {"symbol", "price", "volume", "timestamp"} for tick in hearing.events())
    assert {channel for channel, _ in hearing.messages} == {"tickstock:market:ticks"}


async def test_no_completion_ends_the_run_without_a_word(redis_url: str, hearing: Hearing) -> None:
    simulator = await one_run(redis_url, hearing, ["no-completion"])
    assert hearing.messages[-1][0] == "tickstock:patterns:completed"
    assert not hearing.events(event="processing_completed")
    assert simulator.current is None
    assert simulator.history[-1].status == "completed"


async def test_api_down_refuses_connections_and_comes_back_on_the_same_port(redis_url: str) -> None:
    async with Simulator(redis_url) as simulator, httpx.AsyncClient(timeout=120) as client:
        assert (await client.get(f"{simulator.url}/health")).status_code == 200
        url = simulator.url
        await simulator.inject("api-down")
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/health")
        await simulator.inject(clear=True)
        assert simulator.url == url
        assert (await client.get(f"{url}/health")).status_code == 200


async def test_api_down_for_a_time_is_over_after_it(redis_url: str) -> None:
    log = Log()
    async with (
        Simulator(redis_url, speed=60, faults=["api-down:30"], say=log) as simulator,
        httpx.AsyncClient() as client,
    ):
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{simulator.url}/health")
        await eventually(lambda: simulator.is_up)
        assert (await client.get(f"{simulator.url}/health")).status_code == 200
    assert log.count("api_up") == 1


async def test_api_slow_answers_late_in_real_seconds(redis_url: str) -> None:
    async with Simulator(redis_url, speed=60, faults=["api-slow:0.4"]) as simulator, httpx.AsyncClient() as client:
        began = time.monotonic()
        assert (await client.get(f"{simulator.url}/api/processing/status")).status_code == 200
        assert time.monotonic() - began >= 0.4
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"{simulator.url}/health", timeout=httpx.Timeout(120, read=0.1))


@pytest.mark.parametrize("phase", ["import", "cache", "indicators", "patterns"])
async def test_a_run_can_fail_in_each_phase(redis_url: str, hearing: Hearing, phase: str) -> None:
    simulator = await one_run(redis_url, hearing, [f"fails-at:{phase}"])
    assert hearing.messages[-2][0] == "tickstock:errors"
    error = hearing.events("tickstock:errors", "critical_error")[0]["payload"]
    assert (error["severity"], error["context"]["phase"]) == ("critical", phase)
    assert "recovery_action" in error
    assert (await hearing.completed())["status"] == "failed"
    assert not hearing.events(f"tickstock:{phase}:completed")
    assert simulator.history[-1].status == "failed"


async def test_zero_results_claims_to_have_completed(redis_url: str, hearing: Hearing) -> None:
    simulator = await one_run(redis_url, hearing, ["zero-results"])
    ended = await hearing.completed()
    assert ended["status"] == "completed"
    assert (ended["symbols_processed"], ended["patterns_detected"], ended["indicators_calculated"]) == (0, 0, 0)
    assert hearing.events("tickstock:patterns:completed")[0]["payload"]["patterns_detected"] == 0
    assert simulator.history[-1].patterns_detected == 0


async def test_low_success_is_in_the_phases_results(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["low-success:40"])
    imported = hearing.events("tickstock:import:completed")[0]["payload"]
    assert (imported["success_rate"], imported["failed_symbols"], imported["successful_symbols"]) == (40, 303, 202)
    assert hearing.events("tickstock:patterns:completed")[0]["payload"]["success_rate"] == 40


async def test_too_fast_takes_a_tenth_of_the_time(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["too-fast"], start=MONDAY, clock="simulated")
    assert (await hearing.completed())["duration_seconds"] == 210
    assert hearing.events("tickstock:patterns:completed")[0]["payload"]["duration_seconds"] == 120
    assert len(hearing.events("tickstock:import:progress")) == 119


async def test_nothing_is_heard_of_a_missing_phase(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["missing-phase:indicators"])
    assert not hearing.events("tickstock:indicators:*")
    assert hearing.events("tickstock:patterns:completed")
    assert await hearing.completed()


async def test_out_of_order_ends_a_phase_after_the_next_one_has_started(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["out-of-order"])
    started, completed = positions(hearing, "tickstock:cache:started", "tickstock:import:completed")
    assert started < completed
    started, completed = positions(hearing, "tickstock:patterns:started", "tickstock:indicators:completed")
    assert started < completed
    assert len(hearing.events("tickstock:*:completed")) == 4
    assert hearing.messages[-1][0] == STATUS


async def test_overlap_has_two_runs_at_once(redis_url: str, hearing: Hearing) -> None:
    simulator = await one_run(redis_url, hearing, ["fast-restart"])
    assert simulator.faults.names() == ["overlap"]
    kinds = [json.loads(body)["event"] for channel, body in hearing.messages if channel == STATUS]
    assert kinds == ["processing_started", "processing_started", "processing_completed", "processing_completed"]
    assert len(run_ids(hearing)) == 2
    assert {run.run.trigger_type for run in simulator.finished} == {"automatic", "manual"}


async def test_a_wrong_clock_appends_z_to_new_yorks_time(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["wrong-clock"], start=MONDAY, clock="simulated", run="scheduled", runs=1)
    assert hearing.events()[0]["timestamp"] == "2025-01-27T16:10:00Z"


async def test_no_run_id_is_in_any_event(redis_url: str, hearing: Hearing) -> None:
    simulator = await one_run(redis_url, hearing, ["no-run-id", "error-burst:3"])
    assert len(hearing.messages) > 800
    assert not [
        body for _, body in hearing.messages if b"run_id" in body or simulator.finished[0].run_id.encode() in body
    ]


async def test_a_cancelled_run_says_so_half_way(redis_url: str, hearing: Hearing) -> None:
    simulator = await one_run(redis_url, hearing, ["cancelled"], start=MONDAY, clock="simulated")
    ended = await hearing.completed()
    assert ended["status"] == "cancelled"
    assert 1000 < ended["duration_seconds"] < 1100
    assert simulator.history[-1].status == "cancelled"


async def test_duplicate_patterns_come_on_two_channels_without_a_mark(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["duplicate-patterns"])
    detected = [each["payload"] for each in hearing.events("tickstock:patterns:detected")]
    streamed = [each["detection"] for each in hearing.events("tickstock:patterns:streaming")]
    assert len(detected) == 62
    assert [(each["symbol"], each["confidence"]) for each in detected] == [
        (each["symbol"], each["confidence"]) for each in streamed
    ]


async def test_flapping_health_says_healthy_with_nothing_and_with_real_values(redis_url: str, hearing: Hearing) -> None:
    async with Simulator(redis_url, speed=60, faults=["flapping-health"]):
        await hearing.until(lambda: len(hearing.messages) >= 6)
    health = hearing.events("tickstock:streaming:health", "streaming_health")[:6]
    assert {each["status"] for each in health} == {"healthy"}
    assert [each["active_symbols"] for each in health] == [0, 70, 0, 70, 0, 70]
    assert [each["data_flow"]["ticks_per_second"] for each in health] == [0, 41, 0, 41, 0, 41]


async def test_events_silent_shows_a_run_at_the_api_only(redis_url: str, hearing: Hearing) -> None:
    async with Simulator(redis_url, speed=600, run="now", faults=["events-silent"]) as simulator:
        async with httpx.AsyncClient() as client:
            await eventually(lambda: simulator.current is not None and simulator.current.progress > 10)
            status = (await client.get(f"{simulator.url}/api/processing/status")).json()
        assert status["is_running"] is True
        assert status["current_phase"] == "import"
        assert simulator.publisher.sent.total() == 0
    assert hearing.messages == []


async def test_html_in_error_reaches_the_wire_unescaped(redis_url: str, hearing: Hearing) -> None:
    await one_run(redis_url, hearing, ["html-in-error"])
    errors = hearing.events("tickstock:errors", "error")
    assert len(errors) == 1
    assert SCRIPT in errors[0]["payload"]["message"]


async def test_a_fault_can_be_injected_over_http_while_a_run_goes(redis_url: str, hearing: Hearing) -> None:
    async with Simulator(redis_url, speed=120, run="now") as simulator, httpx.AsyncClient() as client:
        await hearing.until(lambda: hearing.events("tickstock:import:progress"))
        url = f"{simulator.url}/simulator/faults"
        answer = await client.post(url, json={"add": "stall:import"})
        assert answer.json()["active"] == ["stall:import"]
        await client.post(url, json={"add": ["error-burst:7", "ticks:50"]})
        await hearing.until(lambda: len(hearing.events("tickstock:errors")) == 7)
        await hearing.until(lambda: hearing.events("tickstock:market:ticks"))
        answer = await client.post(url, json={"add": "no-run-id", "clear": True})
        assert answer.json()["active"] == ["no-run-id"]
        assert set(answer.json()["known"]) == set(FAULTS)
        refused = await client.post(url, json={"add": "stall:lunch"})
        assert refused.status_code == 400
        assert "PHASE one of" in refused.json()["error"]
        assert simulator.faults.names() == ["no-run-id"]


async def test_api_down_can_be_injected_over_http_for_a_time(redis_url: str) -> None:
    async with Simulator(redis_url, speed=60) as simulator, httpx.AsyncClient() as client:
        answer = await client.post(f"{simulator.url}/simulator/faults", json={"add": "api-down:60"})
        assert answer.status_code == 200
        await eventually(lambda: not simulator.is_up)
        await eventually(lambda: simulator.is_up)
        assert (await client.get(f"{simulator.url}/health")).status_code == 200


async def test_one_shots_injected_while_nothing_runs_come_at_once_and_once(redis_url: str, hearing: Hearing) -> None:
    async with Simulator(redis_url, speed=FAST) as simulator:
        await simulator.publisher.wait_connected()
        before = datetime.now(UTC)
        await simulator.inject("error-burst:4", "html-in-error")
        await hearing.until(lambda: len(hearing.events("tickstock:errors")) == 5)
        assert simulator.faults.names() == []
    stamp = datetime.fromisoformat(hearing.events()[0]["timestamp"])
    assert abs((stamp - before).total_seconds()) < 5
