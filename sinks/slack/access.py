"""May the bot post in its channel? Its scopes and its membership, asked for without posting anything.

By docs.slack.dev: the header `X-OAuth-Scopes` of any answer names what the token may do (auth.test needs no scope);
users.conversations lists the channels that the bot is in, and needs `channels:read` for public ones, `groups:read`
for private ones.
"""

from collections.abc import Collection
from typing import Any, Protocol

from sinks.base import Outcome, SinkError

POST = "chat:write"
READS = {"channels:read": "public_channel", "groups:read": "private_channel"}
"""The scopes that show membership, and of which kind of channel."""
CUSTOMIZE = "chat:write.customize"
ANYWHERE = "chat:write.public"
"""With it the bot posts in public channels without being in them."""
MOST_PAGES = 20
A_PAGE = 999
_REINSTALL = "add it under OAuth & Permissions in the app's settings, and install the app again"


class Asks(Protocol):
    """What of the Slack client is needed."""

    async def ask(self, method: str, **arguments: str) -> tuple[Outcome, dict[str, Any], frozenset[str] | None]:
        """What came of a method that only reads, its answer, and the token's scopes where Slack names them."""
        ...

    def shown(self, text: str) -> str:
        """Slack's words, fit to be shown."""
        ...


async def check_access(client: Asks, channel: str, *, customized: bool) -> str:
    """What was found, in one line; `customized`: the configuration asks for a name or picture of its own.

    Raises:
        SinkError: Slack cannot be reached, refuses the token, or would refuse a message.
    """
    outcome, answer, scopes = await client.ask("auth.test")
    if not outcome.delivered:
        raise SinkError(f"Slack: {outcome.detail}")
    if scopes is not None and POST not in scopes:
        raise SinkError(f"Slack: the token does not have the scope {POST}: {_REINSTALL}")
    bot = client.shown(str(answer.get("user", "a bot")))
    parts = [f"posts as {bot} in {client.shown(str(answer.get('team', 'a workspace')))} to {channel}"]
    parts += [text] if (text := await _membership(client, bot, channel, scopes)) else []
    if customized and scopes is not None and CUSTOMIZE not in scopes:
        parts.append(f"without the scope {CUSTOMIZE} Slack ignores username and icon")
    return "; ".join(parts)


async def _membership(client: Asks, bot: str, channel: str, scopes: frozenset[str] | None) -> str:
    """A remark on whether the bot is in its channel; empty when it is."""
    readable = [scope for scope in READS if scopes is None or scope in scopes]
    found = await _find(client, channel, [READS[scope] for scope in readable]) if readable else None
    if found is not None and found.get("is_archived") is True:
        raise SinkError(f"Slack: {channel} is archived")
    if found:
        return ""
    missing = [scope for scope in READS if scopes is not None and scope not in scopes]
    if found is None or missing:
        return f"whether it is in the channel cannot be seen without {' and '.join(missing or READS)}"
    if scopes is not None and ANYWHERE in scopes:
        return f"it is not in the channel, which {ANYWHERE} allows if that is public"
    raise SinkError(f"Slack: {bot} is not in {channel}: write `/invite @{bot}` there")


async def _find(client: Asks, channel: str, types: Collection[str]) -> dict[str, Any] | None:
    """The bot's channel of that name or id; empty when it is in none such, None when that cannot be seen.

    Raises:
        SinkError: Slack could not be asked.
    """
    cursor = ""
    for _ in range(MOST_PAGES):
        arguments = {"types": ",".join(types), "limit": str(A_PAGE)} | ({"cursor": cursor} if cursor else {})
        outcome, answer, _ = await client.ask("users.conversations", **arguments)
        if not outcome.delivered:
            if "missing_scope" in outcome.detail:
                return None
            raise SinkError(f"Slack: {outcome.detail}")
        channels = answer.get("channels")
        for each in channels if isinstance(channels, list) else []:
            if isinstance(each, dict) and channel.removeprefix("#") in (each.get("id"), each.get("name")):
                return each
        metadata = answer.get("response_metadata")
        cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
        if not cursor:
            return {}
    return None
