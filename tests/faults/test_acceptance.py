"""Published by hand to a real Valkey: every channel of the contract and every shape of the wire notes, and no JSON."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.accounts import assert_counters_add_up, seconds_until
from tests.faults.conftest import Report
from tests.support import RelayProcess, Valkey, until
from tests.support.shapes import every_shape
from tickstock_simulator.malformed import malformed

pytestmark = pytest.mark.faults


def test_every_channel_and_shape_is_archived_in_order_and_counted(
    relay: RelayProcess, valkey: Valkey, report: Report
) -> None:
    shapes, bad = every_shape(), malformed()
    published = shapes + bad
    random.Random(4).shuffle(published)
    for channel, data, _ in published:
        assert valkey.publish(channel, data) == 1
    took = seconds_until(lambda: relay.metric("relay_received_messages_total") == len(published), 120, "all of them")
    bodies = {id(each): each for each in bad}
    good = [each for each in published if id(each) not in bodies]
    archived = [each for each in relay.archive() if each["channel"].startswith("tickstock:")]
    assert [each["channel"] for each in archived] == [channel for channel, _, _ in good]
    counted = {
        (labels["channel"], labels["event"]): value
        for labels, value in relay.metrics()["tickstock_events_total"]
        if labels["channel"].startswith("tickstock:")
    }
    assert counted == Counter((each["channel"], each["event"]) for each in archived)
    assert {channel for channel, _, _ in every_shape()[:18]} <= {channel for channel, _ in counted}
    kept = relay.quarantine()
    refused = [each for each in published if id(each) in bodies]
    assert len(refused) >= 10
    assert [(each["channel"], each["data"]) for each in kept] == [(channel, data) for channel, data, _ in refused]
    assert_counters_add_up(relay)
    report("every shape, and no JSON", injections=len(bad), messages=len(published), lost=0, duplicated=0, seconds=took)


@pytest.mark.parametrize("size", [1 << 20, 15 << 20])
def test_a_large_message_among_small_ones_is_archived_in_its_place(
    relay: RelayProcess, valkey: Valkey, report: Report, size: int
) -> None:
    for number in range(3):
        valkey.publish(
            "tickstock:a:b",
            b'{"event": "numbered", "payload": {"n": %d, "x": "%b"}}' % (number, b"y" * (size * (number == 1))),
        )
    took = seconds_until(lambda: relay.numbers("tickstock:a:b").total() == 3, 120, "the message behind it")
    assert [each["payload"]["n"] for each in relay.archived("numbered")] == [0, 1, 2]
    assert_counters_add_up(relay)
    report(
        f"a message of {size >> 20} MB among small ones", injections=1, messages=3, lost=0, duplicated=0, seconds=took
    )


def test_a_relay_that_was_fed_all_of_it_stops_cleanly(relay: RelayProcess, valkey: Valkey) -> None:
    for channel, data, _ in [*every_shape(), *malformed()]:
        valkey.publish(channel, data)
    until(lambda: relay.metric("relay_received_messages_total") >= len(every_shape()) + len(malformed()))
    assert relay.terminate() == 0
    assert "Traceback" not in relay.log_text()
    assert Path(relay.state / "relay.db").exists()
