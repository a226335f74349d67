"""What a receiver answers when it refuses: which outcome that is, and that nothing secret comes back in its detail."""

from collections.abc import AsyncIterator

import httpcore
import pytest

from relay.config.environment import Environment
from sinks.base import Outcome, Reason
from sinks.posting import Answer, NoAnswerError, Poster, _is_by_the_proxy, _named_headers, outcome_of
from sinks.slack import SlackOptions, SlackSink
from sinks.testing import NOON, FaultyServer, Reply, make_context, make_event
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


@pytest.mark.parametrize(
    ("status", "reason", "waits"),
    [
        (200, Reason.OK, False),
        (299, Reason.OK, False),
        (199, Reason.BAD_ANSWER, True),
        (300, Reason.BAD_ANSWER, True),
        (399, Reason.BAD_ANSWER, True),
        (400, Reason.REJECTED, False),
        (401, Reason.UNAUTHORIZED, True),
        (403, Reason.UNAUTHORIZED, True),
        (407, Reason.UNREACHABLE, True),
        (408, Reason.TIMEOUT, True),
        (413, Reason.TOO_LARGE, True),
        (421, Reason.UNREACHABLE, True),
        (423, Reason.SERVER_ERROR, True),
        (425, Reason.SERVER_ERROR, True),
        (429, Reason.RATE_LIMITED, True),
        (499, Reason.REJECTED, False),
        (500, Reason.SERVER_ERROR, True),
        (599, Reason.SERVER_ERROR, True),
    ],
)
def test_what_a_status_alone_says(status: int, reason: Reason, *, waits: bool) -> None:
    answer = Answer(status, {"retry-after": " 7 "}, b"")
    more = " (redirects are not followed)" if reason is Reason.BAD_ANSWER else ""
    wait = 7.0 if waits else None
    assert outcome_of(answer, NOON) == Outcome(reason, f"HTTP {status}{more}", wait)
    assert outcome_of(answer, NOON, "why").detail == f"HTTP {status}: why{more}"


@pytest.mark.parametrize(
    ("url", "status", "headers", "is_it"),
    [
        ("http://a.example/", 502, {}, True),
        ("HTTP://a.example/", 502, {}, True),
        ("http://a.example:8080/", 502, {}, True),
        ("http://a.example/", 300, {}, True),
        ("http://a.example/", 299, {}, False),
        ("http://a.example/", 502, {"via": "1.1 proxy"}, False),
        ("https://a.example/", 502, {}, False),
        ("https://a.example/", 407, {}, True),
        ("http://a.example/", 407, {"via": "1.1 proxy"}, True),
    ],
)
def test_which_answers_behind_a_proxy_are_its_own(
    url: str, status: int, headers: dict[str, str], *, is_it: bool
) -> None:
    assert _is_by_the_proxy(url, Answer(status, headers, b"")) is is_it


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        (" a\r\n\tb\x1b[0m  ", "a b [0m"),
        ("was\u202eton\u2066 \u200brefused\ufeff", "was ton refused"),
        ("d\u00e9j\u00e0 vu, \u4f60\u597d \u2019\u20ac", "d\u00e9j\u00e0 vu, \u4f60\u597d \u2019\u20ac"),
        ("key 12345678 and 87654321 end", "key [redacted] and [redacted] end"),
    ],
)
async def test_what_the_other_side_says_is_shown_without_secrets_in_one_short_line(text: str, shown: str) -> None:
    proxy = {"HTTP_PROXY": "http://user:87654321@proxy.example:3128"}
    poster = Poster(timeout=1.0, user_agent="test", secrets=["12345678"], environment=Environment.read(proxy))
    assert poster.redacted(text) == shown
    await poster.close()


def test_headers_of_one_name_are_one_value() -> None:
    pairs = [(b"Via", b"1.1 a"), (b"X-Odd", b"\xe9"), (b"VIA", b"1.1 b")]
    named = _named_headers(httpcore.Response(200, headers=pairs))
    assert named == {"via": "1.1 a, 1.1 b", "x-odd": "\u00e9"}


@pytest.mark.parametrize(
    ("error", "reason", "detail", "by_proxy"),
    [
        (TimeoutError(), Reason.TIMEOUT, "no answer within 1 s", "by way of {}: no answer within 1 s"),
        (
            ConnectionRefusedError(),
            Reason.UNREACHABLE,
            "cannot connect: connection refused (is it running?)",
            "by way of {}: cannot connect: connection refused (is it running?)",
        ),
        (
            httpcore.RemoteProtocolError("odd"),
            Reason.BAD_ANSWER,
            "the connection ended without an HTTP answer",
            "by way of {}: the connection ended without an HTTP answer",
        ),
        (
            httpcore.ProxyError("403 for 87654321"),
            Reason.UNREACHABLE,
            "the proxy answered HTTP 403 for 87654321",
            "{} answered HTTP 403 for [redacted]",
        ),
        (
            httpcore.ReadError(),
            Reason.UNREACHABLE,
            "the connection broke (ReadError)",
            "by way of {}: the connection broke (ReadError)",
        ),
    ],
)
async def test_why_there_was_no_answer_names_the_proxy_on_the_way(
    error: Exception, reason: Reason, detail: str, by_proxy: str
) -> None:
    variables = {"HTTP_PROXY": "http://user:87654321@proxy.example:3128"}
    for given, words in (
        ({}, detail),
        (variables, by_proxy.format("the proxy http://proxy.example:3128 (HTTP_PROXY)")),
    ):
        environment = Environment.read(given)
        poster = Poster(timeout=1.0, user_agent="test", secrets=[], environment=environment)
        outcome = poster._no_answer(error, environment.proxies.get("http"))
        assert outcome == Outcome(reason, words)
        await poster.close()


async def test_an_answer_of_the_proxy_itself_is_no_answer(server: FaultyServer) -> None:
    server.always = Reply(403, b"not through me")
    port = server.url.rpartition(":")[2]
    environment = Environment.read({"HTTP_PROXY": f"http://127.0.0.1:{port}"})
    poster = Poster(timeout=30.0, user_agent="test", secrets=[], environment=environment)
    with pytest.raises(NoAnswerError) as failed:
        await poster.post("http://receiver.example/hook", b"{}", {})
    detail = f"the proxy http://127.0.0.1:{port} (HTTP_PROXY) answered HTTP 403 itself"
    assert failed.value.outcome == Outcome(Reason.UNREACHABLE, detail)
    assert str(failed.value) == detail
    server.always = Reply(403, b"not you", {"Via": "1.1 proxy"})
    assert (await poster.post("http://receiver.example/hook", b"{}", {})).status == 403
    await poster.close()


async def test_a_refusal_in_bytes_that_are_no_text_is_shown_as_far_as_it_is(server: FaultyServer) -> None:
    outcome = await by_webhook(server, Reply(400, b"no: \xff!"))
    assert outcome == Outcome(Reason.REJECTED, "HTTP 400: no: !")
