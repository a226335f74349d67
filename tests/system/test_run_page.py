"""The page of a run in a real Chromium, for each fault of the simulator: what it says is what the relay found out.

The runs are played on a virtual clock, so that one browser sees all of them in a minute. Pictures of four states go to
`.cache/screenshots/`; with `RUN_PICTURES=1` those in the guide are made anew.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from relay.events import Event
from tests.support.days import DUE, SCHEDULE
from tests.support.pages import ShownWorld, pages_of
from tests.support.reported import ReportedWorld
from tests.support.stand_in import StandIn, past_runs
from tests.system.browser import Browser, chromium
from tickstock_simulator.faults import FAULTS

pytestmark = pytest.mark.system

CHECKOUT = Path(__file__).parents[2]
PICTURES = CHECKOUT / ".cache" / "screenshots"
IN_DOCS = CHECKOUT / "docs" / "images"
IN_GUIDE = ("failed", "never-started")
LARGEST = 25_000
ARGUMENTS = {"stall": ":indicators:900", "fails-at": ":patterns", "missing-phase": ":cache"}
BESIDE_RUNS = {"streaming", "ticks", "api-slow", "flapping-health"}
"""Faults that say nothing about a run."""
DAY = "2025-01-27"


def played(*faults: str, minutes: float = 240) -> ReportedWorld:
    """The day with these faults, after two weeks of good runs."""
    world = ReportedWorld(DUE - timedelta(hours=1), schedule=SCHEDULE)
    past_runs(world)
    stand_in = StandIn(world, *faults)
    if minutes < 240:
        cut_off(stand_in, DUE + timedelta(minutes=minutes))
    stand_in.day(DUE, "r1")
    return world


def cut_off(stand_in: StandIn, moment: datetime) -> None:
    """Nothing happens after that moment."""
    world = stand_in.world
    until, hear = world.until, world.hear

    def until_then(to: datetime, step: float = 30.0) -> None:
        until(min(to, moment), step)

    def hear_until_then(one: Event) -> None:
        if world.now < moment:
            hear(one)

    world.until, world.hear = until_then, hear_until_then  # type: ignore[method-assign, assignment]


async def heading(browser: Browser) -> str:
    return str(await browser.ask("document.querySelector('h1').textContent"))


@pytest.mark.parametrize("part", [0, 1])
async def test_for_each_fault_the_page_says_what_was_found_out(tmp_path: Path, part: int) -> None:
    names = sorted(FAULTS.keys() - BESIDE_RUNS)[part::2]
    async with chromium(tmp_path / "profile") as browser, httpx.AsyncClient() as asking:
        await browser.look_like(width=1280)
        for name in names:
            world = played(name + ARGUMENTS.get(name, ""))
            async with pages_of(ShownWorld(world)) as address:
                await the_page_is_right(browser, asking, f"{address}/runs/{DAY}", world, name)
    assert browser.complaints == []


async def the_page_is_right(
    browser: Browser, asking: httpx.AsyncClient, url: str, world: ReportedWorld, name: str
) -> None:
    """Verdict, sums, size, accessibility, and that no text has become markup."""
    answer = await asking.get(url)
    assert answer.status_code == 200, name
    assert len(answer.content) < LARGEST, name
    facts = (await asking.get(f"{url}.json")).json()
    await browser.go(url)
    assert await heading(browser) == facts["verdict"]["headline"], name
    states = [event.payload for _, event in world.incident_events if event.payload["kind"] in ("run", "day")]
    if states and states[-1]["alerts"] and not (states[-1]["state"] == "over" and facts["verdict"]["mood"] == "good"):
        assert await heading(browser) == states[-1]["title"], name
    assert await browser.ask("document.querySelector('.answer').textContent.trim()") == facts["data"]["word"], name
    assert sum(facts.get("phase_counts", {}).values()) <= facts.get("event_count", 0), name
    assert sum(group["count"] for group in facts.get("errors", [])) == facts.get("error_count", 0), name
    assert await browser.ask("document.querySelectorAll('main script, main img, main iframe').length") == 0, name
    assert await browser.ask("document.documentElement.scrollWidth") <= 1280, name
    assert await browser.violations() == [], name


STATES = {
    "failed": (("fails-at:patterns", "error-burst:40", "html-in-error"), 240),
    "never-started": (("never-starts",), 30),
    "stalled": (("stall:indicators:9000",), 32),
    "good": ((), 240),
}


@pytest.mark.parametrize("state", STATES)
async def test_on_a_phone_in_the_dark_with_the_keyboard_and_without_script(tmp_path: Path, state: str) -> None:
    faults, minutes = STATES[state]
    world = played(*faults, minutes=minutes)
    async with pages_of(ShownWorld(world)) as address, chromium(tmp_path / "profile") as browser:
        url = f"{address}/runs/{DAY}"
        for width, dark in ((1280, False), (1280, True), (390, False), (390, True), (320, False), (320, True)):
            await browser.look_like(width=width, dark=dark, height=844 if width < 400 else 900)
            await browser.go(url)
            look = f"run-{state}-{width}-{'dark' if dark else 'light'}"
            assert await browser.ask("document.documentElement.scrollWidth") <= width, look
            assert await browser.violations() == [], look
            await browser.picture(PICTURES / f"{look}.png")
            if os.environ.get("RUN_PICTURES") and (width, dark) == (1280, False) and state in IN_GUIDE:
                await browser.picture(IN_DOCS / f"run-{state}.png")
        await browser.look_like(width=1280)
        await browser.go(url)
        assert await reached_by_keyboard(browser) == await reachable(browser)
        await browser.do("Emulation.setScriptExecutionDisabled", value=True)
        await browser.go(url)
        assert await heading(browser) == world.report(DAY).verdict.headline
        assert browser.complaints == []


CAN_BE_REACHED = "a[href], button, summary, [tabindex='0']"


async def reachable(browser: Browser) -> int:
    """How many things on the page can be acted on."""
    seen = "[...document.querySelectorAll({})].filter(e => e.checkVisibility()).length"
    return int(await browser.ask(seen.format(json.dumps(CAN_BE_REACHED))))


async def reached_by_keyboard(browser: Browser) -> int:
    """How many of them the Tab key comes to, from the top of the page to its end."""
    await browser.ask("window.seen = new Set(); document.addEventListener('focusin', e => seen.add(e.target)); true")
    for _ in range(await reachable(browser) + 3):
        for kind in ("keyDown", "keyUp"):
            await browser.do("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    wanted = json.dumps(CAN_BE_REACHED)
    return int(await browser.ask(f"[...seen].filter(e => e instanceof Element && e.matches({wanted})).length"))


async def test_the_list_leads_to_every_run(tmp_path: Path) -> None:
    world = played("zero-results")
    async with pages_of(ShownWorld(world)) as address, chromium(tmp_path / "profile") as browser:
        for width in (1280, 320):
            await browser.look_like(width=width)
            await browser.go(f"{address}/runs")
            assert await browser.ask("document.documentElement.scrollWidth") <= width
            assert await browser.violations() == []
            await browser.picture(PICTURES / f"runs-{width}.png")
        words = "document.querySelector('tbody tr').textContent"
        assert "completed, no results" in str(await browser.ask(words))
        await browser.ask("document.querySelector('tbody a').click()")
        await browser.until("document.querySelector('h1')?.textContent.startsWith('Run of Mon 27 Jan')")
        assert browser.complaints == []
