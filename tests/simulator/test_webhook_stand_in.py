"""The receiver of webhooks: what it keeps, how it checks signatures, and how it fails."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tickstock_simulator.webhook import WebhookStandIn

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the scheme's own example


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=120) as open_client:
        yield open_client


def signed(body: str, *, at: datetime | None = None) -> dict[str, str]:
    moment = at or datetime.now(UTC)
    signature = Webhook(SECRET).sign("msg_1", moment, body)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signature,
    }


async def test_every_request_is_kept_with_headers_and_bytes(client: httpx.AsyncClient) -> None:
    async with WebhookStandIn() as receiver:
        answer = await client.post(
            f"{receiver.url}/hooks/tickstock", content=b'{"a": "\xc3\xa9"}', headers={"X-Team": "ops"}
        )
    delivery = receiver.deliveries[0]
    assert answer.status_code == 200
    assert (delivery.method, delivery.path, delivery.body) == ("POST", "/hooks/tickstock", b'{"a": "\xc3\xa9"}')
    assert delivery.headers["x-team"] == "ops"
    assert delivery.verified is None


async def test_signatures_are_checked_when_there_is_a_secret(client: httpx.AsyncClient) -> None:
    old = datetime.now(UTC) - timedelta(minutes=10)
    async with WebhookStandIn(secret=SECRET) as receiver:
        for body, headers in (
            ("{}", signed("{}")),
            ("{} ", signed("{}")),
            ("{}", {}),
            ("{}", signed("{}", at=old)),
            ("{}", signed("{}") | {"webhook-signature": "v1,%%%"}),
        ):
            await client.post(receiver.url, content=body, headers=headers)
    assert [delivery.verified for delivery in receiver.deliveries] == [True, False, False, False, False]
    assert [delivery.status for delivery in receiver.deliveries] == [200, 401, 401, 401, 401]
    assert len(receiver.accepted) == 1


async def test_bytes_that_are_no_text_are_kept_and_not_verified(client: httpx.AsyncClient) -> None:
    async with WebhookStandIn(secret=SECRET) as receiver:
        answer = await client.post(receiver.url, content=b"\xff\xfe", headers=signed("{}"))
    assert answer.status_code == 401
    assert receiver.deliveries[0].body == b"\xff\xfe"


async def test_a_share_of_requests_fails_the_same_ones_for_the_same_seed(client: httpx.AsyncClient) -> None:
    patterns = []
    for _ in range(2):
        async with WebhookStandIn() as receiver:
            receiver.trouble.fail_rate(0.5, seed=3)
            patterns.append([(await client.post(receiver.url, content=b"{}")).status_code for _ in range(60)])
            receiver.trouble.clear()
            assert (await client.post(receiver.url, content=b"{}")).status_code == 200
    assert patterns[0] == patterns[1]
    assert set(patterns[0]) == {200, 503}
    assert 15 < patterns[0].count(503) < 45


async def test_it_fails_hangs_and_goes_down_on_request(client: httpx.AsyncClient) -> None:
    async with WebhookStandIn() as receiver:
        url = receiver.url
        receiver.trouble.fail(410, 1)
        assert (await client.post(url)).status_code == 410
        receiver.trouble.hang(0.05)
        assert (await client.post(url)).status_code == 200
        await receiver.down()
        with pytest.raises(httpx.ConnectError):
            await client.post(url)
        await receiver.resume()
        receiver.trouble.clear()
        assert (await client.post(url)).status_code == 200
    assert [delivery.status for delivery in receiver.deliveries] == [410, 200, 200]
