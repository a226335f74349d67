"""Posting by way of a real proxy: what it answers itself is told as its own, and is not the receiver's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.config.environment import Environment
from sinks.base import Reason, SinkError
from sinks.posting import Answer, NoAnswerError, Poster, outcome_of
from sinks.testing import NOON, make_context, make_event
from sinks.webhook import WebhookOptions, WebhookSink
from tests.faults.conftest import Report
from tests.support.tinyproxy import tinyproxy
from tickstock_simulator.webhook import WebhookStandIn

pytestmark = pytest.mark.faults  # they need tinyproxy

PASSWORD = "p%61ss"  # noqa: S105 - of a proxy that lives for one test
LOG_IN = ("BasicAuth user pass",)


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookStandIn]:
    async with WebhookStandIn(host="0.0.0.0") as place:  # noqa: S104 - an address that is not loopback, so that proxies count
        yield place


async def post(url: str, method: str = "POST", **variables: str) -> Answer:
    poster = Poster(timeout=10, user_agent="test", secrets=(), environment=Environment.read(variables))
    try:
        return await (poster.post(url, b"{}", {}) if method == "POST" else poster.reach(url))
    finally:
        await poster.close()


async def refused(url: str, **variables: str) -> str:
    """The detail of an answer that is no answer of the receiver's.

    By a request without a body: tinyproxy leaves one unread, and its answer may be lost with the connection then.
    """
    with pytest.raises(NoAnswerError) as caught:
        await post(url, "OPTIONS", **variables)
    assert caught.value.outcome.reason is Reason.UNREACHABLE
    assert caught.value.outcome.worth_retrying
    return caught.value.outcome.detail


def url_of(receiver: WebhookStandIn, scheme: str = "http") -> str:
    return f"{scheme}://0.0.0.0:{receiver.port}/hook"


async def test_a_proxy_is_used_with_its_password(tmp_path: Path, receiver: WebhookStandIn) -> None:
    with tinyproxy(tmp_path, *LOG_IN) as port:
        answer = await post(url_of(receiver), http_proxy=f"http://user:{PASSWORD}@127.0.0.1:{port}")
    assert answer.status == 200
    assert "tinyproxy" in answer.headers["via"]
    assert len(receiver.accepted) == 1


@pytest.mark.parametrize(
    ("directives", "status"),
    [(LOG_IN, 407), (("FilterDefaultDeny Yes", 'Filter "/dev/null"'), 403)],
    ids=["log-in", "filter"],
)
async def test_a_refusal_of_a_plain_proxy_is_not_the_receivers(
    tmp_path: Path, receiver: WebhookStandIn, report: Report, directives: tuple[str, ...], status: int
) -> None:
    with tinyproxy(tmp_path, *directives) as port:
        detail = await refused(url_of(receiver), HTTP_PROXY=f"http://127.0.0.1:{port}")
    assert detail == f"the proxy http://127.0.0.1:{port} (HTTP_PROXY) answered HTTP {status} itself"
    assert not receiver.deliveries
    report(f"plain proxy answers {status} itself", injections=1, messages=1)


async def test_a_refused_tunnel_is_told_as_the_proxys(tmp_path: Path, receiver: WebhookStandIn, report: Report) -> None:
    with tinyproxy(tmp_path, "ConnectPort 1") as port:
        detail = await refused(url_of(receiver, "https"), ALL_PROXY=f"127.0.0.1:{port}")
    assert detail.startswith(f"the proxy http://127.0.0.1:{port} (ALL_PROXY) answered HTTP 403")
    report("proxy refuses the tunnel", injections=1, messages=1)


async def test_a_proxy_that_is_not_there_is_named(receiver: WebhookStandIn) -> None:
    detail = await refused(url_of(receiver), http_proxy="http://127.0.0.1:1")
    assert detail.startswith("by way of the proxy http://127.0.0.1:1 (http_proxy): cannot connect")


async def test_a_receiver_that_the_proxy_cannot_reach_is_no_refusal(tmp_path: Path) -> None:
    with tinyproxy(tmp_path) as port:
        detail = await refused("http://0.0.0.0:1/hook", HTTP_PROXY=f"http://127.0.0.1:{port}")
    assert f"http://127.0.0.1:{port} (HTTP_PROXY) answered HTTP 5" in detail


async def test_a_refusal_of_the_receiver_by_way_of_a_proxy_is_the_receivers(
    tmp_path: Path, receiver: WebhookStandIn
) -> None:
    receiver.trouble.fail(403)
    with tinyproxy(tmp_path) as port:
        answer = await post(url_of(receiver), HTTP_PROXY=f"http://127.0.0.1:{port}")
    assert outcome_of(answer, NOON).reason is Reason.UNAUTHORIZED
    assert len(receiver.deliveries) == 1


@pytest.mark.parametrize("exception", ["0.0.0.0", "10.0.0.0/8,0.0.0.0/8", "*", "[::1] 0.0.0.0"])  # noqa: S104 - no binding
async def test_no_proxy_goes_directly(receiver: WebhookStandIn, exception: str) -> None:
    answer = await post(url_of(receiver), HTTP_PROXY="http://127.0.0.1:1", NO_PROXY=exception)
    assert answer.status == 200


async def test_this_machine_is_never_asked_by_way_of_a_proxy(receiver: WebhookStandIn) -> None:
    for host in ("127.0.0.1", "localhost"):
        assert (await post(f"http://{host}:{receiver.port}/", HTTP_PROXY="http://127.0.0.1:1")).status == 200


async def test_check_and_delivery_say_what_the_proxy_said(
    tmp_path: Path, receiver: WebhookStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = WebhookOptions.model_validate({"url": url_of(receiver), "allow_plain_http": True, "attempts": 1})
    with tinyproxy(tmp_path, *LOG_IN) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:wrong@127.0.0.1:{port}")
        sink = WebhookSink(options, make_context("app"))
        await sink.start()
        with pytest.raises(SinkError, match=rf"proxy http://127.0.0.1:{port} \(HTTP_PROXY\) answered HTTP 401 itself"):
            await sink.check()
        outcome = await sink.deliver([make_event()], "d-1")
        await sink.close()
    assert outcome.worth_retrying
    assert "wrong" not in outcome.detail


async def test_no_netrc_is_read(receiver: WebhookStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text(netrc.read_text())
    await post(url_of(receiver))
    assert "authorization" not in receiver.deliveries[0].headers
