"""A run without trouble, told in Slack where that is asked for, and trouble of such a run, told in its thread."""

import pytest

from relay.events import Announcement, Event
from tests.support import incidents
from tests.support.slack_incidents import Json, show, started
from tickstock_simulator.slack import SlackStandIn


@pytest.mark.parametrize(("runs", "expected"), [("trouble", ["failed"]), ("none", []), ("all", ["progress", "failed"])])
async def test_runs_says_what_is_told_of_runs(slack: SlackStandIn, runs: str, expected: list[str]) -> None:
    async with started(slack.api_url, runs=runs) as sink:
        given = [run_event("started"), run_event("phase_started"), incidents.as_event(incidents.fails())]
        for event in sink.select(given):
            assert (await sink.deliver([event], "kit")).delivered
        wanted = [event.event for event in sink.select(given)]
    assert wanted == {"trouble": ["incident"], "none": [], "all": ["run_started", "incident"]}[runs]
    assert len([each for each in slack.messages if each.thread is None]) == min(len(expected), 1)


def run_event(transition: str) -> Event:
    payload: Json = {"run_id": incidents.RUN, "run_date": "2025-01-27", "trigger_type": "automatic"}
    payload |= {"started_at": "2025-01-27T21:10:00Z", "ended_at": "2025-01-27T21:45:00Z"}
    payload |= {"duration_seconds": 2100.0, "symbols_processed": 500, "patterns_detected": 1250}
    payload |= {"state": "completed", "sound": True, "findings": []} if transition == "checked" else {}
    announcement = Announcement(
        channel=f"relay:run:{transition}", event=f"run_{transition}", run_id=incidents.RUN, payload=payload
    )
    return announcement.as_event("kit", 1, incidents.moment("21:45"))


async def test_a_run_without_trouble_is_told_from_start_to_end(slack: SlackStandIn) -> None:
    async with started(slack.api_url, runs="all") as sink:
        for transition in ("started", "checked"):
            assert (await sink.deliver([run_event(transition)], "kit")).delivered
    message, reply = slack.messages
    assert message.edits[0]["blocks"][0]["text"]["text"] == (
        ":large_blue_circle: *Run of Mon 27 Jan is in progress*\nIt began at 16:10 EST."
    )
    assert message.payload["blocks"][0]["text"]["text"] == (
        ":large_blue_circle: *Run of Mon 27 Jan completed*\nIt completed at 16:45 EST after 35 min."
    )
    assert message.payload["blocks"][1]["elements"][0]["text"] == "500 symbols · 1,250 patterns"
    assert reply.is_broadcast
    assert reply.text == "Run of Mon 27 Jan completed: it completed at 16:45 EST after 35 min."


@pytest.mark.parametrize(
    "result", [{"sound": False, "findings": ["zero_results"]}, {"sound": True, "findings": ["too_fast"]}, {}]
)
async def test_a_run_that_has_completed_is_not_good_news_before_its_result_is_sound(
    slack: SlackStandIn, result: Json
) -> None:
    checked = run_event("checked")
    for name in ("sound", "findings"):
        del checked.payload[name]
    checked.payload.update(result)
    async with started(slack.api_url, runs="all") as sink:
        given = [run_event("started"), run_event("completed"), checked]
        assert [event.event for event in sink.select(given)] == ["run_started"]


async def test_trouble_of_a_run_that_was_told_is_told_in_its_thread(slack: SlackStandIn) -> None:
    async with started(slack.api_url, runs="all") as sink:
        assert (await sink.deliver([run_event("started")], "kit")).delivered
        await show(sink, incidents.fails())
        assert (await sink.deliver([run_event("checked")], "kit")).delivered
    message, broadcast, *_ = slack.messages
    assert message.payload["blocks"][0]["text"]["text"].startswith(":red_circle:")
    assert broadcast.is_broadcast
    assert broadcast.text.startswith("<!channel> ")
