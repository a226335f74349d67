"""`test-alert`: one marked test incident and its end, straight to a sink, so that an operator sees what will come.

It goes past routes, silences and the outbox, in a process of its own: it works before the daemon has ever run, and
nothing of it is kept, counted or archived.
"""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from relay.check.trial_environment import trial_environment
from relay.config.settings import Settings
from relay.events import Announcement, Event, Mark, Severity, utc_text
from relay.events.wording import clock_time
from relay.lanes.build import SinkEnvironment, make_sink
from relay.store.store import Store
from sinks.base import Outcome, QueuedSink, SinkError

ATTEMPTS = 3
"""Of each of the two messages, where the place says that it may take it later."""
LONGEST_WAIT = 30.0
"""Seconds before another attempt, whatever the place asks for."""
LONGEST = 120.0
"""Seconds for one sink, waiting included."""
TITLE = "Test alert: nothing is wrong"
_STEPS = ("begin", "end")


class NoSinkError(Exception):
    """There is no such sink, or none that a test alert could be sent to; one line for people."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a test alert at one sink: `step` is what was being sent when it failed, else `end`."""

    sink: str
    works: bool
    step: str
    detail: str


async def send_test_alert(
    settings: Settings,
    names: Sequence[str],
    severity: Severity,
    sender: str,
    wait: float,
) -> list[Sent]:
    """Send it to those sinks, or to all that alert people when none is named.

    `sender` is who asks for it; `wait` is seconds between beginning and end, for whoever looks.

    Raises:
        NoSinkError: there is none to send it to.
    """
    with closing(Store(None)) as store:
        sinks = _chosen(settings, names, trial_environment(settings, store))
        return await asyncio.gather(*(_try(sink, severity, sender, wait) for sink in sinks))


def _chosen(settings: Settings, names: Sequence[str], environment: SinkEnvironment) -> list[QueuedSink]:
    if unknown := [name for name in names if name not in settings.sinks]:
        raise NoSinkError(f"there is no sink {unknown[0]}; there are: {', '.join(settings.sinks) or 'none'}")
    sinks = [make_sink(name, options, environment) for name, options in settings.sinks.items() if name in names]
    if not names:
        all_sinks = [make_sink(name, options, environment) for name, options in settings.sinks.items()]
        sinks = [sink for sink in all_sinks if sink.alerting]
        if not sinks:
            raise NoSinkError("no sink alerts people: add one such as slack, or name the sink to try")
    queued = [sink for sink in sinks if isinstance(sink, QueuedSink)]
    if len(queued) < len(sinks):
        local = next(sink for sink in sinks if not isinstance(sink, QueuedSink))
        raise NoSinkError(f"the sink {local.context.name} writes on this machine: there is nobody to alert")
    return queued


async def _try(sink: QueuedSink, severity: Severity, sender: str, wait: float) -> Sent:
    name, step = sink.context.name, _STEPS[0]
    try:
        async with asyncio.timeout(LONGEST):
            await sink.start()
            begun = sink.context.now()
            number = uuid4().hex[:12]
            for count, step in enumerate(_STEPS):
                await asyncio.sleep(wait * count)
                event = _event(sink, step, number, severity, sender, begun)
                outcome = await _deliver(sink, event, f"test-{number}-{count}")
                if not outcome.delivered:
                    return Sent(name, works=False, step=step, detail=outcome.detail or str(outcome.reason))
    except TimeoutError:
        return Sent(name, works=False, step=step, detail=f"not taken within {LONGEST:.0f} s")
    except SinkError as error:
        return Sent(name, works=False, step=step, detail=str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's sink may raise anything, and the others shall be tried
        return Sent(name, works=False, step=step, detail=f"{type(error).__name__} in the sink")
    finally:
        await sink.close()
    return Sent(name, works=True, step=step, detail="the test alert and its end were taken")


async def _deliver(sink: QueuedSink, event: Event, delivery_id: str) -> Outcome:
    """Deliver it; again where the place is busy."""
    outcome = await sink.deliver([event], delivery_id)
    for _ in range(1, ATTEMPTS):
        if not outcome.worth_retrying:
            break
        await asyncio.sleep(min(outcome.retry_after or 1.0, LONGEST_WAIT))
        outcome = await sink.deliver([event], delivery_id)
    return outcome


def _event(sink: QueuedSink, step: str, number: str, severity: Severity, sender: str, begun: datetime) -> Event:
    now = sink.context.now()
    over = step == _STEPS[1]
    at = clock_time(begun, begun, utc=True)
    words = f"Sent by {sender} at {at} with `tickstock-relay test-alert`, to see that alerts arrive."
    if sink.renders_incidents:
        channel, name = "relay:alert:incident", "incident"
        payload = _incident(f"test:{number}", severity, words, begun, now, over=over)
        payload["source"] = sink.context.label or None
    else:
        channel, name = "relay:alert:test", "test"
        payload = _alert(f"test:{number}", words, begun, now, over=over)
    payload["test"] = True
    announcement = Announcement(channel=channel, event=name, severity=severity, payload=payload, marks=Mark.TEST)
    return announcement.as_event(f"test{number}", 1 + over, now)


def _alert(key: str, words: str, begun: datetime, now: datetime, *, over: bool) -> dict[str, Any]:
    """What sinks get of an alert."""
    if not over:
        return {"alert": key, "state": "firing", "title": TITLE, "message": words, "since": utc_text(begun)}
    return {
        "alert": key,
        "state": "resolved",
        "title": f"Resolved: {TITLE}",
        "message": "The test is over: alerts arrive here.",
        "since": utc_text(begun),
        "until": utc_text(now),
        "duration_seconds": (now - begun).total_seconds(),
    }


def _incident(
    key: str, severity: Severity, words: str, begun: datetime, now: datetime, *, over: bool
) -> dict[str, Any]:
    """What sinks that render incidents get of one."""
    payload: dict[str, Any] = {
        "incident": key,
        "kind": "test",
        "state": "over" if over else "firing",
        "change": "over" if over else "begins",
        "number": 1 + over,
        "severity": Severity.INFO.label if over else severity.label,
        "highest": severity.label,
        "reached": {severity.label: utc_text(begun)},
        "quiet_end": False,
        "lasting": False,
        "title": TITLE,
        "text": f"{'Cleared: t' if over else 'T'}{TITLE[1:]}. Alerts of TickStock Relay arrive here.",
        "cause": words,
        "actions": [] if over else [{"text": "Nothing. The end follows by itself.", "command": None}],
        "began": utc_text(begun),
        "changed": utc_text(now),
        "ended": utc_text(now) if over else None,
        "timezone": "America/New_York",
        "context": [clock_time(now, now, utc=True), "a test, sent on request"],
    }
    if over:
        payload["cleared"] = {"at": utc_text(now), "text": "Cleared by itself: the test is over.", "by_name": None}
    return payload
