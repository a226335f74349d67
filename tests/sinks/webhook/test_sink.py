"""The webhook sink: the exact requests, what stands in them, how they are signed and ordered, and whom it trusts."""

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay.events import Announcement, Phase, Severity, decode, encode
from sinks.base import Batching, Reason, SinkError
from sinks.testing import NOON, FaultyServer, Reply, make_context, make_event
from sinks.webhook import WebhookOptions, WebhookSink
from tests.support.certificates import certificate
from tests.support.webhook_sink import KEY, sink_of, started
from tickstock_simulator.webhook import WebhookStandIn


async def test_the_exact_request_for_one_event(server: FaultyServer) -> None:
    event = make_event()
    async with started(url=f"{server.url}/hooks/x?k=v", headers={"X-Team": "ops"}) as sink:
        assert (await sink.deliver([event], "kit-1")).delivered
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/hooks/x?k=v")
    assert request.body == encode(event)
    assert request.json["payload"]["error_code"] == "RATE_LIMIT_EXCEEDED"
    assert dict(request.headers) == {
        "host": server.url.removeprefix("http://"),
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "tickstock-relay",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
        "webhook-id": "kit-1",
        "webhook-timestamp": str(int(NOON.timestamp())),
        "x-team": "ops",
    }


async def test_a_batch_is_a_json_array_also_of_one(server: FaultyServer) -> None:
    events = [make_event(offset=number) for number in range(3)]
    async with started(url=server.url, batch={"max_events": 3, "max_wait": "2s"}) as sink:
        assert sink.batching() == Batching(3, 2.0, concurrency=4)
        await sink.deliver(events, "kit-0")
        await sink.deliver(events[:1], "kit-0")
    several, one = (msgspec.json.decode(request.body, type=list[msgspec.Raw]) for request in server.requests)
    assert [decode(bytes(line)).id for line in several] == ["kit-0", "kit-1", "kit-2"]
    assert [decode(bytes(line)).id for line in one] == ["kit-0"]


async def test_original_bytes_go_out_as_they_came(server: FaultyServer) -> None:
    original = '{"event" : "error",\n "message":"naïve \\u00e9"}'.encode()
    async with started(url=server.url, body="original") as sink:
        assert sink.wants_original
        await sink.deliver([make_event(original=original)], "kit-1")
    assert server.requests[0].body == original
    assert not WebhookSink(WebhookOptions.model_validate({"url": server.url}), make_context()).wants_original


@pytest.mark.parametrize("key", [KEY, KEY.removeprefix("whsec_")])
async def test_the_signature_is_what_standard_webhooks_asks_for(key: str) -> None:
    now = datetime.now(UTC)
    async with WebhookStandIn(secret=KEY) as place, started(make_context(now=now), url=place.url, secret=key) as sink:
        outcome = await sink.deliver([make_event({"message": "é😀"})], "kit-1")
        assert outcome.delivered, outcome
    [delivery] = place.deliveries
    assert delivery.verified
    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(delivery.body + b" ", delivery.headers)


async def test_a_known_signature_of_the_specifications_scheme(server: FaultyServer) -> None:
    """Worked out by hand: base64(HMAC-SHA256(key, "id.timestamp.body"))."""
    async with started(url=server.url, secret=KEY, body="original") as sink:
        await sink.deliver([make_event(original=b'{"a":1}')], "kit-1")
    assert server.requests[0].headers["webhook-signature"] == "v1,GzBJU7g3NoBGXNHdoGMPKH72frJk+JzAQHbSX6k3dqs="


def test_order_is_by_the_fields_asked_for() -> None:
    options = WebhookOptions.model_validate({"url": "https://x.example", "order_by": ["run_id", "payload.a.b"]})
    sink = WebhookSink(options, make_context())
    one = make_event({"a": {"b": 1}}, run_id="r")
    assert sink.order_key(one) == sink.order_key(make_event({"a": {"b": 1}}, run_id="r", offset=2)) == '["r",1]'
    assert sink.order_key(make_event({"a": {"b": "1"}}, run_id="r")) != sink.order_key(one)
    assert sink.order_key(make_event({"a": 3}, run_id=None)) is None
    unordered = WebhookSink(WebhookOptions.model_validate({"url": "https://x.example"}), make_context())
    assert unordered.order_key(one) is None


def test_order_is_by_any_field_of_an_event() -> None:
    fields = ["channel", "domain", "action", "event", "phase", "source", "run_id", "payload.a.b", "payload.x"]
    sink = sink_of(order_by=fields)
    key = sink.order_key(make_event({"a": {"b": True}, "x": [1]}, run_id="r", phase=Phase.IMPORT, source="s"))
    assert key == '["tickstock:errors","errors","","error","import","s","r",true,[1]]'
    empty = sink_of(order_by=["source", "payload.a.b.c"])
    assert empty.order_key(make_event({"a": {"b": None}}, source=None)) is None
    assert empty.order_key(make_event({"a": {"b": {"c": 0}}}, source=None)) == "[null,0]"


async def test_the_originals_of_several_events_are_an_array_too(server: FaultyServer) -> None:
    events = [make_event(original=b'{"n":%d}' % number) for number in range(2)]
    async with started(url=server.url, body="original") as sink:
        await sink.deliver(events, "kit-1")
    async with started(url=server.url, body="original", batch={}) as sink:
        assert sink.batching() == Batching(100, 1.0, concurrency=4)
        await sink.deliver(events[:1], "kit-1")
    assert [request.body for request in server.requests] == [b'[{"n":0},{"n":1}]', b'[{"n":0}]']


async def test_no_secret_of_the_options_comes_back_in_a_detail(server: FaultyServer) -> None:
    key = KEY.removeprefix("whsec_")
    secrets = ["hidden-path", "hidden-query", "hidden-header", KEY, key]
    server.always = Reply(400, " ".join(["no", *secrets]).encode())
    options: dict[str, Any] = {"headers": {"X-Key": "hidden-header"}, "secret": KEY}
    async with started(url=f"{server.url}/hidden-path?k=hidden-query", **options) as sink:
        detail = (await sink.deliver([make_event()], "kit-1")).detail
    assert detail.startswith("HTTP 400: no ")
    assert not any(secret in detail for secret in secrets)


async def test_a_check_delivers_nothing(server: FaultyServer) -> None:
    async with started(url=f"{server.url}/hidden-path") as sink:
        assert await sink.check() == f"{server.url} answers (HTTP 204 to OPTIONS)"
        await server.stop()
        with pytest.raises(SinkError, match=f"^{server.url}: cannot connect") as caught:
            await sink.check()
    assert "hidden" not in str(caught.value)
    assert [request.method for request in server.requests] == ["OPTIONS"]


async def test_a_certificate_of_nobody_is_not_trusted(tmp_path: Path) -> None:
    cert, key = await certificate(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    received: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    place = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{place.sockets[0].getsockname()[1]}/hook"
    async with place:
        async with started(url=url, attempts=1) as sink:
            outcome = await sink.deliver([make_event()], "kit-1")
        assert outcome.reason is Reason.UNREACHABLE
        assert "CERTIFICATE_VERIFY_FAILED" in outcome.detail
        assert received == []
        async with started(url=url, attempts=1, ca_file=cert) as sink:
            assert (await sink.deliver([make_event()], "kit-1")).delivered
    assert len(received) == 1


async def test_the_clock_of_the_signature_is_the_daemons(server: FaultyServer) -> None:
    async with started(make_context(now=NOON + timedelta(hours=1)), url=server.url) as sink:
        await sink.deliver([make_event()], "kit-1")
    assert server.requests[0].headers["webhook-timestamp"] == "1738016400"


async def test_what_a_relay_says_itself_names_the_installation_and_what_it_received_does_not(
    server: FaultyServer,
) -> None:
    announced = Announcement(
        channel="relay:gap",
        event="gap",
        severity=Severity.CRITICAL,
        payload={"url": "https://relay.example/#intake"},
    )
    own, received = announced.as_event("boot", 1, NOON), make_event()
    async with started(replace(make_context("app"), installation="production"), url=server.url) as sink:
        await sink.deliver([own], "kit-1")
        await sink.deliver([received], "kit-2")
    first, second = (request.json for request in server.requests)
    assert (first["source"], first["payload"]["url"]) == ("production", "https://relay.example/#intake")
    assert (first["severity"], first["event"], first["channel"]) == ("critical", "gap", "relay:gap")
    assert second["source"] == received.source
    assert (own.source, decode(server.requests[0].body).id) == ("tickstock-relay", own.id)
