"""Messages that are too large or no messages at all; disks that are full, read-only or damaged."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.faults.test_relay_and_redis import counters_add_up, missing, twice
from tests.support import Numbered, RelayProcess, Valkey, until
from tests.support.relay_process import drained
from tests.support.shapes import every_shape
from tests.support.traffic import CHANNEL, message

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("megabytes", [1, 64])
def test_a_large_message_is_kept_or_quarantined_whole(
    relay: RelayProcess, valkey: Valkey, report: Report, megabytes: int
) -> None:
    large = message(1, "x" * (megabytes << 20))
    begun = time.monotonic()
    valkey.publish(CHANNEL, large)
    valkey.publish(CHANNEL, message(2))
    until(lambda: 2 in relay.numbers(), what="the message behind it")
    took = time.monotonic() - begun
    if megabytes == 1:
        assert relay.numbers()[1] == 1
    else:
        assert [each["data"] == large for each in relay.quarantine()] == [True]
    counters_add_up(relay)
    report(f"a message of {megabytes} MB", injections=1, messages=2, lost=0, duplicated=0, seconds=took)


def test_ten_thousand_random_and_mutated_messages_are_events_or_quarantined(
    relay: RelayProcess, valkey: Valkey, report: Report
) -> None:
    chance = random.Random(7)
    shapes = [(channel, body) for channel, body, _ in every_shape()]
    begun = time.monotonic()
    with valkey.client.pipeline(transaction=False) as pipeline:
        for _ in range(10_000):
            channel, body = chance.choice(shapes)
            mutated = bytearray(body) if chance.random() < 0.8 else bytearray(chance.randbytes(chance.randrange(200)))
            for _ in range(chance.randrange(1, 6)):
                if mutated:
                    mutated[chance.randrange(len(mutated))] = chance.randrange(256)
            pipeline.publish(channel, bytes(mutated))
        pipeline.execute()
    until(lambda: relay.metric("relay_received_messages_total") == 10_000)
    took = time.monotonic() - begun
    ours = [line for line in relay.archive_lines() if not json.loads(line)["channel"].startswith("relay:")]
    assert len(ours) + len(relay.quarantine()) == 10_000
    assert relay.alive
    counters_add_up(relay)
    report("random and mutated messages", injections=10_000, messages=10_000, lost=0, duplicated=0, seconds=took)


def test_a_full_disk_holds_the_archive_up_and_loses_nothing(
    tmp_path: Path, valkey: Valkey, small_disk: Path, report: Report
) -> None:
    config = {"sinks": {"archive": {"directory": str(small_disk / "archive")}}}
    relay = RelayProcess(tmp_path, valkey.url, config=config)
    relay.archive_directory = small_disk / "archive"
    with relay, Numbered(valkey.port, 500) as traffic:
        until(lambda: traffic.sent > 200)
        ballast = small_disk / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=4k"], check=False, capture_output=True)
        until(lambda: relay.metric("relay_sink_failing", sink="archive"), what="that the archive fails")
        ballast.unlink()
        begun = time.monotonic()
        until(lambda: not relay.metric("relay_sink_failing", sink="archive"), what="that it heals")
        took = time.monotonic() - begun
        traffic.stop()
        until(lambda: not missing(relay, traffic.taken), what="every message in the archive")
        assert twice(relay) == 0
        counters_add_up(relay)
        report("disk full (archive)", injections=1, messages=traffic.sent, lost=0, duplicated=0, seconds=took)


def test_a_store_on_a_read_only_disk_goes_on_in_memory_and_comes_back(
    tmp_path: Path, valkey: Valkey, small_disk: Path, report: Report
) -> None:
    config = {"state_dir": str(small_disk / "state"), "quarantine": {"directory": str(tmp_path / "quarantine")}}
    with RelayProcess(tmp_path, valkey.url, config=config) as relay, Numbered(valkey.port, 500) as traffic:
        until(lambda: traffic.sent > 200)
        subprocess.run(["dd", "if=/dev/zero", f"of={small_disk}/ballast", "bs=4k"], check=False, capture_output=True)
        valkey.publish("tickstock:import:started", b'{"event": "import_started", "payload": {"run_id": "r1"}}')
        until(lambda: relay.metric("relay_store_in_memory"), what="that the store is in trouble")
        (small_disk / "ballast").unlink()
        begun = time.monotonic()
        until(lambda: not relay.metric("relay_store_in_memory"), what="that it heals")
        took = time.monotonic() - begun
        traffic.stop()
        drained(relay)
        assert missing(relay, traffic.taken) == 0
        assert twice(relay) == 0
        report("disk full (store)", injections=1, messages=traffic.sent, lost=0, duplicated=0, seconds=took)


def test_a_damaged_store_is_put_aside_and_the_relay_starts(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    relay = RelayProcess(tmp_path, valkey.url)
    relay.state.mkdir()
    (relay.state / "relay.db").write_bytes(b"this is no database" * 1000)
    begun = time.monotonic()
    with relay, Numbered(valkey.port, 500) as traffic:
        took = time.monotonic() - begun
        until(lambda: traffic.sent > 300)
        traffic.stop()
        until(lambda: not missing(relay, traffic.taken))
        assert list(relay.state.glob("relay.db.damaged-*"))
        assert not relay.metric("relay_store_in_memory")
        counters_add_up(relay)
        report("store damaged", injections=1, messages=traffic.sent, lost=0, duplicated=twice(relay), seconds=took)
