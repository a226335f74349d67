"""What the webhook sink makes of an answer: accepted, refused, or tried again within one delivery, and when."""

import asyncio

import pytest

from sinks.base import Reason
from sinks.posting import Answer, retry_after
from sinks.testing import NOON, Fault, FaultyServer, Reply, make_event
from sinks.webhook import WebhookSink
from tests.support.webhook_sink import sink_of, started


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
