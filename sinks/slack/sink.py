"""The Slack sink: an incident is one message that is kept up to date, any other event a message of its own.

What messages say stands in `render`, `plain` and `summary`; what is posted and edited when in `updates`; what Slack
answers in `client`.
"""

import asyncio
import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from prometheus_client import Counter

from relay.events import Event
from relay.events.incidents import CHANNEL
from sinks.base import Batching, Outcome, QueuedSink, SinkContext, SinkError
from sinks.slack import mentions, runs
from sinks.slack.access import check_access
from sinks.slack.facts import alert_of
from sinks.slack.incident import Incident, incident_of
from sinks.slack.memory import Memory
from sinks.slack.options import SlackOptions
from sinks.slack.repeats import fingerprint

if TYPE_CHECKING:
    from sinks.slack.client import SlackClient

SUMMARY = "relay:summary"
_MODULES = ("sinks.slack.updates", "sinks.slack.plain", "sinks.slack.summary")
"""They load Slack's library, which takes 0.1 s: not while the intake waits."""


class SlackSink(QueuedSink):
    """Incidents in one Slack channel."""

    Options = SlackOptions
    alerting = True
    remote = True
    renders_incidents = True

    options: SlackOptions
    _client: "SlackClient | None" = None

    def __init__(self, options: SlackOptions, context: SinkContext) -> None:
        """Nothing is connected before `start`."""
        super().__init__(options, context)
        self._blocks_refused = Counter(
            "tickstock_relay_slack_blocks_refused_total",
            "Messages whose blocks Slack refused, so that only their text was posted.",
            registry=context.registry,
        )

    async def start(self) -> None:
        """Make the client; no request is sent."""
        from sinks.slack.client import SlackClient  # noqa: PLC0415 - httpx, only for who posts

        self._client = SlackClient(self.options, self.context.user_agent, self.context.now, self._note_refused_blocks)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def check(self) -> str:
        """Ask Slack whether the bot may post in its channel. A webhook can only be tried by posting, so it is not.

        Raises:
            SinkError: Slack cannot be reached, refuses the token, or would refuse a message.
        """
        if self.options.token is None:
            return "an incoming webhook; not tried, since every try would be seen: `tickstock-relay test-alert` does"
        customized = bool(self.options.username or self.options.icon)
        return await check_access(self._connected, str(self.options.channel), customized=customized)

    def link(self, incident: str) -> str | None:
        """The incident's message, if Slack has named its address."""
        return Memory(self.context.state).recall(incident, "").link or None

    def batching(self) -> Batching:
        """One event at once, repeats of an error together."""
        return Batching(repeat_window=self.options.repeat_window)

    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        """Of runs only what `runs` asks for."""
        return [event for event in events if self._wants(event)]

    def _wants(self, event: Event) -> bool:
        if event.channel.startswith(runs.CHANNELS):
            return self.options.runs == "all" and runs.state_of(event, self._zone, self.context.label) is not None
        if self.options.runs == "none" and event.channel == CHANNEL:
            return event.payload.get("kind") not in {"run", "day"}
        return True

    def order_key(self, event: Event) -> str | None:
        """An incident's states come in order, and an alert's end after its beginning."""
        incident = self._incident(event)
        if incident is not None:
            return incident.incident
        alert = alert_of(event)
        return alert.key if alert else None

    def repeat_key(self, event: Event) -> str | None:
        """See `repeats.fingerprint`."""
        return None if event.channel == CHANNEL else fingerprint(event)

    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:
        """Bring an incident's message up to date, or post a message for an event and its repeats."""
        if missing := [name for name in _MODULES if name not in sys.modules]:
            await asyncio.to_thread(_load, missing)
        incident = self._incident(events[-1])
        if incident is None:
            return await self._post(events, delivery_id)
        from sinks.slack.updates import Updates  # noqa: PLC0415 - loads Slack's library

        memory = Memory(self.context.state)
        return await Updates(self._connected, memory, self.options.mentions).show(incident)

    async def _post(self, events: Sequence[Event], delivery_id: str) -> Outcome:
        from sinks.slack import plain, summary  # noqa: PLC0415 - loads Slack's library

        event = events[-1]
        if event.channel == SUMMARY:
            message = summary.compose(event.payload, self.context.label)
        else:
            alert = alert_of(event)
            called = [] if alert and alert.resolved else mentions.due(self.options.mentions, event.severity)
            words = mentions.in_words(self.options.mentions, called)
            message = plain.compose(events, self._zone, words, self.context.label)
        return (await self._connected.post(message, delivery_id)).outcome

    def _incident(self, event: Event) -> Incident | None:
        """The incident that `event` tells of, or the run without trouble."""
        if event.channel.startswith(runs.CHANNELS):
            return runs.state_of(event, self._zone, self.context.label)
        return incident_of(event)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.options.timezone)

    @property
    def _connected(self) -> "SlackClient":
        if self._client is None:
            raise SinkError("the Slack sink was not started")
        return self._client

    def _note_refused_blocks(self, remark: str) -> None:
        self._blocks_refused.inc()
        self.context.log.warning("slack refused a message's blocks, its text alone is posted", remark=remark)


def _load(modules: list[str]) -> None:
    for name in modules:
        importlib.import_module(name)
