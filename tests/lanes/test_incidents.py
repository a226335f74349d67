"""A lane of a sink that shows incidents: the newest state is enough, and what an incident tells of comes once."""

from typing import ClassVar

import pytest

from relay.events import Announcement, Event, KindFacts, Mark, Severity, kind_of
from relay.events.incidents import CHANNEL
from relay.process.health import FAULTY_AFTER, SOUND_AFTER, Health
from relay.store.shelf import MemoryShelf
from sinks.base import Outcome, Reason
from tests.support.scripted import BEGIN, DOWN, Rig, ScriptedSink
from tests.support.waiting import eventually

BUSY = Outcome(Reason.RATE_LIMITED, "slow down", retry_after=5.0)


class IncidentSink(ScriptedSink):
    """Shows incidents."""

    renders_incidents: ClassVar[bool] = True


def state(number: int, incident: str = "r1") -> Event:
    """The state of an incident."""
    payload = {"incident": incident, "number": number}
    return Announcement(channel=CHANNEL, event="incident", severity=Severity.ERROR, payload=payload).as_event(
        "boot", number, BEGIN
    )


def alert(number: int, incident: str | None = "r1") -> Event:
    """A single alert."""
    payload = {"alert": "run_failed:r1", "state": "firing"} | ({"incident": incident} if incident else {})
    one = Announcement(channel="relay:alert:run_failed", event="run_failed", severity=Severity.ERROR, payload=payload)
    return one.as_event("boot", number, BEGIN)


def error(number: int, severity: Severity = Severity.ERROR, marks: Mark = Mark.NONE) -> Event:
    """An error from the wire."""
    kind = kind_of(KindFacts("tickstock:errors", "error", severity=severity))
    return Event(kind, "s1", number, BEGIN, BEGIN, b"{}", b"{}", marks=marks)


def rig(**more: object) -> Rig:
    return Rig(sink=IncidentSink(), **more)  # type: ignore[arg-type]


def take(one: Rig, *events: Event) -> None:
    for event in events:
        one.lane.accept([event])
        one.store.commit()


async def test_of_an_incidents_states_that_wait_only_the_newest_is_delivered() -> None:
    one = rig()
    take(one, state(1), state(2), state(3, "day:2025-01-27"), state(4))
    await one.round()
    assert sorted(one.sink.arrived) == [3, 4]
    assert one.lane.dropped["superseded"] == 2
    assert one.adds_up()


async def test_one_that_is_underway_stays_and_the_newest_comes_behind_it() -> None:
    one = rig()
    take(one, state(1))

    async def meanwhile() -> Outcome:
        take(one, state(2), state(3))
        return Outcome(Reason.OK)

    one.sink.outcomes = [meanwhile]
    await one.round(2)
    assert one.sink.arrived == [1, 3]
    assert one.lane.dropped["superseded"] == 1
    assert one.adds_up()


@pytest.mark.parametrize("answer", [BUSY, DOWN])
async def test_one_that_was_refused_is_not_retried_once_there_is_a_newer(answer: Outcome) -> None:
    one = rig()
    take(one, state(1))

    async def meanwhile() -> Outcome:
        take(one, state(2))
        return answer

    one.sink.outcomes = [meanwhile]
    await one.round()
    one.clock.forward(60)
    await one.round()
    assert [numbers for _, numbers in one.sink.deliveries] == [[1], [2]]
    assert one.lane.dropped["superseded"] == 1
    assert one.adds_up()


async def test_one_that_waits_for_its_retry_is_superseded() -> None:
    one = rig()
    one.sink.outcomes = [DOWN]
    take(one, state(1))
    await one.round()
    take(one, state(2))
    one.clock.forward(60)
    await one.round()
    assert [numbers for _, numbers in one.sink.deliveries] == [[1], [2]]
    assert one.adds_up()


async def test_other_events_with_the_key_of_an_incident_are_left_alone() -> None:
    one = rig()
    one.sink._keys = {"order": lambda _: "r1"}
    take(one, alert(1, incident=None), state(2), alert(3, incident=None), state(4))
    await one.round(4)
    assert one.sink.arrived == [1, 3, 4]
    assert one.adds_up()


async def test_a_state_is_not_superseded_by_another_event_of_its_key() -> None:
    one = rig()
    one.sink._keys = {"order": lambda _: "r1"}
    one.sink.outcomes = [DOWN]
    take(one, state(1), alert(2, incident=None))
    await one.round()
    one.clock.forward(60)
    await one.round(2)
    assert one.sink.arrived == [1, 2]


async def test_one_that_has_arrived_is_not_counted_as_superseded() -> None:
    one = rig()
    take(one, state(1))
    await one.round()
    take(one, state(2))
    await one.round()
    assert one.sink.arrived == [1, 2]
    assert one.lane.dropped["superseded"] == 0
    assert one.adds_up()


async def test_a_crash_between_two_states_leaves_the_newest() -> None:
    one = rig()
    take(one, state(1), state(2))
    one.lane = one.make_lane()  # as a new process
    await one.round()
    assert one.sink.arrived == [2]


async def test_what_an_incident_tells_of_is_left_out_and_counted() -> None:
    one = rig()
    take(one, alert(1), error(2), error(3, Severity.CRITICAL), state(4))
    await one.round()
    assert one.sink.arrived == [4]
    assert one.lane.dropped["in_incident"] == 3
    assert one.adds_up()


@pytest.mark.parametrize(
    "event",
    [alert(1, incident=None), error(1, Severity.WARNING), error(1, marks=Mark.REPLAYED)],
    ids=["an alert of no incident", "a warning", "a replayed error"],
)
async def test_what_belongs_to_no_incident_goes_on(event: Event) -> None:
    one = rig()
    take(one, event)
    await one.round()
    assert one.sink.arrived == [1]


async def test_a_sink_that_is_not_sent_incidents_gets_their_parts() -> None:
    one = rig(tells_incidents=lambda severity: severity >= Severity.CRITICAL)
    take(one, alert(1), error(2), error(3, Severity.CRITICAL))
    await one.round()
    assert one.sink.arrived == [1, 2]


async def test_a_sink_that_does_not_show_incidents_gets_all() -> None:
    one = Rig()
    take(one, alert(1), error(2), state(3), state(4))
    await one.round()
    assert sorted(one.sink.arrived) == [1, 2, 3, 4]
    assert not one.lane.dropped["superseded"] + one.lane.dropped["in_incident"]


async def test_that_a_part_of_the_relay_is_faulty_is_told_without_an_incident() -> None:
    """Incidents are one of the parts that may be faulty."""
    one, health = rig(tells_incidents=lambda _severity: True), Health(MemoryShelf())
    for _ in range(FAULTY_AFTER):
        health.failed("incidents", TypeError())
    firing = health.tick(BEGIN)
    health.worked("incidents")
    resolved = [each for _ in range(SOUND_AFTER) for each in health.tick(BEGIN)]
    take(one, *(each.as_event("boot", number, BEGIN) for number, each in enumerate([*firing, *resolved], 1)))
    await one.round(2)
    assert one.sink.arrived == [1, 2]
    assert one.lane.dropped["in_incident"] == 0


@pytest.mark.parametrize("reason", [Reason.REJECTED, Reason.UNAUTHORIZED, Reason.TOO_LARGE])
async def test_a_sink_that_has_missed_a_state_and_works_again_says_so_once(reason: Reason) -> None:
    one = rig()
    one.sink.outcomes = [Outcome(reason, "channel_not_found")]
    take(one, state(1))
    await one.round()
    assert not one.lane.has_caught_up(), "nothing has shown yet that it works"
    take(one, state(2, "other"))
    await one.round()
    assert one.lane.has_caught_up()
    assert not one.lane.has_caught_up()


async def test_a_sink_that_refuses_just_this_state_is_not_told_again_and_again() -> None:
    one = rig()
    answers = []
    for number in range(1, 7):
        one.sink.outcomes = [Outcome(Reason.REJECTED, "no")]
        take(one, state(2 * number))
        await one.round()
        take(one, state(2 * number + 1, "other"))
        await one.round()
        answers.append(one.lane.has_caught_up())
        one.tick(150.0)
    assert answers == [True, False, False, False, True, False]


async def test_what_an_earlier_process_gave_up_counts_and_other_sinks_miss_no_states() -> None:
    one = rig()
    one.sink.outcomes = [Outcome(Reason.REJECTED, "no")]
    take(one, state(1))
    await one.round()
    one.lane = one.make_new_lane()
    one.lane.start()
    take(one, state(2, "other"))
    await eventually(lambda: one.lane.delivered == 1)
    assert one.lane.has_caught_up()
    await one.lane.stop(1.0)
    plain = Rig()
    plain.sink.outcomes = [Outcome(Reason.REJECTED, "no")]
    plain.accept(1, 2)
    await plain.round(2)
    assert plain.lane.delivered == 1
    assert not plain.lane.has_caught_up()
