"""The webhook sink: exact requests, signatures, retries, and what its options refuse."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay.events import Announcement, Phase, Severity, decode, encode
from sinks.base import Batching, Reason, SinkContext, SinkError
from sinks.posting import Answer, retry_after
from sinks.testing import NOON, Fault, FaultyServer, Reply, make_context, make_event
from sinks.webhook import WebhookOptions, WebhookSink
from tests.support.certificates import certificate
from tickstock_simulator.webhook import WebhookStandIn

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND_TRY = {"timeout": "30s", "retry_delay": "1ms"}


@asynccontextmanager
async def started(context: SinkContext | None = None, **options: Any) -> AsyncIterator[WebhookSink]:
    given = WebhookOptions.model_validate({**SECOND_TRY, **options})
    sink = WebhookSink(given, context or make_context("app"))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    async with FaultyServer(Reply(204, b"")) as faulty:
        yield faulty


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


async def test_a_short_trouble_is_sat_out_within_one_delivery(server: FaultyServer) -> None:
    server.replies.extend([Reply(503, b""), Reply(fault=Fault.DROP)])
    async with started(url=server.url) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).delivered
    assert [request.headers["webhook-id"] for request in server.requests] == ["kit-1"] * 3
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.parametrize(
    ("reply", "attempts"),
    [
        (Reply(408, b""), 3),
        (Reply(429, b""), 3),
        (Reply(500, b""), 3),
        (Reply(503, b"", {"Retry-After": "0"}), 3),
        (Reply(503, b"", {"Retry-After": "6"}), 1),
        (Reply(fault=Fault.DROP), 3),
        (Reply(fault=Fault.HANG), 1),
        (Reply(400, b""), 1),
        (Reply(404, b""), 1),
        (Reply(425, b""), 3),
        (Reply(423, b""), 3),
        (Reply(421, b""), 3),
        (Reply(302, b""), 1),
    ],
    ids=str,
)
async def test_so_often_it_is_tried_within_one_delivery(server: FaultyServer, reply: Reply, attempts: int) -> None:
    server.always = reply
    patience = "1s" if reply.fault is Fault.HANG else "30s"
    async with started(url=server.url, timeout=patience) as sink:
        assert not (await sink.deliver([make_event()], "kit-1")).delivered
    assert len(server.requests) == attempts


async def test_a_short_wish_to_wait_is_respected(server: FaultyServer) -> None:
    server.replies.append(Reply(429, b"", {"Retry-After": "1"}))
    async with started(url=server.url) as sink:
        begun = asyncio.get_running_loop().time()
        assert (await sink.deliver([make_event()], "kit-1")).delivered
        assert asyncio.get_running_loop().time() - begun >= 0.99


@pytest.mark.parametrize(("status", "reason"), [(200, Reason.OK), (500, Reason.SERVER_ERROR)])
async def test_an_answer_without_end_is_read_only_so_far(server: FaultyServer, status: int, reason: Reason) -> None:
    server.always = Reply(status, b"", fault=Fault.ENDLESS)
    async with started(url=server.url, attempts=1) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).reason is reason


async def test_the_reason_of_a_refusal_is_told(server: FaultyServer) -> None:
    server.always = Reply(422, b"field \x1b[31m'symbol' missing\n" + b"x" * 500)
    async with started(url=server.url) as sink:
        outcome = await sink.deliver([make_event()], "kit-1")
    assert outcome.reason is Reason.REJECTED
    assert outcome.detail.startswith("HTTP 422: field [31m'symbol' missing xxx")
    assert len(outcome.detail) < 250


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("999999999", 86400.0),
        ("9" * 400, 86400.0),
        ("Mon, 27 Jan 99999999999999999999 21:21:30 GMT", None),
        ("Mon, 27 Jan 2025 21:21:30 +99999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86400.0),
        ("Mon, 27 Jan 2025 21:21:30 GMT", 90.0),
        ("Mon, 27 Jan 2025 21:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(Answer(429, {"retry-after": value}, b""), NOON) == seconds


def test_order_is_by_the_fields_asked_for() -> None:
    options = WebhookOptions.model_validate({"url": "https://x.example", "order_by": ["run_id", "payload.a.b"]})
    sink = WebhookSink(options, make_context())
    one = make_event({"a": {"b": 1}}, run_id="r")
    assert sink.order_key(one) == sink.order_key(make_event({"a": {"b": 1}}, run_id="r", offset=2)) == '["r",1]'
    assert sink.order_key(make_event({"a": {"b": "1"}}, run_id="r")) != sink.order_key(one)
    assert sink.order_key(make_event({"a": 3}, run_id=None)) is None
    unordered = WebhookSink(WebhookOptions.model_validate({"url": "https://x.example"}), make_context())
    assert unordered.order_key(one) is None


def sink_of(**options: Any) -> WebhookSink:
    return WebhookSink(WebhookOptions.model_validate({"url": "https://x.example", **options}), make_context("app"))


def test_order_is_by_any_field_of_an_event() -> None:
    fields = ["channel", "domain", "action", "event", "phase", "source", "run_id", "payload.a.b", "payload.x"]
    sink = sink_of(order_by=fields)
    key = sink.order_key(make_event({"a": {"b": True}, "x": [1]}, run_id="r", phase=Phase.IMPORT, source="s"))
    assert key == '["tickstock:errors","errors","","error","import","s","r",true,[1]]'
    empty = sink_of(order_by=["source", "payload.a.b.c"])
    assert empty.order_key(make_event({"a": {"b": None}}, source=None)) is None
    assert empty.order_key(make_event({"a": {"b": {"c": 0}}}, source=None)) == "[null,0]"


@pytest.mark.parametrize(
    ("delay", "waited", "asked", "least", "most"),
    [
        (1.0, 0, None, 1.0, 2.0),
        (1.0, 1, None, 2.0, 3.0),
        (1.0, 2, None, 4.0, 5.0),
        (1.0, 3, None, 5.0, 6.0),
        (0.5, 9, None, 5.0, 5.5),
        (0.0, 3, None, 0.0, 0.0),
        (1.0, 0, 0.0, 0.0, 0.0),
        (1.0, 3, 4.5, 4.5, 4.5),
    ],
)
def test_each_wait_is_twice_the_one_before_unless_the_place_asks_for_another(
    delay: float, waited: int, asked: float | None, least: float, most: float
) -> None:
    waits = [sink_of(retry_delay=delay)._wait(waited, asked) for _ in range(50)]
    assert all(least <= wait <= most for wait in waits)
    assert (len(set(waits)) > 1) == (least < most), "the jitter keeps many from coming at the same time"


async def test_between_tries_it_waits_longer_each_time(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.always = Reply(500, b"")
    asked: list[tuple[int, float | None]] = []

    def no_wait(_: WebhookSink, waited: int, after: float | None) -> float:
        asked.append((waited, after))
        return 0.0

    monkeypatch.setattr(WebhookSink, "_wait", no_wait)
    server.replies.extend([Reply(503, b"", {"Retry-After": "5"}), Reply(503, b"", {"Retry-After": "0.5"})])
    async with started(url=server.url, attempts=4) as sink:
        assert not (await sink.deliver([make_event()], "kit-1")).delivered
    assert asked == [(0, 5.0), (1, 0.5), (2, None)]
    assert len(server.requests) == 4


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


@pytest.mark.parametrize("size", [24, 25, 26, 64])
@pytest.mark.parametrize("prefix", ["", "whsec_"])
def test_a_signing_key_has_24_to_64_bytes_with_or_without_padding(size: int, prefix: str) -> None:
    text = base64.b64encode(b"k" * size).decode()
    for written in (text, text.rstrip("=")):
        assert sink_of(secret=prefix + written).options.secret is not None


@pytest.mark.parametrize("size", [23, 65])
def test_a_shorter_or_longer_signing_key_is_refused(size: int) -> None:
    with pytest.raises(ValidationError, match=f"must have 24 to 64 bytes, this one has {size}"):
        sink_of(secret=base64.b64encode(b"k" * size).decode())


@pytest.mark.parametrize(
    "headers", [{"X-Team": "ops"}, {"!#$%&'*+.^_`|~-": ""}, {"X": "a\tb ~"}, {"Hosts": "x"}, {"Webhooks": "x"}]
)
def test_a_header_that_http_allows_is_taken(headers: dict[str, str]) -> None:
    given = sink_of(headers=headers).options.headers
    assert {name: value.get_secret_value() for name, value in given.items()} == headers


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Content-Length",
        "content-type",
        "Content-Encoding",
        "Transfer-Encoding",
        "Connection",
        "webhook-signature",
    ],
)
def test_a_header_that_the_sink_sets_itself_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=f"the header {name} is set by the sink itself"):
        sink_of(headers={"X-Other": "x", name: "x"})


async def test_a_sink_that_was_not_started_says_so_and_can_be_closed() -> None:
    sink = sink_of()
    await sink.close()
    with pytest.raises(SinkError, match=r"^the webhook sink was not started$"):
        await sink.deliver([make_event()], "kit-1")


async def test_a_check_delivers_nothing(server: FaultyServer) -> None:
    async with started(url=f"{server.url}/hidden-path") as sink:
        assert await sink.check() == f"{server.url} answers (HTTP 204 to OPTIONS)"
        await server.stop()
        with pytest.raises(SinkError, match=f"^{server.url}: cannot connect") as caught:
            await sink.check()
    assert "hidden" not in str(caught.value)
    assert [request.method for request in server.requests] == ["OPTIONS"]


async def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate", encoding="utf-8")
    for path in (broken, tmp_path / "missing.pem"):
        with pytest.raises(SinkError, match="cannot use ca_file"):
            async with started(url="https://x.example", ca_file=path):
                pass


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


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({}, "url"),
        ({"url": "https://x.example", "key_file": "/hidden"}, "Value error, key_file goes with cert_file ["),
        ({"url": "http://x.example", "allow_plain_http": "hidde"}, "1 validation error"),
        ({"url": "https://x.example", "secret": "whsec_aGlkZGVu!"}, "error, the signing key must be whsec_… or plain"),
        ({"url": "https://x.example", "order_by": ["runs_id"]}, "such as run_id, channel or payload.symbol ["),
        ({"url": "https://x.example", "headers": {"X": "hiddé"}}, "header X must be printable ASCII in one line ["),
        ({"url": "http://app.example/hidden"}, "plain http leaves this machine"),
        ({"url": "app.example/hidden"}, "https://host/path"),
        ({"url": "https://app.example:port/hidden"}, "host or port"),
        ({"url": "https://app.example/hid den"}, "blanks"),
        ({"url": "https://x.example", "secret": "whsec_hidden!"}, "whsec_… or plain base64"),
        ({"url": "https://x.example", "secret": "aGlkZGVu"}, "24 to 64 bytes, this one has 6"),
        ({"url": "https://x.example", "headers": {"Content-Type": "hidden"}}, "set by the sink itself"),
        ({"url": "https://x.example", "headers": {"Webhook-Id": "hidden"}}, "set by the sink itself"),
        ({"url": "https://x.example", "headers": {"a b": "hidden"}}, "is no header name"),
        ({"url": "https://x.example", "headers": {"X": "hidden\r\nY: z"}}, "in one line"),
        ({"url": "https://x.example", "order_by": ["colour"]}, "is no field"),
        ({"url": "https://x.example", "order_by": ["payload."]}, "is no field"),
        ({"url": "https://x.example", "batch": {"max_events": 0}}, "greater than or equal to 1"),
        ({"url": "https://x.example", "body": "xml"}, "'event' or 'original'"),
    ],
)
def test_a_mistake_in_the_options_is_named_without_the_secret(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookOptions.model_validate(wrong)
    assert hint in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://app.example/x", "http://127.0.0.1:8000/", "http://[::1]/x", "http://localhost/x"]
)
def test_an_address_that_is_safe_is_taken(url: str) -> None:
    assert WebhookOptions.model_validate({"url": url}).url.get_secret_value() == url


def test_plain_http_elsewhere_is_taken_when_asked_for() -> None:
    assert WebhookOptions.model_validate({"url": "http://app.example/", "allow_plain_http": True}).allow_plain_http


async def test_the_clock_of_the_signature_is_the_daemons(server: FaultyServer) -> None:
    async with started(make_context(now=NOON + timedelta(hours=1)), url=server.url) as sink:
        await sink.deliver([make_event()], "kit-1")
    assert server.requests[0].headers["webhook-timestamp"] == "1738016400"


@pytest.mark.parametrize("head", ["Content-Length: 100", "Transfer-Encoding: chunked"])
async def test_a_webhook_is_accepted_by_its_status_line(head: str) -> None:
    """The body breaks off: it was posted again and again under one id, until the breaker opened."""
    received: list[bytes] = []

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + b"5\r\nhalf")
        await writer.drain()
        writer.close()

    place = await asyncio.start_server(break_off, "127.0.0.1", 0)
    async with place, started(url=f"http://127.0.0.1:{place.sockets[0].getsockname()[1]}/") as sink:
        assert (await sink.deliver([make_event()], "kit-1")).delivered
    assert len(received) == 1


async def test_a_body_that_drips_beyond_the_timeout_is_accepted_too(server: FaultyServer) -> None:
    server.always = Reply(202, b"", fault=Fault.DRIP)
    async with started(url=server.url, timeout="1s") as sink:
        assert (await sink.deliver([make_event()], "kit-1")).delivered
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "reason"), [(500, Reason.SERVER_ERROR), (400, Reason.REJECTED)])
async def test_a_refusal_counts_by_its_status_line(server: FaultyServer, status: int, reason: Reason) -> None:
    server.always = Reply(status, b"", fault=Fault.DRIP)
    async with started(url=server.url, timeout="1s", attempts=1) as sink:
        assert (await sink.deliver([make_event()], "kit-1")).reason is reason


@pytest.mark.parametrize("status", [407, 421, 423, 425])
async def test_what_may_pass_is_tried_again(server: FaultyServer, status: int) -> None:
    server.always = Reply(status, b"")
    async with started(url=server.url, attempts=1) as sink:
        outcome = await sink.deliver([make_event()], "kit-1")
    assert outcome.worth_retrying, outcome


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
