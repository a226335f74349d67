"""The Slack sink: one message for an event or its repeats; a resolved alert answers where the alert was told.

What a message says stands in `message`, what Slack answers in `client`.
"""

import asyncio
import importlib
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from relay.events import SEVERITIES, Event
from sinks.base import Batching, Outcome, QueuedSink, SinkError
from sinks.slack.facts import Alert, alert_of, read
from sinks.slack.options import SlackOptions
from sinks.slack.repeats import fingerprint, in_words

if TYPE_CHECKING:
    from sinks.slack.client import Place, SlackClient

_MESSAGES = "sinks.slack.message"
MAX_REMEMBERED = 1000
"""Characters of an alert's title and message that are kept for its end."""


class PostedAlert(msgspec.Struct, frozen=True):
    """An alert that was told: when it fired, what it said and, with a token, where the message stands."""

    since: datetime
    severity: str
    title: str
    message: str
    channel: str = ""
    ts: str = ""


class SlackSink(QueuedSink):
    """Alerts in one Slack channel."""

    Options = SlackOptions
    alerting = True
    remote = True

    options: SlackOptions
    _client: "SlackClient | None" = None

    async def start(self) -> None:
        """Make the client; no request is sent."""
        from sinks.slack.client import SlackClient  # noqa: PLC0415 - httpx, only for who posts

        self._client = SlackClient(self.options, self.context.user_agent, self.context.now)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def check(self) -> str:
        """Ask Slack whose token this is. A webhook can only be tried by posting, so it is not.

        Raises:
            SinkError: Slack cannot be reached or refuses the token.
        """
        if self.options.token is None:
            return "an incoming webhook; not tried, since every try would be seen"
        outcome, who = await self._connected.who_am_i()
        if not outcome.delivered:
            raise SinkError(f"Slack: {outcome.detail}")
        return f"posts as {who} to {self.options.channel}"

    def batching(self) -> Batching:
        """One event at once, repeats together."""
        return Batching(repeat_window=self.options.repeat_window)

    def order_key(self, event: Event) -> str | None:
        """An alert's end comes after its beginning."""
        alert = alert_of(event)
        return alert.key if alert else None

    def repeat_key(self, event: Event) -> str | None:
        """See `repeats.fingerprint`."""
        return fingerprint(event)

    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:
        """Post one message for `events`, and settle the alert that they resolve."""
        if _MESSAGES not in sys.modules:  # Slack's library takes 0.1 s to load: not while the intake waits
            await asyncio.to_thread(importlib.import_module, _MESSAGES)
        alert = alert_of(events[-1])
        if alert is None or any(fingerprint(event) != fingerprint(events[-1]) for event in events):
            outcome, _ = await self._post(events, delivery_id)
            return outcome
        if alert.resolved:
            return await self._resolve(alert, events, delivery_id)
        outcome, place = await self._post(events, delivery_id)
        if outcome.delivered:
            self._remember(alert, events[0], place)
        return outcome

    async def _resolve(self, alert: Alert, events: Sequence[Event], delivery_id: str) -> Outcome:
        """Update first, which may be repeated unseen, then reply: a retry never replies twice for an update's sake."""
        posted = self._recall(alert)
        after = _after(alert, events[-1], posted)
        if posted is not None and posted.ts:
            outcome = await self._settle(posted, after, is_lasting=alert.is_lasting)
            if outcome.worth_retrying:
                return outcome
            if not outcome.delivered:
                self.context.log.info("slack alert not updated", alert=alert.key, why=outcome.detail)
            if "not_found" in outcome.detail:  # deleted: there is no thread to answer in
                posted = None
        thread = _place(posted) if posted is not None and posted.ts else None
        outcome, _ = await self._post(events, delivery_id, after, thread)
        if outcome.delivered:
            self.context.state.put(_state_key(alert), None)
        return outcome

    async def _settle(self, posted: PostedAlert, after: str, *, is_lasting: bool) -> Outcome:
        from sinks.slack.message import settled  # noqa: PLC0415 - loads Slack's library

        message = settled(SEVERITIES[posted.severity], posted.title, posted.message, after, is_lasting=is_lasting)
        return await self._connected.update(_place(posted), message)

    async def _post(
        self, events: Sequence[Event], delivery_id: str, after: str = "", thread: "Place | None" = None
    ) -> "tuple[Outcome, Place | None]":
        from sinks.slack.message import Look, compose  # noqa: PLC0415 - loads Slack's library

        look = Look(ZoneInfo(self.options.timezone), self.options.mentions)
        return await self._connected.post(compose(events, look, after), delivery_id, thread)

    @property
    def _connected(self) -> "SlackClient":
        if self._client is None:
            raise SinkError("the Slack sink was not started")
        return self._client

    def _remember(self, alert: Alert, event: Event, place: "Place | None") -> None:
        posted = PostedAlert(
            since=event.time,
            severity=event.severity.label,
            title=alert.title[:MAX_REMEMBERED],
            message=read(event).message[:MAX_REMEMBERED],
            channel=place.channel if place else "",
            ts=place.ts if place else "",
        )
        self.context.state.put(_state_key(alert), msgspec.json.encode(posted).decode())

    def _recall(self, alert: Alert) -> PostedAlert | None:
        text = self.context.state.get(_state_key(alert))
        try:
            return None if text is None else msgspec.json.decode(text, type=PostedAlert)
        except msgspec.MsgspecError:
            self.context.log.warning("slack state unreadable, forgotten", alert=alert.key)
            return None


def _state_key(alert: Alert) -> str:
    return f"alert:{alert.key}"


def _after(alert: Alert, resolved: Event, posted: PostedAlert | None) -> str:
    """How long the alert lasted: as the event says, else since it was told."""
    if alert.lasted is not None:
        return f"after {in_words(alert.lasted)}"
    return f"after {in_words((resolved.time - posted.since).total_seconds())}" if posted is not None else ""


def _place(posted: PostedAlert) -> "Place":
    from sinks.slack.client import Place  # noqa: PLC0415 - loads httpx

    return Place(posted.channel, posted.ts)
