"""`tickstock-relay run`: the daemon."""

import gc
import sys
from pathlib import Path

import click

from relay.cli.options import in_lines
from relay.process import descriptors
from relay.process.plain_text import plain


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), default="config.yaml", show_default=True)
def command(path: Path) -> None:
    """Run the relay until SIGTERM.

    SIGHUP reads the configuration again; SIGUSR2 becomes a new process of the same command, losing nothing.
    """
    descriptors.raise_limit()
    _leave_out_what_colours()
    import uvloop

    from relay.config.load import ConfigError, load
    from relay.lifecycle.installation import is_first_start
    from relay.process import state_lock, systemd
    from relay.process.logs import finish, set_up, write_in_background

    write_in_background()
    try:
        settings = load(path)
    except ConfigError as error:
        click.echo(f"tickstock-relay: {in_lines(error) if sys.stderr.isatty() else plain(error.one_line)}", err=True)
        sys.exit(2)
    set_up(settings.log)
    inherited = systemd.inherited()
    is_first = is_first_start(settings)
    try:
        lock = state_lock.take(settings.state_dir, inherited.pop(state_lock.NAME, None))
    except state_lock.TakenError as error:
        click.echo(f"tickstock-relay: {error}", err=True)
        sys.exit(1)
    from relay.daemon import Daemon
    from relay.web.server import ListenError
    from sinks.base import SinkError

    gc.freeze()  # what was imported never dies

    async def run() -> dict[str, int] | None:
        return await Daemon(settings, path, inherited=inherited, is_first_start=is_first).run()

    try:
        handed_on = uvloop.run(run())
    except (SinkError, ListenError) as error:
        click.echo(f"tickstock-relay: {error}", err=True)
        sys.exit(1)
    if handed_on is not None:
        finish()
        systemd.reexec(handed_on | lock)


def _leave_out_what_colours() -> None:
    """Import httpx, later, without `rich` and `pygments`, which are for a command of its own: 3.5 MB of a daemon.

    A module that is None counts as missing (Python's reference, 5.3.1). `relay.process.logs` does so for structlog.
    """
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
