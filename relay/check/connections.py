"""`check --connect`: is everything there that the relay needs? Redis, the API, each sink, the state directory.

Everything is tried at once, each within a bound of time; nothing is delivered and nothing is left behind.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hiredis

from relay.check.trial_environment import trial_environment
from relay.config.settings import RedisOptions, Settings
from relay.lanes.build import SinkEnvironment, make_sink
from relay.store.store import FILE_NAME, Store
from relay.subscription.connect import ConnectError, Connector
from relay.tickstockpl.client import TickStockPL
from relay.tickstockpl.errors import ApiError
from sinks.base import QueuedSink, SinkError

LONGEST = 20.0
"""Seconds for one trial."""
READ_AT_ONCE = 1 << 16


class TrialError(Exception):
    """It would not work; one line, no secret."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried, whether it works, in how many seconds that was known, and what was found."""

    what: str
    works: bool
    seconds: float
    detail: str


async def try_all(settings: Settings) -> list[Trial]:
    """Try everything."""
    with contextlib.closing(Store(None)) as store:
        return await asyncio.gather(*_trials(settings, trial_environment(settings, store)))


def _trials(settings: Settings, environment: SinkEnvironment) -> list[Coroutine[Any, Any, Trial]]:
    return [
        _trial("redis", lambda: asyncio.to_thread(_try_redis, settings.redis)),
        _trial("tickstockpl", lambda: _try_api(settings)),
        *(_trial(f"sink {name}", partial(_try_sink, name, settings, environment)) for name in settings.sinks),
        _trial("state_dir", lambda: asyncio.to_thread(_try_directory, settings.state_dir)),
    ]


async def _trial(what: str, attempt: Callable[[], Awaitable[str]]) -> Trial:
    begun = time.monotonic()
    try:
        detail, works = await asyncio.wait_for(attempt(), LONGEST), True
    except TimeoutError:
        detail, works = f"no answer within {LONGEST:.0f} s", False
    except (TrialError, SinkError, ConnectError) as error:
        detail, works = str(error), False
    except Exception as error:  # noqa: BLE001 - a stranger's sink may raise anything, and the others shall be tried
        detail, works = f"{type(error).__name__} during the test", False
    return Trial(what, works, time.monotonic() - begun, detail)


def _try_redis(options: RedisOptions) -> str:
    """Subscribe and hang up: only that shows that the ACL lets us. Nothing is asked that it need not allow."""
    wire, server = Connector(options).connect()
    sock = wire.sock
    try:
        sock.settimeout(options.connect_timeout)
        reader = hiredis.Reader(protocolError=TrialError, replyError=TrialError)
        if server.problem:
            raise TrialError(server.problem)
        for pattern in options.patterns:
            _asked(sock, reader, [b"PSUBSCRIBE", pattern.encode()])
    except OSError as error:
        raise TrialError(f"no answer: {error.strerror or error}") from None
    finally:
        sock.close()
    return f"answers, and allows subscribing to {', '.join(options.patterns)}"


def _asked(sock: socket.socket, reader: hiredis.Reader, command: list[bytes]) -> object:
    """The first reply to `command`; messages that come in between are not for us.

    Raises:
        TrialError: the server refuses, or hangs up.
    """
    sock.sendall(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in command))
    while True:
        reply = reader.gets()
        if isinstance(reply, Exception):
            raise TrialError(f"refused {command[0].decode()}: {reply}")
        if reply is False:
            if not (data := sock.recv(READ_AT_ONCE)):
                raise TrialError("it closed the connection")
            reader.feed(data)
        elif not (isinstance(reply, list) and reply[0] in (b"pmessage", b"message")):
            return reply


async def _try_api(settings: Settings) -> str:
    options = settings.tickstockpl
    token = options.token.get_secret_value() if options.token else None
    try:
        async with TickStockPL(options.base_url, token=token, timeout=options.timeout, retries=0) as api:
            status = await api.status()
    except (ApiError, ValueError) as error:
        raise TrialError(str(error)) from None
    return f"answers: {status.state}"


async def _try_sink(name: str, settings: Settings, environment: SinkEnvironment) -> str:
    """A direct sink is not started: its files may be in use by the relay that runs."""
    sink = make_sink(name, settings.sinks[name], environment)
    try:
        if isinstance(sink, QueuedSink):
            await sink.start()
        return await sink.check()
    finally:
        await sink.close()


def _try_directory(directory: Path) -> str:
    parent = directory.absolute()
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise TrialError(f"{parent} is not a directory")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise TrialError(f"{directory} is not writable by {_user()}")
    store = directory / FILE_NAME
    if store.exists() and not os.access(store, os.R_OK | os.W_OK):
        raise TrialError(f"{store} is not writable by {_user()}")
    return f"{directory} is writable, {shutil.disk_usage(parent).free >> 20:,} MiB are free"


def _user() -> str:
    return f"user {os.geteuid()}"
