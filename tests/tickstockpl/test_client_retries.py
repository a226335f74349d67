"""What the client asks again when that may help, and what it never does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from relay.tickstockpl.client import TickStockPL
from tests.support.api_stand import failure, http, standing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


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
