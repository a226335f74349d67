"""One incident in Slack: its message and thread are brought to the incident's newest state, whatever was shown before.

It compares that state with what was posted, so states may be missing, come again or fail half-way: each step that
Slack took is remembered before the next one, and a step that was taken is not taken again.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from sinks.base import DELIVERED, Outcome, Reason
from sinks.slack import mentions, render
from sinks.slack.client import Answered, Place, SlackClient
from sinks.slack.incident import FIRING, MAX_GROUPS, Incident
from sinks.slack.memory import Memory, Posted, Reply
from sinks.slack.message import Message

DELETED = frozenset({"message_not_found", "thread_not_found"})
FIXED = frozenset({"edit_window_closed", "cant_update_message"})
_OTHERS = "others"
"""The reply for the kinds of errors that have none of their own."""
_SHOWN_ELSEWHERE = frozenset({"begins", "errors", "over"})
"""Changes that need no line in the thread: message, replies and the end show them."""


class _StoppedError(Exception):
    """A step failed: the delivery ends here, with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class _DeletedError(Exception):
    """Somebody has deleted the message."""


@dataclass(frozen=True, slots=True)
class Updates:
    """Shows states of incidents."""

    client: SlackClient
    memory: Memory
    mentions: Mapping[str, str]
    """Severity label -> ready mrkdwn: whom to call once an incident has this severity, or a higher one."""

    async def permalink(self, channel: str, ts: str) -> str:
        """The message's address; empty when Slack does not tell. Asked once; nothing depends on the answer."""
        _, answer, _ = await self.client.ask("chat.getPermalink", channel=channel, message_ts=ts)
        found = answer.get("permalink")
        return found if isinstance(found, str) and found.startswith(("https://", "http://")) else ""

    async def show(self, incident: Incident) -> Outcome:
        """Bring the message and the thread to this state; OK when all of it stands there."""
        posted = self.memory.recall(incident.incident, incident.began)
        if incident.number < posted.number:
            return DELIVERED
        shown = _Showing(self, incident, posted)
        try:
            try:
                await shown.all()
            except _DeletedError:
                shown.forget_place()
                await shown.all()
        except _StoppedError as stopped:
            return stopped.outcome
        except _DeletedError:
            return Outcome(Reason.BAD_ANSWER, "Slack does not find the message that it has just taken")
        return shown.refused_edit or DELIVERED


class _Showing:
    """One state on its way into Slack."""

    def __init__(self, updates: Updates, incident: Incident, posted: Posted) -> None:
        self._updates = updates
        self._incident = incident
        self._posted = posted
        self.refused_edit: Outcome | None = None
        """An edit that Slack does not take; what has to be posted goes out all the same."""

    async def all(self) -> None:
        """Every step that is due, the most important first."""
        incident, posted = self._incident, self._posted
        posted.is_over = posted.is_over and incident.is_over
        if not posted.severity:
            await self._begin()
        elif posted.ts:
            await self._edit_message()
            await self._tell_worse(in_thread=True)
        else:
            await self._tell_worse(in_thread=False)
        if posted.ts:
            await self._add_notes()
            if incident.kind != "error":
                await self._reply_errors()
        if incident.is_over and not posted.is_over:
            await self._tell_end()
        posted.number = incident.number
        if posted.ts and posted.link is None:
            posted.link = await self._updates.permalink(posted.channel, posted.ts)
        self._keep()

    def forget_place(self) -> None:
        """The message was deleted: the incident is posted anew, without a second mention."""
        self._posted = msgspec.structs.replace(
            self._posted, severity="", ts="", link=None, digest="", replies={}, is_fixed=False
        )

    async def _begin(self) -> None:
        """The new message in the channel."""
        incident, posted = self._incident, self._posted
        due = self._due()
        words = mentions.in_words(self._updates.mentions, due)
        message = render.message(incident, words, is_struck=False, mentions=len(posted.mentioned))
        answer = await self._post(message, "message")
        if answer.place is not None:
            posted.channel = answer.place.channel
            posted.ts = answer.place.ts
            posted.digest = _digest(render.message(incident, mentions=len(posted.mentioned)))  # as an edit would be
        posted.note = incident.number
        posted.is_over = incident.is_over
        self._has_told(due)
        if incident.is_over:
            self._updates.memory.ended(incident.incident)

    def _due(self) -> list[str]:
        """Whom to call now: nobody about what does not fire any more."""
        if self._incident.state != FIRING:
            return []
        return mentions.due(self._updates.mentions, self._incident.level, self._posted.mentioned)

    async def _edit_message(self) -> None:
        posted = self._posted
        message = render.message(self._incident, mentions=len(posted.mentioned))
        if posted.digest != _digest(message) and await self._edit(posted.ts, message):
            posted.digest = _digest(message)
            self._keep()

    async def _edit(self, ts: str, message: Message) -> bool:
        """Change what stands there; whether it now says this.

        Raises:
            _DeletedError: it is gone.
        """
        posted = self._posted
        if posted.is_fixed or not ts:
            return False
        answer = await self._updates.client.update(Place(posted.channel, ts), message)
        if answer.error in DELETED:
            raise _DeletedError
        if answer.error in FIXED:
            posted.is_fixed = True
            self._keep()
        elif answer.outcome.worth_retrying:
            raise _StoppedError(answer.outcome)
        elif not answer.outcome.delivered:
            self.refused_edit = answer.outcome
        return answer.outcome.delivered

    async def _tell_worse(self, *, in_thread: bool) -> None:
        """The severity is higher than what the channel was told."""
        incident, posted = self._incident, self._posted
        due = self._due()
        if incident.state != FIRING or not (due or incident.level > posted.level):
            return
        words = mentions.in_words(self._updates.mentions, due)
        message = render.worse(incident, words) if in_thread else render.message(incident, words)
        await self._post(message, f"worse {incident.severity}", in_thread=in_thread, is_broadcast=in_thread)
        posted.worse = incident.number
        self._has_told(due)

    async def _add_notes(self) -> None:
        """The lines of the story that nothing else shows."""
        posted = self._posted
        for line in self._incident.notes:
            if line.number <= posted.note:
                continue
            is_told = line.change == "worse" and line.number <= posted.worse
            if line.change not in _SHOWN_ELSEWHERE and not is_told:
                await self._post(render.note(self._incident, line), f"note {line.number}", in_thread=True)
            posted.note = line.number
            self._keep()

    async def _reply_errors(self) -> None:
        for key, message in self._error_replies():
            reply, digest = self._posted.replies.get(key), _digest(message)
            if reply is None:
                await self._new_reply(key, message)
            elif reply.digest != digest:
                await self._edit_reply(key, reply, message)

    async def _edit_reply(self, key: str, reply: Reply, message: Message) -> None:
        try:
            if await self._edit(reply.ts, message):
                reply.digest = _digest(message)
                self._keep()
        except _DeletedError:
            await self._new_reply(key, message)

    async def _new_reply(self, key: str, message: Message) -> None:
        answer = await self._post(message, f"errors {key}", in_thread=True)
        self._posted.replies[key] = Reply(answer.place.ts if answer.place else "", _digest(message))
        self._keep()

    def _error_replies(self) -> Iterator[tuple[str, Message]]:
        errors = self._incident.errors
        for group in errors.kinds[:MAX_GROUPS]:
            yield group.id, render.errors_of(self._incident, group)
        if errors.more_groups:
            yield _OTHERS, render.other_errors(self._incident)

    async def _tell_end(self) -> None:
        """Once in the channel: as a reply, or by a message of its own where there is no thread."""
        incident, posted = self._incident, self._posted
        if posted.ts and not incident.quiet_end:
            await self._post(render.cleared(incident), "over", in_thread=True, is_broadcast=True)
        elif not posted.ts and not (incident.quiet_end and incident.errors.count <= posted.count):
            message = render.message(incident, is_struck=False, mentions=len(posted.mentioned))
            await self._post(message, "over")
        posted.is_over = True
        self._keep()
        self._updates.memory.ended(incident.incident)

    async def _post(
        self, message: Message, step: str, *, in_thread: bool = False, is_broadcast: bool = False
    ) -> Answered:
        """A new message; `step` names it for this incident, so that a repeated delivery can be told as such."""
        posted, incident = self._posted, self._incident
        thread = Place(posted.channel, posted.ts) if in_thread else None
        key = f"{incident.incident} {incident.began} {step}"
        answer = await self._updates.client.post(message, key, thread, is_broadcast=is_broadcast)
        if thread is not None and answer.error in DELETED:
            raise _DeletedError
        if not answer.outcome.delivered:
            raise _StoppedError(answer.outcome)
        return answer

    def _has_told(self, due: list[str]) -> None:
        incident, posted = self._incident, self._posted
        posted.severity = max(incident.level, posted.level).label
        posted.count = incident.errors.count
        posted.mentioned = [*posted.mentioned, *due]
        self._keep()

    def _keep(self) -> None:
        self._updates.memory.keep(self._incident.incident, self._posted)


def _digest(message: Message) -> str:
    return hashlib.blake2b(msgspec.json.encode(message), digest_size=8).hexdigest()
