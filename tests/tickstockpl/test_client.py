"""The client against a real server on loopback that answers whatever bytes a test wants."""

from __future__ import annotations

import asyncio
import gzip
import json
import traceback
import tracemalloc
import zlib
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

import relay.tickstockpl.client
from relay.tickstockpl.client import MAX_BODY, TickStockPL
from relay.tickstockpl.errors import ApiError, ApiErrorReason
from relay.tickstockpl.models import Cancelled, Schedule, Status, Triggered
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

TOKEN = "tok-123"  # noqa: S105 - of a server of our own
RUN_ID = "550e8400-e29b-41d4-a716-446655440000"
LONG_AGO = datetime(2025, 1, 26, 21, 10, tzinfo=UTC)


@dataclass
class Asked:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Stand:
    """Answers with `replies` in turn, the last one for ever; None means that it hangs."""

    url: str = ""
    replies: list[bytes | None] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, _, rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").partition("\r\n")
        pairs = (pair.split(": ", 1) for pair in rest.strip().split("\r\n"))
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(line, headers, body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(reply)
            await writer.drain()


def http(body: bytes | object, status: str = "200 OK", **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Length": str(len(content)), "Connection": "close"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content


@asynccontextmanager
async def serving(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """The base URL of a server; at the end no connection is left open."""
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):  # some tests make the client hang up
            await answer(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        busy.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        async with asyncio.timeout(120):
            await asyncio.gather(*busy)


@asynccontextmanager
async def standing(*replies: bytes | None) -> AsyncIterator[Stand]:
    stand = Stand(replies=list(replies))
    async with serving(stand.serve) as stand.url:
        yield stand


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay.tickstockpl.client, "RETRY_WAIT", tenacity.wait_none())


async def failure(call: Callable[[TickStockPL], Awaitable[object]], client: TickStockPL) -> ApiError:
    async with client:
        with pytest.raises(ApiError) as caught:
            await call(client)
    assert "\n" not in str(caught.value)
    return caught.value


async def status_failure(reply: bytes | None, patience: float = 120.0) -> ApiError:
    async with standing(reply) as stand:
        return await failure(TickStockPL.status, TickStockPL(stand.url, timeout=patience, retries=0))


# The endpoints, as the contract writes them


async def test_the_contracts_history_is_read_whole() -> None:
    run = {
        "run_id": RUN_ID,
        "run_date": "2025-01-26",
        "start_time": "2025-01-26T21:10:00Z",
        "end_time": "2025-01-26T21:45:00Z",
        "status": "completed",
        "symbols_processed": 505,
        "patterns_detected": 1250,
        "indicators_calculated": 7575,
        "duration_seconds": 2100,
    }
    async with standing(http({"runs": [run]})) as stand, TickStockPL(stand.url) as client:
        (found,) = await client.history(days=30)
    assert stand.asked[0].line == "GET /api/processing/history?days=30 HTTP/1.1"
    assert (found.run_id, found.run_date, found.status) == (RUN_ID, date(2025, 1, 26), "completed")
    assert (found.start_time, found.end_time) == (LONG_AGO, LONG_AGO.replace(minute=45))
    assert (found.symbols_processed, found.patterns_detected) == (505, 1250)
    assert (found.indicators_calculated, found.duration_seconds) == (7575, 2100.0)
    assert (found.trigger_type, found.symbols_failed) == (None, None)


async def test_the_contracts_schedule_is_read_whole() -> None:
    body = {
        "enabled": True,
        "trigger_time": "16:10",
        "timezone": "America/New_York",
        "next_run": "2025-01-27T21:10:00Z",
        "universes": ["sp500", "nasdaq100"],
    }
    async with standing(http(body)) as stand, TickStockPL(stand.url) as client:
        schedule = await client.schedule()
    assert stand.asked[0].line == "GET /api/processing/schedule HTTP/1.1"
    assert schedule == Schedule(
        enabled=True,
        trigger_time="16:10",
        timezone="America/New_York",
        next_run=datetime(2025, 1, 27, 21, 10, tzinfo=UTC),
        universes=("sp500", "nasdaq100"),
        market_check=None,
    )


async def test_a_trigger_posts_what_was_asked_and_returns_the_run() -> None:
    answer = {"run_id": RUN_ID, "status": "started", "message": "Processing started successfully"}
    async with standing(http(answer)) as stand, TickStockPL(stand.url) as client:
        plain = await client.trigger()
        chosen = await client.trigger(skip_market_check=True, phases=["import"], universe="sp500")
    assert plain == chosen
    assert (plain.run_id, plain.status, plain.message) == tuple(answer.values())
    assert {asked.line for asked in stand.asked} == {"POST /api/processing/trigger-manual HTTP/1.1"}
    assert json.loads(stand.asked[0].body) == {"skip_market_check": False}
    assert json.loads(stand.asked[1].body) == {
        "skip_market_check": True,
        "phases": ["import"],
        "universe": "sp500",
    }


async def test_a_change_of_schedule_posts_only_what_changes_and_needs_no_body_back() -> None:
    async with standing(http(b"", "204 No Content")) as stand, TickStockPL(stand.url) as client:
        await client.set_schedule(trigger_time="16:15")
        await client.set_schedule(enabled=False)
    assert [json.loads(asked.body) for asked in stand.asked] == [{"trigger_time": "16:15"}, {"enabled": False}]
    assert stand.asked[0].line == "POST /api/processing/schedule HTTP/1.1"


@pytest.mark.parametrize("wrong", ["24:00", "9:05", "16:15:00", "noon", ""])
async def test_a_trigger_time_that_is_no_clock_time_is_never_sent(wrong: str) -> None:
    async with standing(http({})) as stand, TickStockPL(stand.url) as client:
        with pytest.raises(ValueError, match="HH:MM"):
            await client.set_schedule(trigger_time=wrong)
    assert stand.asked == []


async def test_cancelling_is_a_delete_and_takes_any_answer() -> None:
    async with standing(http(b""), http({"status": "cancelled"})) as stand, TickStockPL(stand.url) as client:
        assert (await client.cancel()).status is None
        assert (await client.cancel()).status == "cancelled"
    assert stand.asked[0].line == "DELETE /api/processing/cancel HTTP/1.1"


# What can go wrong


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>It works</html>", b"[]", b'"running"', b"null", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":1}x'],
)
async def test_a_body_that_is_no_json_object_is_a_bad_body(body: bytes) -> None:
    error = await status_failure(http(body))
    assert (error.reason, error.status) == (ApiErrorReason.BAD_BODY, 200)


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
        (gzip.compress(b'{"is_running": true}')[:-9], "gzip"),
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


# Retries


@pytest.mark.parametrize("trouble", [b"", http(b"", "503 Service Unavailable"), http(b"", "429 Slow Down")])
async def test_a_get_is_tried_again_when_that_may_help(trouble: bytes) -> None:
    replies = (trouble, trouble, http({"status": "idle"}))
    async with standing(*replies) as stand, TickStockPL(stand.url, retries=2) as client:
        assert (await client.status()).is_running is False
    assert len(stand.asked) == 3


async def test_a_get_gives_up_after_the_retries_with_the_last_error() -> None:
    async with standing(http(b"", "503 Service Unavailable"), http(b"", "502 Bad Gateway")) as stand:
        error = await failure(TickStockPL.status, TickStockPL(stand.url, retries=3))
    assert error.status == 502
    assert len(stand.asked) == 4


@pytest.mark.parametrize("trouble", [http(b"", "404 Not Found"), http(b"nonsense")])
async def test_a_get_is_not_tried_again_when_that_cannot_help(trouble: bytes) -> None:
    async with standing(trouble) as stand:
        await failure(TickStockPL.status, TickStockPL(stand.url))
    assert len(stand.asked) == 1


@pytest.mark.parametrize(
    "command",
    [TickStockPL.trigger, TickStockPL.cancel, lambda client: client.set_schedule(enabled=True)],
    ids=["trigger", "cancel", "set_schedule"],
)
@pytest.mark.parametrize(
    ("trouble", "refused"),
    [
        (b"", False),
        (None, False),
        (http(b"", "503 Service Unavailable"), True),
        (http(b"", "409 Conflict"), True),
        (http(b"", "500 Internal Server Error"), False),
        (http(b"", "504 Gateway Timeout"), False),
    ],
)
async def test_a_command_is_sent_once_whatever_happens(
    command: Callable[[TickStockPL], Awaitable[object]], trouble: bytes | None, *, refused: bool
) -> None:
    async with standing(trouble) as stand:
        patience = 0.3 if trouble is None else 120.0  # without an answer it is waited out
        error = await failure(command, TickStockPL(stand.url, timeout=patience, retries=5))
    assert len(stand.asked) == 1
    assert ("may or may not have taken" in str(error)) is not refused


async def test_a_command_that_was_never_sent_says_so_by_its_silence() -> None:
    async with standing(http({})) as stand:
        url = stand.url
    error = await failure(TickStockPL.cancel, TickStockPL(url))
    assert "may or may not" not in str(error)


# Base URL and secrets


async def test_a_path_in_the_base_url_is_kept() -> None:
    async with standing(http({"runs": []})) as stand, TickStockPL(f"{stand.url}/pl/v1/") as client:
        await client.schedule()
        await client.history(3)
    lines = [asked.line.split()[1] for asked in stand.asked]
    assert lines == ["/pl/v1/api/processing/schedule", "/pl/v1/api/processing/history?days=3"]


async def test_a_token_goes_as_bearer_and_before_basic_auth() -> None:
    async with standing(http({})) as stand:
        async with TickStockPL(stand.url, token=TOKEN) as client:
            await client.status()
        async with TickStockPL(stand.url.replace("//", "//user:pass@"), token=TOKEN) as client:
            await client.status()
        async with TickStockPL(stand.url.replace("//", "//user:p%40ss@")) as client:
            await client.status()
        async with TickStockPL(stand.url) as client:
            await client.status()
    sent = [asked.headers.get("authorization") for asked in stand.asked]
    assert sent == ["Bearer tok-123", "Bearer tok-123", "Basic dXNlcjpwQHNz", None]


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with standing(http({"status": "idle"})) as stand, TickStockPL(stand.url) as client:
        assert (await client.status()).state == "idle"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "ftp://hush:hush@h",
        "file:///etc/passwd",
        "http://",
        "http://u:hush@h:hush/",
        "http://u:hush@h:99999",
        "http://u:hush@h?key=hush",
        "http://u:hush@h/#hush",
        "http://u:hush@h\n",
    ],
)
def test_a_base_url_of_no_use_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="base URL") as caught:
        TickStockPL(url)
    assert "hush" not in "".join(traceback.format_exception(caught.value)).replace(repr(url), "")


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        TickStockPL("http://h", token=token)
    assert not token or token not in str(caught.value)


async def test_no_error_holds_the_password_or_the_token() -> None:
    echo = {"detail": "bad Bearer tok-hush at http://me:hush-2@db/x, password=hush-3 and 'api_key': 'hush-4'"}
    answers = (http(echo, "401 Unauthorized"), http(b"?"), b"", None)
    for reply in answers:
        for token in ("tok-hush", None):
            async with standing(reply) as stand:
                url = stand.url.replace("//", "//user:pw-hush@")
                client = TickStockPL(url, token=token, timeout=0.2 if reply is None else 120.0, retries=0)
                error = await failure(TickStockPL.status, client)
            assert "hush" not in repr(client)
            seen = "".join(traceback.format_exception(error))
            assert "pw-hush" not in seen
            assert "hush" not in str(error).replace("tok-hush", "" if token is None else "tok-hush")


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
