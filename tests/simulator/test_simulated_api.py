"""The simulator's HTTP API against the bodies of the contract."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.simulator.hearing import Hearing
from tests.support import eventually
from tickstock_simulator.tickstockpl import Simulator

MONDAY = datetime(2025, 1, 27, 16, 9, tzinfo=ZoneInfo("America/New_York"))
SUNDAY = datetime(2025, 1, 26, 12, tzinfo=ZoneInfo("America/New_York"))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=120) as open_client:
        yield open_client


def simulator_on(redis_url: str, **options: Any) -> Simulator:
    return Simulator(redis_url, **{"start": MONDAY, "clock": "simulated", **options})


async def test_a_trigger_starts_a_run_and_a_second_one_is_a_conflict(
    redis_url: str, hearing: Hearing, client: httpx.AsyncClient
) -> None:
    async with simulator_on(redis_url, speed=600) as simulator:
        await simulator.publisher.wait_connected()
        trigger = f"{simulator.url}/api/processing/trigger-manual"
        started = await client.post(trigger, json={"skip_market_check": True, "universe": "nasdaq100"})
        again = await client.post(trigger, json={"skip_market_check": True})
        await hearing.until(lambda: hearing.events(event="processing_started"))
    body = started.json()
    assert started.status_code == 200
    assert (body["status"], body["message"]) == ("started", "Processing started successfully")
    assert list(body) == ["run_id", "status", "message"]
    assert again.status_code == 409
    heard = hearing.events(event="processing_started")[0]["payload"]
    assert (heard["run_id"], heard["universe"], heard["trigger_type"]) == (body["run_id"], "nasdaq100", "manual")


async def test_a_trigger_can_ask_for_some_phases_and_refuses_what_it_cannot_read(
    redis_url: str, hearing: Hearing, client: httpx.AsyncClient
) -> None:
    async with simulator_on(redis_url, speed=6000) as simulator:
        await simulator.publisher.wait_connected()
        trigger = f"{simulator.url}/api/processing/trigger-manual"
        for bad in (b"[1]", b"{", b'{"phases": ["lunch"]}', b'{"phases": []}'):
            assert (await client.post(trigger, content=bad)).status_code == 400
        assert (await client.post(trigger, json={"phases": ["patterns", "cache_sync"]})).status_code == 200
        await hearing.completed()
    assert hearing.events(event="processing_started")[0]["payload"]["phases"] == ["cache_sync", "patterns"]
    assert not hearing.events("tickstock:import:*")


async def test_on_a_sunday_only_skipping_the_market_check_starts_a_run(
    redis_url: str, client: httpx.AsyncClient
) -> None:
    async with simulator_on(redis_url, start=SUNDAY, market_check=True) as simulator:
        trigger = f"{simulator.url}/api/processing/trigger-manual"
        assert (await client.post(trigger)).json()["status"] == "skipped"
        assert simulator.current is None
        assert (await client.post(trigger, json={"skip_market_check": True})).json()["status"] == "started"


async def test_status_tells_of_the_run_and_of_idleness(redis_url: str, client: httpx.AsyncClient) -> None:
    async with simulator_on(redis_url, speed=300) as simulator:
        idle = (await client.get(f"{simulator.url}/api/processing/status")).json()
        run = simulator.trigger()
        await eventually(lambda: run is not None and run.progress > 5)
        running = (await client.get(f"{simulator.url}/api/processing/status")).json()
        health = (await client.get(f"{simulator.url}/health")).json()
    assert run is not None
    assert idle["is_running"] is False
    assert idle["run_id"] is None
    assert list(idle) == list(running)
    assert running["is_running"] is True
    assert (running["run_id"], running["current_phase"], running["symbols_total"]) == (run.run_id, "import", 505)
    assert 5 < running["progress"] < 100
    assert running["symbols_processed"] > 0
    assert running["start_time"] < running["estimated_completion"]
    assert health == {
        "status": "healthy",
        "services": {"redis": "healthy", "database": "healthy", "api": "healthy"},
        "processing_status": "running",
        "version": "1.0",
    }


async def test_status_comes_in_other_words_on_request(redis_url: str, client: httpx.AsyncClient) -> None:
    async with simulator_on(redis_url, status_style="status") as simulator:
        assert (await client.get(f"{simulator.url}/api/processing/status")).json()["status"] == "idle"
        simulator.trigger()
        body = (await client.get(f"{simulator.url}/api/processing/status")).json()
        assert body["status"] == "running"
        assert "is_running" not in body
    async with simulator_on(redis_url, status_style="unknown") as simulator:
        assert not {"is_running", "status"} & set((await client.get(f"{simulator.url}/api/processing/status")).json())


async def test_history_holds_past_runs_and_the_one_that_just_ended(
    redis_url: str, hearing: Hearing, client: httpx.AsyncClient
) -> None:
    async with simulator_on(redis_url, speed=6000, history_days=7, run="scheduled", runs=1) as simulator:
        await hearing.completed()
        await simulator.wait_until_done()
        history = f"{simulator.url}/api/processing/history"
        runs = (await client.get(history, params={"days": 30})).json()["runs"]
        today = (await client.get(history, params={"days": 1})).json()["runs"]
        assert (await client.get(history, params={"days": "many"})).status_code == 400
    trading_days = ["2025-01-27", "2025-01-24", "2025-01-23", "2025-01-22", "2025-01-21"]  # the 20th was a holiday
    assert [run["run_date"] for run in runs] == trading_days
    assert runs[0] == {
        "run_id": simulator.finished[0].run_id,
        "run_date": "2025-01-27",
        "start_time": "2025-01-27T21:10:00Z",
        "end_time": "2025-01-27T21:45:00Z",
        "status": "completed",
        "symbols_processed": 505,
        "patterns_detected": 1250,
        "indicators_calculated": 7575,
        "duration_seconds": 2100,
    }
    assert today == runs[:1]
    assert all(abs(run["duration_seconds"] - 2100) <= 105 for run in runs)


async def test_later_releases_tell_more(redis_url: str, client: httpx.AsyncClient) -> None:
    async with simulator_on(redis_url, history_days=5, extended=True) as simulator:
        run = (await client.get(f"{simulator.url}/api/processing/history")).json()["runs"][0]
        schedule = (await client.get(f"{simulator.url}/api/processing/schedule")).json()
    assert (run["trigger_type"], run["symbols_failed"]) == ("automatic", 5)
    assert schedule["market_check"] is True


async def test_a_cancel_ends_the_run_at_once(redis_url: str, hearing: Hearing, client: httpx.AsyncClient) -> None:
    async with simulator_on(redis_url, speed=60) as simulator:
        await simulator.publisher.wait_connected()
        cancel = f"{simulator.url}/api/processing/cancel"
        assert (await client.delete(cancel)).status_code == 404
        run = simulator.trigger()
        assert run is not None
        await hearing.until(lambda: hearing.events("tickstock:import:progress"))
        answer = (await client.delete(cancel)).json()
        ended = await hearing.completed()
        await simulator.wait_for_runs(1)
        assert (await client.get(f"{simulator.url}/api/processing/status")).json()["is_running"] is False
    assert (answer["run_id"], answer["status"]) == (run.run_id, "cancelled")
    assert ended["status"] == "cancelled"
    assert ended["duration_seconds"] < 600


async def test_the_schedule_is_read_and_moved_as_in_the_contract(
    redis_url: str, hearing: Hearing, client: httpx.AsyncClient
) -> None:
    async with simulator_on(redis_url) as simulator:
        await simulator.publisher.wait_connected()
        schedule = f"{simulator.url}/api/processing/schedule"
        assert (await client.get(schedule)).json() == {
            "enabled": True,
            "trigger_time": "16:10",
            "timezone": "America/New_York",
            "next_run": "2025-01-27T21:10:00Z",
            "universes": ["sp500", "nasdaq100"],
        }
        moved = await client.post(schedule, json={"enabled": True, "trigger_time": "16:15"})
        assert moved.json()["next_run"] == "2025-01-27T21:15:00Z"
        off = await client.post(schedule, json={"enabled": False})
        assert off.json()["next_run"] is None
        for bad in ({"trigger_time": "25:00"}, {"timezone": "Mars/Base"}, {"enabled": "yes"}, {"surprise": 1}):
            assert (await client.post(schedule, json=bad)).status_code == 400
        await hearing.until(lambda: len(hearing.events("tickstock:processing:schedule")) == 2)
    assert [event["payload"]["trigger_time"] for event in hearing.events()] == ["16:15", "16:15"]
    assert [event["payload"]["enabled"] for event in hearing.events()] == [True, False]


async def test_the_clock_can_be_followed(redis_url: str, client: httpx.AsyncClient) -> None:
    async with simulator_on(redis_url, speed=60) as simulator:
        clock = (await client.get(f"{simulator.url}/simulator/clock")).json()
    assert (clock["speed"], clock["kind"]) == (60, "simulated")
    assert clock["now"].startswith("2025-01-27T21:09")
