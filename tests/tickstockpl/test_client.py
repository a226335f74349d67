"""What the client asks of TickStockPL's API, where and as whom, and what it reads of a good answer."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, date, datetime

import pytest

from relay.tickstockpl.client import TickStockPL
from relay.tickstockpl.models import Schedule
from tests.support.api_stand import failure, http, standing

TOKEN = "tok-123"  # noqa: S105 - of a server of our own
RUN_ID = "550e8400-e29b-41d4-a716-446655440000"
LONG_AGO = datetime(2025, 1, 26, 21, 10, tzinfo=UTC)


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
