"""The store damaged, emptied, deleted or without its log, at a start and while it is in use: what is lost is told."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.accounts import assert_counters_add_up
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, Valkey, eventually
from tests.support.relay_process import Json
from tickstock_simulator.webhook import WebhookStandIn

pytestmark = pytest.mark.faults

CHANNEL = "tickstock:errors"
ROUTE = {"name": "errors", "match": {"channel": CHANNEL}, "to": ["app"]}
OUTBOX = {"retry_first": "30s", "retry_most": "60s"}
WAITING = 300


def emptied(state: Path) -> None:
    (state / "relay.db").write_bytes(b"")
    (state / "relay.db-wal").unlink(missing_ok=True)


def deleted(state: Path) -> None:
    for file in state.glob("relay.db*"):
        if file.name != "relay.db.rows":
            file.unlink()


def log_lost(state: Path) -> None:
    (state / "relay.db-wal").unlink()


def damaged(state: Path) -> None:
    """Twenty pages in a row, somewhere in the middle."""
    store = sqlite3.connect(state / "relay.db")
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    store.close()
    size = (state / "relay.db").stat().st_size
    with (state / "relay.db").open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(20 * 4096))


def _is_noted(state: Path, waiting: int) -> bool:
    note = state / "relay.db.rows"
    return note.exists() and f'"app":{waiting}' in note.read_text()


@pytest.mark.parametrize("fault", [emptied, deleted, log_lost, damaged], ids=lambda fault: fault.__name__)
async def test_what_waited_in_a_lost_store_is_told_and_counted(
    tmp_path: Path, valkey: Valkey, report: Report, fault: Callable[[Path], None]
) -> None:
    async with WebhookStandIn() as place:
        place.trouble.fail_rate(1.0)
        app = {"type": "webhook", "url": place.url, "attempts": 1}
        config: Json = {"sinks": {"app": app}, "routes": [ROUTE], "outbox": OUTBOX}
        with RelayProcess(tmp_path, valkey.url, config=config) as relay:
            with Numbered(valkey.port, 2000, channel=CHANNEL, pad=1000) as errors:
                errors.more(WAITING)
            await eventually(lambda: relay.metric("relay_lane_depth", sink="app") == errors.sent, what="events")
            await eventually(lambda: _is_noted(relay.state, errors.sent), what="the note of them")
            relay.kill()
            fault(relay.state)
            relay.start()
            await eventually(lambda: relay.archived("store_lost"), what="the alert")
            (alert,) = relay.archived("store_lost")
            await eventually(lambda: relay.archived("events_lost"), what="the alert of the lane")
            assert_counters_add_up(relay)
            lost = int(relay.metric("relay_dropped_events_total", sink="app", reason="store_damaged"))
            saved = relay.metric("relay_lane_depth", sink="app")
            assert lost + saved >= errors.sent
            assert alert["payload"]["facts"]["events"] == lost
            assert f"{lost} waiting event" in alert["payload"]["message"]
            assert relay.metric("relay_store_losses_total") == 1
            if fault is damaged:
                assert 0 < lost < errors.sent
    report(f"store {fault.__name__.replace('_', ' ')} while stopped", injections=1, messages=errors.sent, lost=lost)


async def test_a_store_deleted_while_in_use_loses_nothing(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    async with WebhookStandIn() as place:
        place.trouble.fail_rate(1.0)
        app = {"type": "webhook", "url": place.url, "attempts": 1}
        config: Json = {"sinks": {"app": app}, "routes": [ROUTE], "outbox": OUTBOX | {"retry_most": "1s"}}
        with RelayProcess(tmp_path, valkey.url, config=config) as relay:
            with Numbered(valkey.port, 2000, channel=CHANNEL) as errors:
                errors.more(WAITING)
            await eventually(lambda: relay.metric("relay_lane_depth", sink="app") == errors.sent, what="events")
            for file in relay.state.glob("relay.db*"):
                file.unlink()
            await eventually((relay.state / "relay.db").exists, what="the file again")
            await eventually(lambda: relay.metric("relay_store_in_memory") == 0, what="the store on disk")
            relay.kill()
            place.trouble.clear()
            relay.start()
            await eventually(lambda: relay.metric("relay_lane_depth", sink="app") == 0, what="delivery")
            assert relay.metric("relay_store_losses_total") == 0
            arrived = {delivery.headers["webhook-id"] for delivery in place.accepted}
            assert len(arrived) == errors.sent
    report("store deleted while in use, then SIGKILL", injections=1, messages=errors.sent)


def test_a_first_start_is_quiet_and_a_store_gone_beside_an_archive_is_not(relay: RelayProcess) -> None:
    assert relay.metric("relay_store_losses_total") == 0
    relay.terminate()
    for file in relay.state.glob("relay.db*"):
        file.unlink()
    relay.start()
    assert relay.metric("relay_store_losses_total") == 1
    assert "not known" in relay.log_text()
