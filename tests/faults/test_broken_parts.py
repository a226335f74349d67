"""One part of the daemon's work raises or hangs: it is announced, health says so, all other parts go on."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.faults.accounts import seconds_until
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, ServiceManager, Valkey, until
from tests.support.broken_relay import SECRET, BrokenRelay
from tests.support.relay_process import Json, drained

pytestmark = pytest.mark.faults

BROKEN = [
    ("watchdog", "relay.watchdog.watchdog:Watchdog.tick", "raises"),
    ("store", "relay.store.store:Store.retry_disk", "raises"),
    ("questions to the API", "relay.watchdog.api_state:Poller.poll", "raises"),
    ("questions to the API", "relay.watchdog.api_state:Poller.poll", "hangs"),
]
BROKEN_IDS = [f"{name} {how}" for name, _, how in BROKEN]


def healthz(relay: RelayProcess) -> tuple[int, str]:
    """Status and text."""
    try:
        with urllib.request.urlopen(f"{relay.url}/healthz", timeout=30) as answer:  # noqa: S310 - our own http:// address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(("part", "method", "how"), BROKEN, ids=BROKEN_IDS)
def test_a_broken_part_is_announced_and_all_others_go_on(
    tmp_path: Path, valkey: Valkey, report: Report, part: str, method: str, how: str
) -> None:
    config: Json = {
        "watchdog": {"poll_interval": "1s"},
        "tickstockpl": {"base_url": "http://127.0.0.1:9", "timeout": "1s"},
    }
    with ServiceManager(tmp_path) as manager:
        relay = BrokenRelay(
            tmp_path, valkey.url, config=config, manager=manager, environment={"WATCHDOG_USEC": "1000000"}
        )
        relay.choose(method)
        with relay, Numbered(valkey.port, 100) as ticks:
            until(lambda: "WATCHDOG=1" in manager.assignments, what="a fed watchdog")
            relay.set_broken(how)
            noticed = seconds_until(lambda: healthz(relay)[0] == 503, 120, "503")
            status, text = healthz(relay)
            assert (status, part in text, SECRET in text) == (503, True, False)
            until(lambda: relay.archived("relay_faulty"), what="the alert")
            fed = manager.assignments.count("WATCHDOG=1")
            before = relay.metric("relay_received_messages_total")
            until(lambda: relay.metric("relay_received_messages_total") > before + 100, what="other messages")
            assert manager.assignments.count("WATCHDOG=1") == fed, "only what works feeds it"
            relay.set_broken(None)
            until(lambda: healthz(relay)[0] == 200, what="200")
            until(lambda: manager.assignments.count("WATCHDOG=1") > fed, what="a fed watchdog")
            ticks.stop()
            drained(relay)
            found = relay.numbers()
            (firing,) = relay.archived("relay_faulty")
            lines = [line for line in relay.log_lines() if line.get("part") == part]
    assert firing["payload"]["alert"] == f"relay_faulty:{part}"
    assert SECRET not in str(firing)
    assert len(lines) == 1, "not a line a second"
    report(
        f"broken part: {part} {how}",
        injections=1,
        messages=ticks.sent,
        lost=ticks.sent - len(found),
        duplicated=found.total() - len(found),
        seconds=noticed,
        remark="until /healthz is 503",
    )
    assert len(found) == ticks.sent


def test_without_a_calendar_every_weekday_counts_and_that_is_announced(
    tmp_path: Path, valkey: Valkey, report: Report
) -> None:
    broken = tmp_path / "packages" / "holidays"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('half an upgrade')\n")
    with RelayProcess(tmp_path, valkey.url, environment={"PYTHONPATH": str(broken.parent)}) as relay:
        noticed = seconds_until(lambda: relay.archived("calendar_missing"), 120, "the alert")
        (firing,) = relay.archived("calendar_missing")
        assert "weekday" in firing["payload"]["message"]
        assert healthz(relay) == (200, "ok\n")
        assert relay.log_text().count("Traceback") == 0
    report("package holidays broken", injections=1, messages=0, seconds=noticed, remark="until the alert")
