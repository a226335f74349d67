"""The channels of the Slack stand-in: what stands in them, and what Slack allows to be done with it.

Pure but for the clock that is handed in. Refusals carry the codes of docs.slack.dev (chat.postMessage, chat.update,
chat.getPermalink).
"""

from typing import Any

from tickstock_simulator.slack_messages import SlackMessage, channel_id

Json = dict[str, Any]
_NOT_KEPT = frozenset({"token", "channel", "ts"})
_RETAINED = ("blocks", "attachments")
"""What an edit keeps where it does not name it; an empty list removes it."""


class RefusedError(Exception):
    """What Slack does not do: its error code, and further fields of the answer."""

    def __init__(self, error: str, **details: Any) -> None:
        super().__init__(error)
        self.error = error
        self.details = details


class SlackChannels:
    """All messages, the oldest first, and the states that a channel or a message can be in.

    Args:
        names: names (with #) of the channels that exist; None: every name does.
    """

    def __init__(self, names: list[str] | None) -> None:
        self.messages: list[SlackMessage] = []
        self.archived = False
        """Nothing can be posted or edited any more."""
        self.joined = True
        """Whether the bot was invited."""
        self.private: set[str] = set()
        """Names (with #) of the channels that are private."""
        self.edit_window: float | None = None
        """Seconds after which a message cannot be edited any more (a workspace's setting); None: it always can."""
        self.locked: set[str] = set()
        """The `ts` of messages that take no replies."""
        self._names = names
        self._last_ts = 0.0

    def named(self, wanted: str) -> str:
        """The name of the channel that a post names by name or id.

        Raises:
            RefusedError: there is none, or nothing may be posted there.
        """
        name = self._name(wanted) if wanted else None
        if name is None:
            raise RefusedError("channel_not_found")
        if self.archived:
            raise RefusedError("is_archived")
        if not self.joined:
            raise RefusedError("not_in_channel")
        return name

    def joined_ones(self, types: list[str]) -> list[Json]:
        """The channels of these types that the bot is in, of those that are named."""
        names = self._names or [] if self.joined else []
        return [
            {"id": channel_id(name), "name": name.lstrip("#"), "is_archived": self.archived}
            for name in names
            if ("private_channel" if name in self.private else "public_channel") in types
        ]

    def _name(self, wanted: str) -> str | None:
        if self._names is None:
            by_id = next((each.channel_name for each in self.messages if each.channel == wanted), None)
            return by_id or wanted
        names = {channel_id(name): name for name in self._names}
        plain = wanted.lstrip("#")
        return names.get(wanted) or next((name for name in self._names if name.lstrip("#") == plain), None)

    def post(self, name: str, message: Json, via: str, now: float) -> SlackMessage:
        """A new message, or a reply where `message` names a thread.

        Raises:
            RefusedError: the thread cannot be replied to.
        """
        thread = message.get("thread_ts")
        if thread is not None:
            self._check_thread(channel_id(name), str(thread))
        self._last_ts = max(round(now, 6), round(self._last_ts + 0.000001, 6))
        payload = {key: value for key, value in message.items() if key != "token"}
        kept = SlackMessage(f"{self._last_ts:.6f}", channel_id(name), name, via, payload, now)
        kept.thread = None if thread is None else str(thread)
        kept.is_broadcast = thread is not None and message.get("reply_broadcast") is True
        self.messages.append(kept)
        return kept

    def _check_thread(self, channel: str, thread: str) -> None:
        parent = self._find(channel, thread)
        if parent is None:
            raise RefusedError("thread_not_found")
        if parent.thread is not None:
            raise RefusedError("cannot_reply_to_message")
        if thread in self.locked:
            raise RefusedError("restricted_action_thread_locked")

    def edit(self, message: Json, now: float) -> SlackMessage:
        """Change a message, which is named by the channel's id (its name will not do) and `ts`.

        Raises:
            RefusedError: there is no such message, or it cannot be changed any more.
        """
        edited = self.at(message.get("channel"), message.get("ts"))
        if self.archived:
            raise RefusedError("is_archived")
        if self.edit_window is not None and now - edited.received > self.edit_window:
            raise RefusedError("edit_window_closed")
        edited.edits.append(edited.payload)
        edited.edited_at.append(now)
        changed = {name: value for name, value in message.items() if name not in _NOT_KEPT}
        retained = {name: edited.payload[name] for name in _RETAINED if name in edited.payload}
        edited.payload = retained | changed
        return edited

    def at(self, channel: object, ts: object) -> SlackMessage:
        """The message with this place.

        Raises:
            RefusedError: nothing was ever posted in such a channel, or no such message stands there.
        """
        if all(each.channel != channel for each in self.messages):
            raise RefusedError("channel_not_found")
        found = self._find(channel, ts)
        if found is None:
            raise RefusedError("message_not_found")
        return found

    def _find(self, channel: object, ts: object) -> SlackMessage | None:
        return next(
            (each for each in self.messages if each.channel == channel and each.ts == ts and not each.is_deleted), None
        )
