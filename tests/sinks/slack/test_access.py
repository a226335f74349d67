"""`check --connect` of a Slack sink: a missing scope or membership is named, with the remedy, and nothing is posted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sinks.base import DELIVERED, Outcome, SinkError
from sinks.slack import SlackOptions, SlackSink, access
from sinks.slack.access import check_access
from sinks.testing import Fault, FaultyServer, Reply, make_context
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.slack_messages import channel_id

TOKEN = "xoxb-stand-in"  # noqa: S105 - opens nothing
ALL = {"chat:write", "channels:read", "groups:read"}
WORKS = "posts as tickstock-relay in Stand-in to #ops"


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    async with SlackStandIn(channels=["#general", "#ops", "#secret"]) as stand_in:
        stand_in.scopes = set(ALL)
        stand_in.channels.private = {"#secret"}
        yield stand_in
        assert stand_in.messages == [], "nothing is posted"


@asynccontextmanager
async def started(url: str, **more: Any) -> AsyncIterator[SlackSink]:
    options = {"token": TOKEN, "channel": "#ops", "base_url": url, **more}
    sink = SlackSink(SlackOptions.model_validate(options), make_context("ops"))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


async def checked(url: str, **more: Any) -> str:
    async with started(url, **more) as sink:
        return await sink.check()


@pytest.mark.parametrize("channel", ["#ops", "ops", channel_id("#ops"), "#secret", channel_id("#secret")])
async def test_a_bot_with_all_scopes_in_its_channel_works(slack: SlackStandIn, channel: str) -> None:
    assert await checked(slack.api_url, channel=channel) == f"posts as tickstock-relay in Stand-in to {channel}"


@pytest.mark.parametrize("scopes", [set(), {"channels:read", "groups:read"}, {"incoming-webhook"}])
async def test_a_missing_scope_to_post_is_named(slack: SlackStandIn, scopes: set[str]) -> None:
    slack.scopes = scopes
    with pytest.raises(SinkError, match=r"^Slack: the token does not have the scope chat:write: add it under OAuth"):
        await checked(slack.api_url)


@pytest.mark.parametrize("channel", ["#ops", channel_id("#ops"), "#nowhere"])
async def test_a_bot_that_is_not_in_its_channel_is_told_how_to_come_in(slack: SlackStandIn, channel: str) -> None:
    slack.channels.joined = channel == "#nowhere"
    with pytest.raises(SinkError) as failed:
        await checked(slack.api_url, channel=channel)
    assert str(failed.value) == f"Slack: tickstock-relay is not in {channel}: write `/invite @tickstock-relay` there"


async def test_an_archived_channel_is_named(slack: SlackStandIn) -> None:
    slack.channels.archived = True
    with pytest.raises(SinkError, match=r"^Slack: #ops is archived$"):
        await checked(slack.api_url)


@pytest.mark.parametrize(
    ("scopes", "channel", "remark"),
    [
        ({"chat:write"}, "#ops", "channels:read and groups:read"),
        ({"chat:write", "channels:read"}, "#secret", "groups:read"),
        ({"chat:write", "groups:read"}, "#ops", "channels:read"),
    ],
)
async def test_what_the_scopes_do_not_show_is_said_as_unknown(
    slack: SlackStandIn, scopes: set[str], channel: str, remark: str
) -> None:
    slack.scopes = scopes
    found = await checked(slack.api_url, channel=channel)
    assert found.endswith(f"; whether it is in the channel cannot be seen without {remark}")


@pytest.mark.parametrize(("scope", "channel"), [("channels:read", "#ops"), ("groups:read", "#secret")])
async def test_one_scope_shows_the_channels_of_its_kind(slack: SlackStandIn, scope: str, channel: str) -> None:
    slack.scopes = {"chat:write", scope}
    assert await checked(slack.api_url, channel=channel) == f"posts as tickstock-relay in Stand-in to {channel}"


async def test_a_bot_that_may_post_anywhere_need_not_be_in_a_public_channel(slack: SlackStandIn) -> None:
    slack.scopes, slack.channels.joined = ALL | {"chat:write.public"}, False
    assert "not in the channel, which chat:write.public allows" in await checked(slack.api_url)


@pytest.mark.parametrize("more", [{"username": "TickStock"}, {"icon": ":bell:"}])
async def test_a_name_of_its_own_needs_a_scope_of_its_own(slack: SlackStandIn, more: dict[str, str]) -> None:
    assert "without the scope chat:write.customize" in await checked(slack.api_url, **more)
    slack.scopes.add("chat:write.customize")
    assert await checked(slack.api_url, **more) == WORKS


async def test_the_channel_is_looked_for_on_all_pages(slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "A_PAGE", 1)
    assert await checked(slack.api_url, channel="#secret") == "posts as tickstock-relay in Stand-in to #secret"


class _Asked:
    """Answers as it is told, and notes what it was asked."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages = list(pages)
        self.asked: list[dict[str, str]] = []

    async def ask(self, method: str, **arguments: str) -> tuple[Outcome, dict[str, Any], frozenset[str]]:
        scopes = frozenset(ALL)
        if method == "auth.test":
            return DELIVERED, {"user": "bot", "team": "T"}, scopes
        self.asked.append(arguments)
        return DELIVERED, self.pages.pop(0) if len(self.pages) > 1 else self.pages[0], scopes

    def shown(self, text: str) -> str:
        return text


def page(*names: str, cursor: Any = "") -> dict[str, Any]:
    channels = [None, *({"id": f"C{name}", "name": name} for name in names)]
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


async def test_each_page_is_asked_for_with_the_cursor_of_the_one_before() -> None:
    client = _Asked(page("a", cursor="p2"), page("b", cursor="p3"), page("ops", cursor="p4"))
    assert await check_access(client, "#ops", customized=False) == "posts as bot in T to #ops"
    kinds = {"types": "public_channel,private_channel", "limit": "999"}
    assert client.asked == [kinds, kinds | {"cursor": "p2"}, kinds | {"cursor": "p3"}]


@pytest.mark.parametrize("last", [{}, {"channels": "odd", "response_metadata": "odd"}, page("other", cursor=None)])
async def test_after_the_last_page_the_channel_is_not_there(last: dict[str, Any]) -> None:
    client = _Asked(page("a", cursor="p2"), last)
    with pytest.raises(SinkError, match=r"^Slack: bot is not in #ops: write `/invite @bot` there$"):
        await check_access(client, "#ops", customized=False)
    assert len(client.asked) == 2


async def test_pages_without_end_are_not_asked_for_without_end() -> None:
    client = _Asked(page("a", cursor="again"))
    found = await check_access(client, "#ops", customized=False)
    assert "cannot be seen without channels:read and groups:read" in found
    assert len(client.asked) == access.MOST_PAGES == 20


async def test_a_proxy_that_hides_the_scopes_leaves_it_to_the_answers() -> None:
    who = Reply(200, b'{"ok":true,"user":"bot","team":"T"}')
    channels = Reply(200, b'{"ok":true,"channels":[{"id":"C1","name":"ops"}],"response_metadata":{"next_cursor":""}}')
    async with FaultyServer() as server:
        server.replies.extend([who, channels])
        assert await checked(f"{server.url}/api/") == "posts as bot in T to #ops"
        assert [request.path for request in server.requests] == ["/api/auth.test", "/api/users.conversations"]
    refused = Reply(200, b'{"ok":false,"error":"missing_scope","needed":"channels:read"}')
    async with FaultyServer() as server:
        server.replies.extend([who, refused])
        assert "cannot be seen without channels:read and groups:read" in await checked(f"{server.url}/api/")


@pytest.mark.parametrize(
    "answer", [Reply(500, b"no"), Reply(200, b'{"ok":false,"error":"ratelimited"}'), Reply(fault=Fault.DROP)]
)
async def test_a_slack_that_does_not_answer_fails_the_check_in_one_line(answer: Any) -> None:
    who = Reply(200, b'{"ok":true,"user":"bot","team":"T"}')
    async with FaultyServer(answer) as server:
        server.replies.append(who)
        with pytest.raises(SinkError, match=r"^Slack: ") as failed:
            await checked(f"{server.url}/api/")
    assert TOKEN not in str(failed.value)
    assert "\n" not in str(failed.value)
