"""What a receiver answers when it refuses: which outcome that is, and that nothing secret comes back in its detail."""

from collections.abc import AsyncIterator

import pytest

from sinks.base import Outcome, Reason
from sinks.slack import SlackOptions, SlackSink
from sinks.testing import FaultyServer, Reply, make_context, make_event
from sinks.webhook import WebhookOptions, WebhookSink

BEARER = "4f1c9a77b0e2d35c"
BASIC = "b3BzOmh1c2gtaHVzaA=="


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    async with FaultyServer() as faulty:
        yield faulty


async def by_slack(server: FaultyServer, reply: Reply) -> Outcome:
    server.always = reply
    options = {"token": "xoxb-kit", "channel": "#ops", "base_url": f"{server.url}/api/"}
    sink = SlackSink(SlackOptions.model_validate(options), make_context("ops"))
    await sink.start()
    try:
        return await sink.deliver([make_event()], "kit-1")
    finally:
        await sink.close()


async def by_webhook(server: FaultyServer, reply: Reply, **options: object) -> Outcome:
    server.always = reply
    sink = WebhookSink(WebhookOptions.model_validate({"url": server.url, "attempts": 1, **options}), make_context())
    await sink.start()
    try:
        return await sink.deliver([make_event()], "kit-1")
    finally:
        await sink.close()


@pytest.mark.parametrize("code", ["invalid_auth", "channel_not_found", "ratelimited"])
@pytest.mark.parametrize(
    ("status", "reason"),
    [(500, Reason.SERVER_ERROR), (503, Reason.SERVER_ERROR), (429, Reason.RATE_LIMITED)],
)
async def test_a_slack_in_trouble_is_tried_again_whatever_error_it_names(
    server: FaultyServer, status: int, reason: Reason, code: str
) -> None:
    outcome = await by_slack(server, Reply(status, b'{"ok":false,"error":"%b"}' % code.encode()))
    assert outcome.reason is reason
    assert outcome.worth_retrying
    assert code in outcome.detail


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (200, "invalid_auth", Reason.UNAUTHORIZED),
        (400, "invalid_auth", Reason.UNAUTHORIZED),
        (200, "channel_not_found", Reason.REJECTED),
        (403, "channel_not_found", Reason.UNAUTHORIZED),
        (200, "internal_error", Reason.SERVER_ERROR),
    ],
)
async def test_else_slacks_own_code_decides_and_the_status_where_the_code_is_not_known(
    server: FaultyServer, status: int, code: str, reason: Reason
) -> None:
    outcome = await by_slack(server, Reply(status, b'{"ok":false,"error":"%b"}' % code.encode()))
    assert outcome.reason is reason


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (f"Bearer {BEARER}", BEARER),
        (f"Basic {BASIC}", BASIC),
        (f"Digest user=ops,  response={BEARER}", f"response={BEARER}"),
        (BEARER, BEARER),
    ],
)
@pytest.mark.parametrize("echo", ["no such token: %s", "header %s"])
async def test_no_word_of_a_header_comes_back_in_the_detail(
    server: FaultyServer, header: str, secret: str, echo: str
) -> None:
    body = echo % (secret if "token" in echo else header)
    outcome = await by_webhook(server, Reply(401, body.encode()), headers={"Authorization": header})
    assert server.requests[0].headers["authorization"] == header
    assert outcome.reason is Reason.UNAUTHORIZED
    assert secret not in outcome.detail
    assert "[redacted]" in outcome.detail
    assert body.split()[0] in outcome.detail, "the rest of the answer is shown"
