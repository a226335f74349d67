"""Input that would hold the relay up for ever, or end each of its processes: it goes on, and the input is kept."""

import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support import RelayProcess, ServiceManager, Valkey, until
from tests.support.harmed_relay import HARM, HUNG, SLOW, HarmedRelay
from tests.support.relay_process import drained
from tests.support.traffic import CHANNEL, message

pytestmark = pytest.mark.faults

SENTENCE = "database connection lost after retry number seven of seven!"
SLOW_IN_PYTHON = [
    (r"^(\w+\s?)*$", SENTENCE),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5_000),
    (r"\b(?:é|É|\w)+\b(?:\s|\w+)*\?$", "é" * 5_000 + "!"),
]


def test_no_text_holds_a_route_up(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    routes = [
        {"name": f"slow {number}", "match": {"payload.pad": f"=~{pattern}"}, "to": ["archive"]}
        for number, (pattern, _) in enumerate(SLOW_IN_PYTHON)
    ]
    with RelayProcess(tmp_path, valkey.url, config={"routes": routes}) as relay:
        slowest = 0.0
        for number, (_, text) in enumerate(SLOW_IN_PYTHON, start=1):
            begun = time.monotonic()
            valkey.publish(CHANNEL, message(number, text))
            until(lambda number=number: number in relay.numbers(), 10, what="the message")  # type: ignore[misc]
            assert relay.answers("/healthz")
            slowest = max(slowest, time.monotonic() - begun)
        drained(relay)
        assert relay.numbers() == {1: 1, 2: 1, 3: 1}
    report("pattern: texts that Python's re would match for hours", injections=3, messages=3, seconds=slowest)


def _harmed(
    tmp_path: Path,
    valkey: Valkey,
    manager: ServiceManager | None,
    sink: str,
    *,
    before_the_archive: bool = True,
    **options: int,
) -> HarmedRelay:
    harmed = {"type": sink, "file": str(tmp_path / "arrived"), **options}
    routes = [{"name": "harmed", "match": {"event": "numbered"}, "to": ["harmed"]}]
    relay = HarmedRelay(
        tmp_path,
        valkey.url,
        config={"sinks": {"harmed": harmed}, "routes": routes},
        manager=manager,
        environment={HUNG: str(tmp_path / "hung"), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    if before_the_archive:
        relay.config["routes"].reverse()
    return relay


def _publish_at_once(relay: HarmedRelay, valkey: Valkey, messages: list[bytes]) -> None:
    """So that the relay meets them in one batch."""
    assert relay.process is not None
    status = Path(f"/proc/{relay.process.pid}/stat")
    relay.send(signal.SIGSTOP)
    until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T", what="that it has stopped")
    with valkey.client.pipeline(transaction=False) as pipeline:
        for one in messages:
            pipeline.publish(CHANNEL, one)
        pipeline.execute()
    relay.send(signal.SIGCONT)


def _all_but(harmful: set[int], count: int) -> dict[int, int]:
    return {number: 1 for number in range(1, count + 1) if number not in harmful}


def _has(relay: HarmedRelay, last: int, *, aside: int = 0) -> Callable[[], bool]:
    """Whether it has archived the last of the messages and set so many aside."""
    return lambda: last in relay.numbers() and len(relay.archived("messages_set_aside")) == aside


@pytest.mark.parametrize("how", ["memory", "hang"])
def test_a_message_that_ends_each_process_is_set_aside_and_no_other(
    tmp_path: Path, valkey: Valkey, manager: ServiceManager, report: Report, how: str
) -> None:
    """With direct sinks only, in the middle of a batch, with what is no JSON around it."""
    harm = message(20, f"{HARM}{how}")
    with _harmed(tmp_path, valkey, manager, "harmeddirect") as relay:
        begun = time.monotonic()
        before = [message(number) for number in range(1, 20)]
        behind = [message(number) for number in range(21, 41)]
        _publish_at_once(relay, valkey, [*before, b"no JSON", harm, b"nor this", *behind])
        ends = relay.live(_has(relay, 40, aside=1))
        took = time.monotonic() - begun
        drained(relay)
        assert relay.numbers() == _all_but({20}, 40)
        assert len(ends) == 4, "three with the batch, and one with the message alone"
        kept = relay.quarantine()
        assert sorted(each["data"] for each in kept) == sorted([b"no JSON", harm, b"nor this"])
        assert [each["data"] for each in kept if each["reason"] == "poison"] == [harm]
        assert relay.metric("relay_quarantined_messages_total", reason="poison") == 1
        [notice] = relay.archived("messages_set_aside")
        assert notice["severity"] == "error"
        assert (
            f"process 4 times while it read it, so it goes on without it. From {CHANNEL}"
            in notice["payload"]["message"]
        )
        assert relay.archived("gap") == []
        relay.terminate()
        relay.start()
        valkey.publish(CHANNEL, message(41))
        until(lambda: 41 in relay.numbers(), what="an event after all that")
        assert len(relay.quarantine()) == 3
    report(f"poison batch: a message that ends the process ({how})", injections=len(ends), messages=40, seconds=took)


def test_several_of_them_behind_a_process_that_did_its_work(
    tmp_path: Path, valkey: Valkey, manager: ServiceManager, report: Report
) -> None:
    """Two in one batch, and one that comes alone. What a process had archived before it ended is not archived again."""
    with _harmed(tmp_path, valkey, manager, "harmeddirect", before_the_archive=False) as relay:
        valkey.publish(CHANNEL, message(1))
        until(lambda: 1 in relay.numbers())
        begun = time.monotonic()
        harmful = {5, 11}
        _publish_at_once(relay, valkey, [message(n, f"{HARM}crash" if n in harmful else "") for n in range(2, 21)])
        ends = relay.live(_has(relay, 20, aside=2))
        valkey.publish(CHANNEL, message(21, f"{HARM}crash"))
        ends += relay.live(_has(relay, 20, aside=3))
        valkey.publish(CHANNEL, message(22))
        ends += relay.live(_has(relay, 22, aside=3))
        took = time.monotonic() - begun
        drained(relay)
        assert relay.numbers() == _all_but(set(), 22)
        assert [each["reason"] for each in relay.quarantine()] == ["poison"] * 3
        assert len(relay.archived("messages_set_aside")) == 3
        assert relay.archived("gap") == []
    report("poison batch: two in one batch, one alone (crash in C)", injections=len(ends), messages=22, seconds=took)


def test_processes_that_are_killed_from_outside_set_nothing_aside(
    tmp_path: Path, valkey: Valkey, manager: ServiceManager
) -> None:
    """However often: a process that has consumed something, or has not begun, says nothing of a message."""
    with _harmed(tmp_path, valkey, manager, "harmeddirect") as relay:
        for number in range(1, 5):
            relay.kill()
            relay.launch()
            relay.kill()  # before its first batch
            relay.start()
            valkey.publish(CHANNEL, message(number))
            until(lambda number=number: number in relay.numbers())  # type: ignore[misc]
        assert relay.numbers() == _all_but(set(), 4)
        assert relay.quarantine() == relay.archived("messages_set_aside") == []


def test_without_a_descriptor_store_a_message_ends_one_process_and_no_more(tmp_path: Path, valkey: Valkey) -> None:
    with _harmed(tmp_path, valkey, None, "harmeddirect") as relay:
        valkey.publish(CHANNEL, message(1, f"{HARM}exit"))
        assert relay.wait() == 7
        relay.start()
        valkey.publish(CHANNEL, message(2))
        assert relay.live(_has(relay, 2)) == []
        assert len(relay.archived("gap")) == 1


def _dead(relay: HarmedRelay) -> list[str]:
    """Why what was given up was given up."""
    with sqlite3.connect(f"file:{relay.state}/relay.db?mode=ro", uri=True) as db:
        return [str(error) for (error,) in db.execute("SELECT error FROM outbox WHERE state = 'dead'")]


@pytest.mark.parametrize(("how", "at_once"), [("crash", 1), ("hang", 5)])
def test_a_delivery_that_ends_each_process_is_given_up_and_no_other(
    tmp_path: Path, valkey: Valkey, manager: ServiceManager, report: Report, how: str, at_once: int
) -> None:
    arrived = tmp_path / "arrived"
    with _harmed(tmp_path, valkey, manager, "harmedqueue", at_once=at_once) as relay:
        begun = time.monotonic()
        _publish_at_once(relay, valkey, [message(n, f"{HARM}{how}" if n == 13 else "") for n in range(1, 31)])

        def lines() -> list[tuple[str, int]]:
            pairs = [line.split() for line in arrived.read_text().splitlines()] if arrived.exists() else []
            return [(pid, int(number)) for pid, number in pairs]

        expected = set(range(1, 31)) - {13}
        ends = relay.live(lambda: {number for _, number in lines()} == expected and bool(_dead(relay)))
        took = time.monotonic() - begun
        drained(relay)
        first = lines()[0][0]
        later = Counter(number for pid, number in lines() if pid != first)
        assert max(later.values()) == 1, "only what had arrived just before the first end may have come again"
        [why] = _dead(relay)
        assert why.startswith("poison: the relay's process ended")
        assert len(ends) == (4 if at_once == 1 else 5), "the first, and three on record; of several, then one alone"
        assert relay.metric("relay_dropped_events_total", sink="harmed", reason="poison") == 1
        assert relay.numbers() == _all_but(set(), 30)
        assert relay.quarantine() == []
    report(f"poison row: a delivery that ends the process ({how})", injections=len(ends), messages=30, seconds=took)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_slow_delivery_that_meets_restarts_is_not_given_up(
    tmp_path: Path, valkey: Valkey, manager: ServiceManager, report: Report, *, is_killed: bool
) -> None:
    """Each process is asked to end; and killed, where its end takes longer than systemd waits."""
    begun = tmp_path / "arrived.slow"
    with _harmed(tmp_path, valkey, manager, "harmedqueue") as relay:
        relay.config["shutdown_timeout"] = "60s" if is_killed else "1s"
        relay.kill()  # so that each delivery is on record before it is made
        relay.start()
        valkey.publish(CHANNEL, message(1, SLOW))
        for stops in range(1, 6):
            until(begun.exists, 30, what="the delivery")
            begun.unlink()
            relay.send(signal.SIGTERM)
            until(lambda stops=stops: manager.assignments.count("STOPPING=1") == stops, 30, what="that it has heard it")  # type: ignore[misc]
            if is_killed:
                relay.kill()
            else:
                assert relay.wait() == 0
            relay.start()
        until(begun.exists, 30, what="the delivery after all that")
        assert _dead(relay) == []
        relay.kill()
    report(f"poison row: a slow delivery and 5 restarts (killed: {is_killed})", injections=5, messages=1)
