"""Answers that are of no use to the client, and whatever else may come: each is an API error that names its reason."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.tickstockpl.client import MAX_BODY, TickStockPL
from relay.tickstockpl.errors import ApiError, ApiErrorReason
from relay.tickstockpl.models import Cancelled, Schedule, Status, Triggered
from tests.support.api_stand import failure, http, serving, standing, status_failure
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


# What can go wrong


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>It works</html>", b"[]", b'"running"', b"null", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":1}x'],
)
async def test_a_body_that_is_no_json_object_is_a_bad_body(body: bytes) -> None:
    error = await status_failure(http(body))
    assert (error.reason, error.status) == (ApiErrorReason.BAD_BODY, 200)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>\n<h1>Log in</h1>", "it is not JSON; it begins with '<html> <h1>Log in</h1>'"),
        (b"\xff\xfe{}", "it is not JSON; it begins with"),
        (b" \n", "it is empty"),
        (b"null", "it is null, not a JSON object"),
        (b"[]", "it is a list, not a JSON object"),
        (b"7", "it is a number, not a JSON object"),
        (b'"idle"', "it is a text, not a JSON object"),
    ],
)
async def test_it_is_said_in_words_of_people_what_came_in_place_of_json(body: bytes, words: str) -> None:
    assert f"cannot be read: {words}" in str(await status_failure(http(body)))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>You sent me this value: hunter2-own-token",
        b"The caller has\n told me his: hunter2-own-token!",
        b"hello, " * 4 + b"eyJhbGciOiJIUzI1NiJ9.hunter2eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlaHVudGVyMg",
    ],
)
async def test_half_a_secret_of_what_came_is_not_shown(body: bytes) -> None:
    async with standing(http(body)) as stand:
        error = await failure(TickStockPL.status, TickStockPL(stand.url, token="hunter2-own-token"))  # noqa: S106
    assert "it is not JSON; it begins with" in str(error)
    assert not any(part in str(error) for part in ("hunter2", "eyJ"))


async def test_a_history_without_a_list_of_runs_is_not_an_empty_history() -> None:
    async with standing(http({"runs": None}), http({"runs": []})) as stand:
        error = await failure(TickStockPL.history, TickStockPL(stand.url))
        assert error.reason is ApiErrorReason.BAD_BODY
        async with TickStockPL(stand.url) as client:
            assert await client.history() == []


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found", "500 Oops", "302 Found"])
async def test_any_status_but_2xx_is_an_error_that_names_it(status: str) -> None:
    error = await status_failure(http(b"\x00garbage", status))
    assert error.reason is ApiErrorReason.HTTP_STATUS
    assert error.status == int(status[:3])
    assert status[:3] in str(error)


async def test_redirects_are_not_followed_and_their_target_is_not_told() -> None:
    async with standing(http({"is_running": True})) as elsewhere:
        reply = http(b"", "307 Temporary Redirect", Location=f"{elsewhere.url}/?key=hush")
        error = await status_failure(reply)
    assert elsewhere.asked == []
    assert (error.reason, error.status) == (ApiErrorReason.HTTP_STATUS, 307)
    assert "redirect" in str(error)
    assert "hush" not in str(error)


async def test_a_refusal_is_explained_in_the_apis_own_words_but_a_traceback_is_not_repeated() -> None:
    refused = await status_failure(http({"detail": "a run\nis going on"}, "409 Conflict"))
    assert "409 Conflict: a run is going on" in str(refused)
    broken = await status_failure(http({"detail": "Traceback: line 5"}, "500 Internal Server Error"))
    assert "Traceback" not in str(broken)


async def test_a_server_that_never_answers_times_out() -> None:
    error = await status_failure(None, patience=0.2)
    assert error.reason is ApiErrorReason.TIMEOUT
    assert "0.2 s" in str(error)


async def test_a_server_that_drips_bytes_for_ever_times_out_all_the_same() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)  # far below the timeout of one read

    async with serving(drip) as url, asyncio.timeout(120):
        error = await failure(TickStockPL.status, TickStockPL(url, timeout=0.3, retries=0))
    assert error.reason is ApiErrorReason.TIMEOUT


async def test_nobody_listening_is_unreachable() -> None:
    async with standing(http({})) as stand:
        url = stand.url
    error = await failure(TickStockPL.status, TickStockPL(url))
    assert (error.reason, error.status) == (ApiErrorReason.UNREACHABLE, None)


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200", b"HTTP/9.9 x y\r\n\r\n"])
async def test_an_answer_that_is_no_http_is_unreachable(reply: bytes) -> None:
    assert (await status_failure(reply)).reason is ApiErrorReason.UNREACHABLE


async def test_an_answer_that_breaks_off_is_a_bad_body() -> None:
    whole = http({"is_running": True})
    assert (await status_failure(whole[:-3])).reason is ApiErrorReason.BAD_BODY


# Size and compression


async def test_a_gzipped_answer_is_read() -> None:
    body = gzip.compress(b'{"is_running": true}')
    async with standing(http(body, Content_Encoding="gzip")) as stand, TickStockPL(stand.url) as client:
        assert (await client.status()).is_running is True


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"not gzip at all", "gzip"),
        (gzip.compress(b'{"is_running": true}', mtime=0)[:-9], "gzip"),
        (zlib.compress(b'{"is_running": true}'), "deflate"),
        (b"{}", "zstd"),
    ],
)
async def test_broken_or_unasked_compression_is_a_bad_body(body: bytes, encoding: str) -> None:
    assert (await status_failure(http(body, Content_Encoding=encoding))).reason is ApiErrorReason.BAD_BODY


@pytest.mark.parametrize("announced", [True, False])
async def test_an_oversized_answer_is_cut_off(announced: bool) -> None:
    body = b'{"is_running": true, "junk": "' + b"x" * MAX_BODY + b'"}'
    error = await status_failure(http(body, Content_Length=str(len(body)) if announced else ""))
    assert error.reason is ApiErrorReason.BAD_BODY
    assert "larger" in str(error)


async def test_an_answer_of_just_below_the_limit_is_read() -> None:
    start, end = b'{"is_running": true, "junk": "', b'"}'
    body = start + b"x" * (MAX_BODY - len(start) - len(end)) + end
    async with standing(http(body)) as stand, TickStockPL(stand.url) as client:
        assert (await client.status()).is_running is True


async def test_an_answer_that_swells_when_unpacked_is_cut_off() -> None:
    body = gzip.compress(b'{"a": "' + b"x" * 20 * MAX_BODY + b'"}')
    assert len(body) < MAX_BODY
    tracemalloc.start()
    error = await status_failure(http(body, Content_Encoding="gzip"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MAX_BODY
    assert error.reason is ApiErrorReason.BAD_BODY
    assert "larger" in str(error)


# Whatever comes


keys = st.text(max_size=3) | st.sampled_from(
    ["is_running", "status", "run_id", "progress", "start_time", "runs", "timezone", "services", "detail"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


ANSWERS = (Status, list, Schedule, Triggered, Cancelled)


async def ask_everything(reply: bytes) -> None:
    calls: list[Callable[[TickStockPL], Awaitable[object]]] = [
        TickStockPL.status,
        TickStockPL.history,
        TickStockPL.schedule,
        TickStockPL.trigger,
        TickStockPL.cancel,
        lambda client: client.set_schedule(enabled=True),
    ]
    async with standing(reply) as stand, TickStockPL(stand.url, timeout=120.0, retries=0) as client:
        for call in calls:
            with suppress(ApiError):
                found = await call(client)
                assert found is None or isinstance(found, ANSWERS)


unhurried = examples(60)


@unhurried
@given(body=json_values, status=st.sampled_from(["200 OK", "200 OK", "400 Bad", "500 Oops"]))
def test_no_json_body_ever_raises_anything_but_an_api_error(body: object, status: str) -> None:
    asyncio.run(ask_everything(http(body, status)))


@unhurried
@given(reply=st.binary() | st.binary().map(http) | st.binary().map(lambda x: http(b"{}", "302 Found")[:-6] + x))
def test_no_bytes_ever_raise_anything_but_an_api_error(reply: bytes) -> None:
    asyncio.run(ask_everything(reply))


@unhurried
@given(location=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=30))
def test_no_redirect_ever_raises_anything_but_an_api_error(location: str) -> None:
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location.encode("latin-1") + b"\r\n\r\n"
    asyncio.run(ask_everything(head))
