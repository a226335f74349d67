"""Where `replay` sends events, at their pace and until Ctrl-C: standard output, Redis or the sinks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from relay.process.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from relay.cli.replay_progress import ReplayProgress
    from relay.config.settings import Settings
    from relay.events import Event
    from relay.replay.targets import SinkReplay


@dataclass(frozen=True, slots=True)
class End:
    """What came of it: a part of the summary, whether all was delivered, and whether Ctrl-C cut it short."""

    summary: str
    well: bool = True
    interrupted: bool = False


def to_stdout(pieces: Iterable[tuple[float, bytes]], progress: ReplayProgress) -> End:
    """To standard output, as they are in the archive."""
    out = sys.stdout.buffer
    last = b""
    try:
        for wait, block in pieces:
            if wait:
                out.flush()
                progress.waits(wait)
                time.sleep(wait)
            out.write(block)
            last = block or last
        out.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        progress.sent_until = _last_received(last)
        return End("", interrupted=True)
    return End("")


def _last_received(block: bytes) -> datetime | None:
    from relay.replay.archive import received_of

    return received_of(block.rstrip(b"\n").rpartition(b"\n")[2])


def to_redis(
    pieces: Iterable[tuple[float, list[Event]]], settings: Settings, progress: ReplayProgress, *, mark: bool
) -> End:
    """To Redis, where all subscribers receive them again."""
    from relay.replay.targets import Republisher
    from relay.subscription.connect import ConnectError

    interrupted = False
    try:
        redis = Republisher(settings.redis, mark=mark)
        try:
            for wait, events in pieces:
                progress.waits(wait)
                time.sleep(wait)
                redis.publish(events)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            redis.close()
    except ConnectError as error:
        raise click.ClickException(plain(str(error))) from None
    progress.sent_until = redis.last_received
    own = f", {redis.own:,} of the relay's own skipped" if redis.own else ""
    return End(f", {redis.published:,} published ({redis.heard:,} deliveries){own}", interrupted=interrupted)


async def to_sinks(
    pieces: Iterable[tuple[float, list[Event]]], settings: Settings, names: tuple[str, ...], progress: ReplayProgress
) -> End:
    """To sinks by the routes, without a relay; none named: to all that deliver over the network."""
    from relay.replay.targets import SinkReplay
    from sinks.base import SinkError

    _usable_sinks(settings, names)
    replay = SinkReplay(settings, names, progress.waits_for)
    stop = _stop_on_interrupt(replay)
    try:
        await replay.start()
    except SinkError as error:
        raise click.ClickException(plain(str(error))) from None
    for wait, events in pieces:
        progress.waits(wait)
        if await _asked_to_stop(stop, wait) or not await replay.feed(events):
            break
        progress.sent_until = events[-1].received if events else progress.sent_until
    left = await replay.drain()
    summary = "".join(f", {count:,} to {name}" for name, count in replay.delivered.items())
    summary += f", {replay.muted:,} not sent to alerting sinks" if replay.muted else ""
    summary += f", {replay.unrouted:,} with no route to them" if replay.unrouted else ""
    summary += "".join(f", {count:,} NOT delivered to {name}" for name, count in left.items())
    return End(plain(summary), well=not left, interrupted=stop.is_set())


def _stop_on_interrupt(replay: SinkReplay) -> asyncio.Event:
    """The first Ctrl-C ends the reading, and what was read is delivered; the second gives that up."""
    stop = asyncio.Event()

    def interrupted() -> None:
        if stop.is_set():
            replay.give_up()
        else:
            stop.set()
            click.echo("interrupted: delivering what was read; Ctrl-C again gives it up", err=True)

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
    return stop


async def _asked_to_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for so long, or until Ctrl-C."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


def _usable_sinks(settings: Settings, names: tuple[str, ...]) -> None:
    from sinks.base import QueuedSink
    from sinks.registry import sink_class

    for name in names:
        if name not in settings.sinks:
            raise click.UsageError(f"there is no sink {plain(name)!r}; there are {', '.join(settings.sinks)}")
        direct = not issubclass(sink_class(str(settings.sinks[name]["type"])), QueuedSink)
        if direct and settings.http.enabled and _answers(settings.http.address):
            raise click.ClickException(f"a relay is running with this configuration, and {plain(name)} is its own")
    if not names and not any(issubclass(sink_class(str(o["type"])), QueuedSink) for o in settings.sinks.values()):
        raise click.ClickException(
            "no sink delivers over the network; name others with --sink, the relay being stopped"
        )


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True
