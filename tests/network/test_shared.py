"""What API client and sinks share over HTTP: words for a failure, bounded bodies, TLS, one way to hide secrets."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from relay.network.bodies import gunzip, read_bounded
from relay.redaction.known_secrets import KnownSecrets
from relay.redaction.patterns import REDACTED
from relay.tickstockpl.client import TickStockPL
from relay.tickstockpl.errors import ApiError
from sinks.posting import NoAnswerError, Poster

ROOT = Path(__file__).parents[2]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def hangs_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"-ERR unknown command\r\n")


@contextlib.asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """The address of a server; at the end no connection is left open."""
    busy: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        with contextlib.suppress(OSError):  # the client has hung up
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        busy.discard(task)

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        async with asyncio.timeout(60):
            await asyncio.gather(*busy)


async def words_of_both(url: str, patience: float) -> tuple[str, str]:
    async with TickStockPL(url, timeout=patience, retries=0) as client:
        with pytest.raises(ApiError) as asked:
            await client.status()
    poster = Poster(timeout=patience, user_agent="test", secrets=())
    try:
        with pytest.raises(NoAnswerError) as posted:
            await poster.post(url, b"{}", {})
    finally:
        await poster.close()
    return str(asked.value).removeprefix(f"cannot reach {url}: "), str(posted.value)


@pytest.mark.parametrize(
    ("serve", "patience", "words"),
    [
        (silent, 0.2, "no answer within 0.2 s"),
        (hangs_up, 60.0, "the connection ended without an HTTP answer"),
        (no_http, 60.0, "the connection ended without an HTTP answer"),
    ],
)
async def test_one_failure_has_one_wording(serve: Serve, patience: float, words: str) -> None:
    async with serving(serve) as url:
        assert await words_of_both(url, patience) == (words, words)


async def test_a_refused_connection_says_so_in_both() -> None:
    async with serving(silent) as url:
        pass
    words = "cannot connect: connection refused (is it running?)"
    assert await words_of_both(url, 60.0) == (words, words)


async def chunks(*given: bytes) -> AsyncIterator[bytes]:
    for chunk in given:
        yield chunk


async def test_a_body_is_read_up_to_its_limit() -> None:
    read = bytearray()
    assert await read_bounded(chunks(b"abc", b"de"), read, 5)
    assert read == b"abcde"
    read = bytearray()
    assert not await read_bounded(chunks(b"abc", b"def", b"ghi"), read, 5)
    assert read == b"abcde"


def test_what_swells_or_is_cut_off_is_refused() -> None:
    packed = gzip.compress(b"x" * 1000)
    assert gunzip(packed, 1000) == b"x" * 1000
    with pytest.raises(ValueError, match="larger than 999 bytes"):
        gunzip(packed, 999)
    with pytest.raises(ValueError, match="cut off"):
        gunzip(packed[:-9], 1000)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bad hush-1", f"bad {REDACTED}"),
        ("bad hush-12 and hush-1", f"bad {REDACTED} and {REDACTED}"),
        ("at http://me:pw@db/x", f"at http://me:{REDACTED}@db/x"),
        ("password=other\nnext line", f"password={REDACTED} next line"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_hidden_one_way(text: str, shown: str) -> None:
    assert KnownSecrets(["hush-1", "hush-12", None, ""]).hide(text) == shown


ONCE = {
    '"***"': (),
    '"[redacted]"': ("relay/redaction/patterns.py",),
    "load_cert_chain": ("relay/network/tls.py",),
    "aiter_raw():": (),
    "no answer within {timeout": ("relay/network/failures.py",),
    "without an HTTP answer": ("relay/network/failures.py",),
}


@pytest.mark.parametrize(("text", "places"), ONCE.items())
def test_each_is_written_once(text: str, places: tuple[str, ...]) -> None:
    paths = [path for folder in ("relay", "sinks") for path in (ROOT / folder).rglob("*.py")]
    having = [str(path.relative_to(ROOT)) for path in paths if text in path.read_text()]
    assert tuple(having) == places
