"""Nothing lost and nothing twice: the relay is restarted and killed while 10,000 messages a second come in."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from tests.support.slow_commit import DELAY, PROGRAM
from tests.system.lab import wait_until
from tests.system.machine import STATE, UNIT, Machine
from tests.system.publisher import URGENT_EVERY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.system, pytest.mark.parametrize("machine", ["bookworm"], indirect=True)]

HERE = Path(__file__).parent
SLOW = "/opt/slow_commit.py"
RATE = 10_000
AT_LEAST = 200_000
TIMES = 10
QUIET = 15.0  # seconds without a new line after which no more is expected
ARCHIVE = f"{STATE}/archive"
CONFIG = """
redis: {url: "redis://127.0.0.1:6379/0"}
sinks:
  archive: {type: jsonl, directory: /var/lib/tickstock-relay/archive}
routes:
  - {name: everything, match: {}, to: [archive]}
watchdog: {enabled: false}
"""
WITH_WEBHOOK = """
redis: {url: "redis://127.0.0.1:6379/0"}
sinks:
  archive: {type: jsonl, directory: /var/lib/tickstock-relay/archive}
  app: {type: webhook, url: "http://127.0.0.1:9900/hook", retry_delay: 50ms, concurrency: 16}
routes:
  - {name: everything, match: {}, to: [archive]}
  - {name: urgent, match: {payload.urgent: true}, to: [app]}
outbox: {retry_first: 100ms, retry_most: 1s, breaker_failures: 1000}
watchdog: {enabled: false}
"""


@dataclass(frozen=True)
class Tally:
    """What became of the numbers from 0 to `published`."""

    published: int
    fewest_listeners: int
    seen: Counter[int]

    @property
    def missing(self) -> int:
        return sum(number not in self.seen for number in range(self.published))

    @property
    def duplicated(self) -> int:
        return self.seen.total() - len(self.seen)

    def __str__(self) -> str:
        output = f"published {self.published:,}  archived {self.seen.total():,}"
        return f"{output}  missing {self.missing:,}  duplicated {self.duplicated:,}"


@pytest.mark.parametrize("delay", [0, 20])
def test_every_message_is_archived_once_over_restarts_and_kills(machine: Machine, delay: int) -> None:
    """The delay, in milliseconds between commit and consume, is where a kill finds a batch half done."""
    with relay(machine, CONFIG, delay):
        tally = publish_and_replace(machine)
        print(f"\n{TIMES} restarts, {TIMES} kills, commit delay {delay} ms: {tally}")  # noqa: T201
        assert (tally.missing, tally.duplicated) == (0, 0)
        assert tally.fewest_listeners == 1  # the subscription never ended


def test_every_routed_event_reaches_a_failing_webhook_under_one_key(machine: Machine, tmp_path: Path) -> None:
    attempts = tmp_path / "attempts.jsonl"
    attempts.touch()
    with receiver(machine, attempts), relay(machine, WITH_WEBHOOK):
        tally = publish_and_replace(machine)
        routed = set(range(0, tally.published, URGENT_EVERY))

        def accepted() -> set[int]:
            return {attempt["n"] for attempt in read_lines(attempts.read_bytes()) if attempt["accepted"]}

        wait_until(lambda: accepted() >= routed, "every routed event was accepted", 120, every=0.5)
        tried = read_lines(attempts.read_bytes())
        keys = {(attempt["n"], attempt["id"]) for attempt in tried}
        print(f"\nwith a webhook: {tally}")  # noqa: T201
        print(f"routed {len(routed)}  delivered {len(accepted())}  attempts {len(tried)}  keys {len(keys)}")  # noqa: T201
        assert accepted() == routed
        assert len(tried) > len(routed)
        assert len(keys) == len({n for n, _ in keys}) == len({key for _, key in keys})
        assert (tally.missing, tally.duplicated) == (0, 0)


@contextmanager
def receiver(machine: Machine, attempts: Path) -> Iterator[None]:
    """The web app that fails half the time, and notes each attempt in a file."""
    process = machine.lab.host_inside(sys.executable, str(HERE / "receiver.py"), "9900", str(attempts))
    yield
    process.kill()
    process.wait()


@contextmanager
def relay(machine: Machine, config: str, delay: int = 0) -> Iterator[None]:
    """A relay that runs and is subscribed; gone afterwards, with all that it kept."""
    machine.configure(config)
    machine.lab.write(SLOW, PROGRAM.read_text())
    command = f"/opt/tickstock-relay/bin/python {SLOW} run --config /etc/tickstock-relay/config.yaml"
    machine.drop_in("delay", f"[Service]\nEnvironment={DELAY}={delay}\nExecStart=\nExecStart={command}\n")
    try:
        machine.start()
        machine.wait_until_subscribed()
        yield
    except BaseException:
        print(machine.journal()[-20_000:])  # noqa: T201
        raise
    finally:
        machine.clean()


def publish_and_replace(machine: Machine) -> Tally:
    """Publish, and meanwhile restart and kill; then wait until all that was published has been dealt with."""
    command = (sys.executable, str(HERE / "publisher.py"), "6379", str(RATE), str(AT_LEAST))
    publisher = machine.lab.host_inside(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    replacements = ["restart"] * TIMES + ["kill"] * TIMES
    chance = random.Random(2)
    chance.shuffle(replacements)
    for how in replacements:
        time.sleep(chance.uniform(0.05, 0.5))  # a moment that it cannot be prepared for
        if how == "kill":
            machine.kill()
        else:
            machine.lab.systemctl("restart", UNIT)
        assert publisher.poll() is None
    output, _ = publisher.communicate(timeout=AT_LEAST / RATE + 60)
    facts = json.loads(output)
    wait_for_drain(machine, facts["published"] - 1)
    return Tally(facts["published"], facts["fewest_listeners"], archived(machine))


def wait_for_drain(machine: Machine, last: int) -> None:
    """Until the last number is archived, or nothing more comes: then the tally tells what is missing."""
    directory = machine.lab.root / ARCHIVE.lstrip("/")
    size, grown = 0, time.monotonic()
    while last not in archived(machine, newest=True) and time.monotonic() - grown < QUIET:
        if size != (size := sum(file.stat().st_size for file in directory.iterdir())):
            grown = time.monotonic()
        time.sleep(0.2)


def archived(machine: Machine, *, newest: bool = False) -> Counter[int]:
    """The numbers in the archive, or in the last of its lines."""
    directory = machine.lab.root / ARCHIVE.lstrip("/")
    seen: Counter[int] = Counter()
    for file in directory.iterdir():
        data = file.read_bytes()
        if file.suffix == ".zst":
            data = zstandard.ZstdDecompressor().stream_reader(data).read()
        whole = data[: data.rfind(b"\n") + 1]
        lines = whole[-10_000:].partition(b"\n")[2] if newest else whole
        seen.update(event["payload"]["n"] for event in read_lines(lines) if event["event"] == "pattern_detected")
    return seen


def read_lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]
