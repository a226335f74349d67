"""An incident's life in Slack, seen in a real Chromium on the stand-in's page of what it got.

Pictures go to `.cache/screenshots/`. With `SLACK_PICTURES=1` those in the docs are made anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sinks.slack import SlackOptions, SlackSink
from sinks.testing import make_context
from tests.support import incidents
from tests.system.browser import chromium
from tickstock_simulator.slack import SlackStandIn

if TYPE_CHECKING:
    from tests.system.browser import Browser

pytestmark = pytest.mark.system

CHECKOUT = Path(__file__).parents[2]
PICTURES = CHECKOUT / ("docs/images" if os.environ.get("SLACK_PICTURES") else ".cache/screenshots")
MOMENTS = {
    "begins": ("21:28:09", incidents.begins()),
    "goes-on": ("21:30:12", incidents.goes_on()),
    "errors": ("21:39:40", incidents.has_errors(40)),
    "worse": ("21:42:13", incidents.fails()),
    "again": ("22:02:33", incidents.is_run_again()),
    "over": ("22:37:34", incidents.is_over()),
}
SHOWN = ("begins", "worse", "over")
"""The moments in the docs."""


async def test_an_incidents_life_is_seen_as_in_slack(tmp_path: Path) -> None:
    now = [0.0]
    async with SlackStandIn(rate=None, now=lambda: now[0]) as slack, chromium(tmp_path / "profile") as browser:
        given = {"token": slack.token, "channel": "#tickstock-ops", "base_url": slack.api_url}
        sink = SlackSink(SlackOptions.model_validate(given | {"mentions": {"critical": "<!channel>"}}), make_context())
        await sink.start()
        for name, (at, state) in MOMENTS.items():
            now[0] = incidents.moment(at).timestamp()
            assert (await sink.deliver([incidents.as_event(state)], "pictures")).delivered
            if name in SHOWN:
                await photograph(browser, slack.url, name)
        await sink.close()
        assert await browser.ask("document.querySelectorAll('article').length") == len(slack.messages)
        assert await browser.ask("document.querySelectorAll('article.reply').length") == len(slack.messages) - 1
        assert await browser.ask("document.querySelector('article s').textContent.endsWith('failed in patterns')")
        assert await browser.ask("[...document.querySelectorAll('.at')].length") == 1
        assert browser.complaints == []


async def photograph(browser: Browser, url: str, name: str) -> None:
    """The channel as a reader sees it; nothing is wider than the window."""
    await browser.look_like(width=760, height=200)
    await browser.go(url)
    assert await browser.ask("document.documentElement.scrollWidth") <= 760
    await browser.picture(PICTURES / f"slack-{name}.png")
