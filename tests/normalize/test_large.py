"""Large messages: decoded in a thread, in order, acknowledged after; redacted once a row."""

import asyncio
import importlib
import inspect
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

import relay
import sinks
from relay.config.settings import RouteOptions
from relay.events import Event, Kind, KindFacts, PerKind, kind_of
from relay.lanes.redacted import RedactedRows
from relay.normalize.normalize import Normalizer, Unreadable, UnreadableReason
from relay.normalize.structure import structure_of
from relay.process.worker import LARGE, Worker
from relay.routing import Routes
from relay.runs.signals import signal_of
from sinks.testing import make_event
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")


async def test_a_worker_does_its_jobs_in_order_and_elsewhere() -> None:
    worker, done = Worker("test"), list[int]()
    jobs: list[Callable[[], None]] = [lambda n=n: done.append(n) for n in range(100)]  # type: ignore[misc]
    await asyncio.gather(*map(worker.run, jobs))
    assert done == list(range(100))
    assert await worker.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    assert await worker.run(lambda: "goes on") == "goes on"


@pytest.mark.parametrize("size", [10, LARGE + 1])
async def test_a_row_is_redacted_once_however_often_it_is_tried(size: int) -> None:
    seen: list[int] = []

    def redact(event: Event) -> Event:
        seen.append(threading.get_ident())
        return make_event({"text": "hidden"}) if "secret" in event.payload else event

    rows = RedactedRows(redact)
    plain, secret = make_event({"text": "x" * size}), make_event({"secret": "x" * size})
    for _ in range(3):
        assert await rows.event(1, plain) is plain
        assert (await rows.event(2, secret)).payload == {"text": "hidden"}
    assert len(seen) == 2
    assert all((thread != threading.get_ident()) is (size > LARGE) for thread in seen)
    rows.forget(2)
    await rows.event(2, secret)
    assert len(seen) == 3


async def test_what_is_kept_of_redacted_rows_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.lanes.redacted.MOST_BYTES", 100_000)
    rows = RedactedRows(lambda event: make_event({"text": "y" * 1000, "of": event.payload}))
    for row in range(1000):
        await rows.event(row, make_event({"text": "x"}))
    assert 20 < len(rows._known) < 60


@pytest.mark.parametrize(
    ("data", "structure"),
    [
        (b'{"a":[1,2,3]}', (2, 4)),
        (b'{"a":"[,{\\"[,"}', (1, 1)),
        (b"[" * 300 + b"]" * 300, (300, 300)),
        (b"[],[]", (1, 3)),
        (b'"' + b"\\\\" * 100_000 + b'"[', (1, 1)),
        (b"x" * 200_000, (0, 0)),
    ],
)
def test_structure_is_found_without_decoding(data: bytes, structure: tuple[int, int]) -> None:
    assert structure_of(data) == structure


@pytest.mark.parametrize("piece", [b"[],", b"1,", b'"k":1,', b"{},"])
def test_a_message_of_too_many_values_is_quarantined(piece: bytes) -> None:
    begin, end = (b'{"a":{', b'"z":1}}') if b":" in piece else (b'{"a":[', b"1]}")
    many, few = begin + piece * 300_000 + end, begin + piece * 100_000 + end
    read = Normalizer().read(b"tickstock:a:b", many, NOW, "s1", 1)
    assert isinstance(read, Unreadable)
    assert read.reason is UnreadableReason.TOO_MANY_VALUES
    assert isinstance(Normalizer().read(b"tickstock:a:b", few, NOW, "s1", 1), Event)
    events, unreadable = Normalizer().read_all([(b"tickstock:a:b", many, 1), (b"tickstock:a:b", few, 2)], NOW, "s1")
    assert [event.offset for event in events] == [2]
    assert [one.offset for one in unreadable] == [1]


def test_commas_in_a_text_are_no_values() -> None:
    assert isinstance(Normalizer().read(b"tickstock:a:b", b'{"a":"' + b"," * 1_000_000 + b'"}', NOW, "s1", 1), Event)


@pytest.mark.parametrize("field", ["status", "source", "event", "severity"])
def test_long_texts_leave_nothing_in_memory(field: str) -> None:
    normalizer = Normalizer()
    for number in range(20):
        text = f"{number}" * 1000
        normalizer.read_all([(b"tickstock:a:b", f'{{"event":"x","{field}":"{text}"}}'.encode(), number)], NOW, "s1")
    assert not normalizer._channels[b"tickstock:a:b"].kinds


def test_channels_and_their_kinds_are_remembered_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.normalize.kinds.KNOWN_BYTES", 100_000)
    normalizer = Normalizer()
    for number in range(1000):
        data = b'{"event":"x%d","source":"s%d"}' % (number, number)
        normalizer.read_all([(b"tickstock:%d:b" % (number % 7), data, number)], NOW, "s1")
        assert sum(len(channel.kinds) for channel in normalizer._channels.values()) < 200
    for number in range(1000):
        normalizer.read_all([(b"tickstock:%d:b" % number, b'{"event":"x"}', number)], NOW, "s1")
        assert len(normalizer._channels) < 100


@pytest.mark.parametrize("field", ["channel", "event", "source"])
def test_a_kind_of_long_names_is_kept_by_nobody(field: str) -> None:
    long, short = "tickstock:" + "x" * 1000, "tickstock:a:b"
    facts = {"channel": short, "event": "x", "source": "y"} | {field: long}
    kind = kind_of(KindFacts(facts["channel"], facts["event"], source=facts["source"]))
    routes = Routes([RouteOptions(name="all", match={"event": "*"}, to=["archive"])])
    wanted = PerKind(lambda kind: bool(kind.event))
    event = make_event({"n": 1})
    event.kind = kind
    before = sys.getrefcount(kind)
    assert signal_of(kind) is None
    assert wanted[kind]
    assert routes.sinks_for(event) == ("archive",)
    assert sys.getrefcount(kind) == before


def _cached_functions() -> Iterator[tuple[str, inspect.Signature]]:
    for package in (relay, sinks):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                for name, each in vars(importlib.import_module(module.name)).items():
                    if hasattr(each, "cache_info"):
                        yield f"{module.name}.{name}", inspect.signature(each)


def test_no_cache_by_count_takes_what_the_wire_invents() -> None:
    """`lru_cache` counts entries, whatever their size: what it is asked about must not come from a message."""
    found = dict(_cached_functions())
    assert "relay.events.model.payload_reader" in found
    for name, signature in found.items():
        types = {str(parameter.annotation) for parameter in signature.parameters.values()}
        assert not types & {str(Kind), str(Event), "Kind", "Event", "bytes"}, name
