"""The real relay on another clock than the machine's: for the demo, and for tests of what time brings.

All that differs from `tickstock-relay run` is what is passed in here.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from relay.process.clock import USUAL_PACE, Pace, since_boot, utc_now


def run_relay(
    config: Path,
    *,
    now: Callable[[], datetime] = utc_now,
    boot: Callable[[], float] = since_boot,
    pace: Pace = USUAL_PACE,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Run until SIGTERM; `prepare` is called before the daemon is made.

    Raises:
        relay.config.load.ConfigError: the configuration has mistakes.
    """
    import uvloop  # noqa: PLC0415 - for the process of its own only

    from relay.config.load import load  # noqa: PLC0415
    from relay.daemon import Daemon  # noqa: PLC0415
    from relay.process.logs import set_up  # noqa: PLC0415

    settings = load(config)
    set_up(settings.log)
    prepare()

    async def run() -> None:
        await Daemon(settings, config, now=now, boot=boot, pace=pace).run()

    uvloop.run(run())
