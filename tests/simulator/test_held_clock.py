"""A day that begins when all parts are up: clocks that stand still until then."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import Valkey
from tickstock_simulator.clock import Clock
from tickstock_simulator.demo.fast_relay import FastClock, write_origin
from tickstock_simulator.tickstockpl import Simulator

START = datetime(2025, 1, 27, 21, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_held_clock_shows_its_start_until_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    real = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: real)
    clock = Clock(speed=60, start=START, held=True)
    real += 50
    assert clock.now() == START
    assert clock.real_seconds_until(START) == 0
    assert clock.real_seconds_until(START + HOUR) > 3600, "no moment comes while it stands"
    clock.begin()
    assert clock.began == real
    real += 10
    assert clock.now() == START + timedelta(minutes=10)
    assert clock.real_seconds_until(START + HOUR) == 50


def test_the_relays_clock_goes_from_the_moment_that_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: real)
    clock = FastClock(START.astimezone(), 60, tmp_path / "clock")
    real += 50
    assert (clock.now(), clock.seconds()) == (START, 0)
    write_origin(tmp_path / "clock", real - 5)
    assert (clock.now(), clock.seconds()) == (START + timedelta(minutes=5), 300)
    assert clock.now().tzinfo is UTC
    (tmp_path / "clock").unlink()
    real += 5
    assert clock.now() == START + timedelta(minutes=10), "what goes, goes on"


async def test_a_run_that_is_due_waits_for_the_clock_and_then_starts(valkey: Valkey) -> None:
    due = START - timedelta(seconds=30)
    async with Simulator(
        valkey.url, speed=3600, start=due, clock="simulated", held=True, run="scheduled", runs=1
    ) as simulator:
        await asyncio.sleep(0.1)  # in which six minutes would pass
        assert simulator.current is None
        simulator.set_going()
        await asyncio.wait_for(simulator.wait_for_runs(1), 60)
        (run,) = simulator.finished
    assert run.started == START
