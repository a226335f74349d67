"""The status page in a real Chromium, fed by a real relay: it shows what is, it moves, and it stays harmless.

Pictures go to `.cache/screenshots/`. With `STATUS_PICTURE=1` the one in the docs is made anew.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from relay.events.wording import duration
from tests.support import Valkey
from tests.support.scene import MONDAY, Scene, scene
from tests.system.browser import Browser, chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.system

CHECKOUT = Path(__file__).parents[2]
SCRIPT = CHECKOUT / "relay" / "web" / "static" / "live.js"
PICTURES = CHECKOUT / ".cache" / "screenshots"
IN_DOCS = CHECKOUT / "docs" / "images" / "status.png"
SIZES = {"wide": 1240, "phone": 390}
HEADLINE_ENDS_WITH = "document.querySelector('#verdict h1').textContent.endsWith({!r})"
WIDEST = "document.documentElement.scrollWidth"


@asynccontextmanager
async def seen(day: Scene, directory: Path) -> AsyncIterator[Browser]:
    """Its page, open in a browser."""
    async with chromium(directory / "profile") as browser:
        await browser.look_like(width=SIZES["wide"])
        await browser.go(day.relay.url)
        await browser.until("document.documentElement.dataset.live === 'yes'")
        yield browser


async def photograph(browser: Browser, name: str) -> None:
    """The page wide and on a phone, light and dark; none of them scrolls sideways."""
    for dark in (False, True):
        for size, width in SIZES.items():
            await browser.look_like(width=width, dark=dark, height=844 if size == "phone" else 900)
            await browser.picture(PICTURES / f"{name}-{'dark' if dark else 'light'}-{size}.png")
            assert await browser.ask(WIDEST) <= width
            assert await browser.violations() == []
    await browser.look_like(width=320)
    assert await browser.ask(WIDEST) <= 320
    await browser.look_like(width=SIZES["wide"])


async def test_a_running_run_is_shown_and_moves_and_a_script_in_an_error_stays_text(
    tmp_path: Path, valkey: Valkey
) -> None:
    odd = ("html-in-error",)
    starts = MONDAY - timedelta(minutes=5)
    async with scene(tmp_path, valkey, starts=starts, faults=odd) as day, seen(day, tmp_path) as browser:
        await browser.until(HEADLINE_ENDS_WITH.format("run is in progress"))
        await browser.until("document.querySelector('#errors').textContent.includes('<script>')")
        await browser.until("document.querySelector('#current .p-indicators progress').value > 30")
        await photograph(browser, "running")
        if os.environ.get("STATUS_PICTURE"):
            await browser.look_like(width=1240, height=1095)
            await browser.picture(IN_DOCS, whole=False)
        bars = "[...document.querySelectorAll('#current progress')].reduce((sum, bar) => sum + bar.value, 0)"
        at_first = await browser.ask(bars)
        await browser.until(f"{bars} > {at_first} + 5 && {bars} < 400")
        await browser.until(HEADLINE_ENDS_WITH.format("run completed"))
        assert await browser.ask("document.scripts.length") == 1
        assert await browser.ask("document.querySelector('#errors script, #errors img')") is None
        assert browser.complaints == []


async def test_a_finished_run_is_all_right_at_a_glance(tmp_path: Path, valkey: Valkey) -> None:
    starts = MONDAY - timedelta(minutes=12)  # some seconds: a start that is not seen would be a run that is too fast
    async with scene(tmp_path, valkey, starts=starts, speed=180) as day, seen(day, tmp_path) as browser:
        await browser.until(HEADLINE_ENDS_WITH.format("run completed"))
        has_good_icon = "document.querySelector('#icon').href.endsWith('icon-good.svg')"
        await browser.until(f"document.querySelector('.mood-good') && {has_good_icon}")
        await photograph(browser, "finished")  # takes minutes of this scene's clock, in which the mood may change again
        assert browser.complaints == []


async def test_a_run_that_never_starts_is_seen_at_once(tmp_path: Path, valkey: Valkey) -> None:
    starts = MONDAY - timedelta(minutes=20)
    async with (
        scene(tmp_path, valkey, starts=starts, speed=400, faults=("never-starts",)) as day,
        seen(day, tmp_path) as browser,
    ):
        await browser.until("document.querySelector('.mood-bad')")
        await browser.until(HEADLINE_ENDS_WITH.format("run has not started"))
        await photograph(browser, "missed")
        assert browser.complaints == []


async def test_a_failed_run_says_where_and_why(tmp_path: Path, valkey: Valkey) -> None:
    starts = MONDAY - timedelta(minutes=2)
    async with (
        scene(tmp_path, valkey, starts=starts, speed=120, faults=("fails-at:indicators",)) as day,
        seen(day, tmp_path) as browser,
    ):
        await browser.until(HEADLINE_ENDS_WITH.format("run failed in indicators"))
        await photograph(browser, "failed")
        assert browser.complaints == []


async def test_the_page_says_that_it_has_lost_the_relay_and_comes_back(tmp_path: Path, valkey: Valkey) -> None:
    async with scene(tmp_path, valkey, starts=MONDAY - timedelta(hours=5)) as day, seen(day, tmp_path) as browser:
        began = time.monotonic()
        assert day.relay.terminate() == 0
        assert time.monotonic() - began < 5
        await browser.until("document.documentElement.dataset.live === 'no'")
        await browser.until("document.querySelector('#lost').textContent.startsWith('Not connected since')")
        await browser.until("document.querySelector('#lost').checkVisibility()")
        assert await browser.ask("getComputedStyle(document.querySelector('main')).opacity") == "1"  # all can be read
        day.relay.start()
        await browser.until("document.documentElement.dataset.live === 'yes'")


async def test_the_page_answers_without_javascript(tmp_path: Path, valkey: Valkey) -> None:
    async with scene(tmp_path, valkey, starts=MONDAY - timedelta(hours=5)) as day, chromium(tmp_path / "b") as browser:
        await browser.do("Emulation.setScriptExecutionDisabled", value=True)
        await browser.go(day.relay.url)
        assert await browser.ask("document.querySelector('#verdict h1').textContent.startsWith('Run of ')")
        assert await browser.ask("document.querySelector('noscript meta').content") == "30"


async def test_the_browser_writes_durations_as_the_relay_does(tmp_path: Path) -> None:
    function = re.search(r"const duration = (\(seconds\) => \{.*?\n  \});", SCRIPT.read_text(), re.DOTALL)
    assert function is not None
    seconds = [
        -5,
        0,
        0.5,
        44.5,
        59.7,
        103,
        240,
        599,
        599.6,
        630,
        2100,
        3569,
        3571,
        3660,
        7200,
        172_740,
        172_800,
        273_600,
    ]
    async with chromium(tmp_path / "profile") as browser:
        assert await browser.ask(f"{json.dumps(seconds)}.map({function[1]})") == [duration(each) for each in seconds]
