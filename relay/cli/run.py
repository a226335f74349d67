"""`tickstock-relay run`: the daemon."""

import fcntl
import gc
import os
import sys
import time
from pathlib import Path

import click

PATIENCE = 2.0
"""Seconds in which the relay before us may still be ending."""


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), default="config.yaml", show_default=True)
def command(path: Path) -> None:
    """Run the relay until SIGTERM.

    SIGHUP reads the configuration again; SIGUSR2 becomes a new process of the same command, losing nothing.
    """
    import uvloop  # noqa: PLC0415 - this command only

    from relay.config.config import ConfigError, load  # noqa: PLC0415
    from relay.logs import set_up  # noqa: PLC0415

    try:
        settings = load(path)
    except ConfigError as error:
        click.echo(f"tickstock-relay: {error}", err=True)
        sys.exit(2)
    set_up(settings.log)
    if _is_taken(settings.state_dir):
        click.echo(f"tickstock-relay: another relay runs with the state directory {settings.state_dir}", err=True)
        sys.exit(1)
    from relay.daemon import Daemon  # noqa: PLC0415
    from relay.web.server import ListenError  # noqa: PLC0415
    from sinks.base import SinkError  # noqa: PLC0415

    # Events and their parts hold no cycles and die young: looking through them is work for nothing, and what was
    # imported never dies. Measured in docs/performance.md.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)

    async def run() -> None:
        await Daemon(settings, path).run()

    try:
        uvloop.run(run())
    except (SinkError, ListenError) as error:
        click.echo(f"tickstock-relay: {error}", err=True)
        sys.exit(1)


def _is_taken(state_dir: Path) -> bool:
    """Whether another process runs on that directory: two would tell everything twice, into one archive.

    The lock is this process' until it ends, however that happens; one that becomes a new process by SIGUSR2 takes it
    again. Where none can be had (a read-only disk, a file system without locks) the relay says so and does without.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(state_dir / "relay.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        until = time.monotonic() + PATIENCE
        while not _is_locked(lock):
            if time.monotonic() >= until:
                return True
            time.sleep(0.05)
    except OSError as error:
        import structlog  # noqa: PLC0415 - this command only

        structlog.get_logger(__name__).warning("nothing keeps a second relay away", error=str(error))
    return False


def _is_locked(lock: int) -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
