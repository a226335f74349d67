"""The wall clock jumps, or the process is stopped: nothing is deleted, given up or reported missing because of it."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.accounts import seconds_until
from tests.faults.conftest import Report
from tests.support import Valkey, until
from tests.support.faketime_relay import FaketimeRelay
from tests.support.relay_process import Json

pytestmark = pytest.mark.faults

DAY = 86400.0
WRONG_FOR = float(os.environ.get("WRONG_SECONDS", "8"))
"""Seconds that the clock is wrong."""
FALSE = ("never_started", "run_not_planned", "run_stalled", "api_unreachable")


def _old_files(directory: Path) -> list[Path]:
    """Rotated files of the archive, a year old at most."""
    directory.mkdir(parents=True)
    paths = []
    for number, days in enumerate((300, 200, 100, 50, 2)):
        path = directory / f"events-2025-01-{number + 1:02}-000.jsonl"
        path.write_bytes(b"")
        os.utime(path, (time.time() - days * DAY,) * 2)
        paths.append(path)
    return paths


@pytest.mark.parametrize("step", [1000 * DAY, DAY, -2 * DAY], ids=["+1000 d", "+1 d", "-2 d"])
def test_a_clock_that_is_wrong_for_a_while_deletes_nothing_and_reports_no_missed_run(
    tmp_path: Path, valkey: Valkey, report: Report, step: float
) -> None:
    every = {"start_grace": "0s", "poll_interval": "1s", "schedule": {"calendar": "none"}}
    config: Json = {"sinks": {"archive": {"keep": "400d", "rotate": "hourly", "compress": "none"}}, "watchdog": every}
    files = _old_files(tmp_path / "archive")
    relay = FaketimeRelay(tmp_path, valkey.url, config=config)
    relay.set_clock(0.0)
    with relay:
        valkey.publish("tickstock:errors", '{"n":1}')
        until(relay.archive, what="an archive that has something to rotate")
        relay.set_clock(step)
        noticed = seconds_until(lambda: relay.archived("clock_step"), 120, "the alert")
        (firing,) = relay.archived("clock_step")
        assert firing["payload"]["facts"]["seconds"] == pytest.approx(step, abs=60)
        time.sleep(WRONG_FOR)
        relay.set_clock(0.0)
        until(lambda: relay.log_text().count("the clock was set") == 2, what="the step back")
        assert [path for path in files if not path.exists()] == []
        assert [event for name in FALSE for event in relay.archived(name)] == []
        assert "old file deleted" not in relay.log_text()
    report(f"clock wrong for {WRONG_FOR:.0f} s: {step / DAY:+.0f} d", injections=2, messages=0, seconds=noticed)


def test_a_process_that_was_stopped_has_met_no_step(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    """That time has passed; the rule is the same for each span, so by default it is a short one."""
    stopped = float(os.environ.get("STOPPED_SECONDS", "5"))
    relay = FaketimeRelay(tmp_path, valkey.url)
    relay.set_clock(0.0)
    with relay:
        relay.send(signal.SIGSTOP)
        time.sleep(stopped)
        relay.send(signal.SIGCONT)
        until(lambda: relay.answers("/readyz"), what="the relay")
        before = relay.metric("relay_received_messages_total")
        valkey.publish("tickstock:errors", '{"n":1}')
        until(lambda: relay.metric("relay_received_messages_total") > before, what="a message")
        assert relay.archived("clock_step") == []
        assert "the clock was set" not in relay.log_text()
    report(f"stopped for {stopped:.0f} s", injections=1, messages=1)
