"""From settings to lanes: what a sink is handed, which lane it gets, and what a reload keeps and gives back."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from relay.config.settings import RedisOptions, Settings
from relay.events import Event, Severity
from relay.lanes.build import LaneSet, SinkEnvironment, make_lane, make_lanes, make_sink
from relay.lanes.direct import DirectLane
from relay.lanes.poison import DeliveryWatch
from relay.lanes.queued import QueuedLane
from relay.store.outbox import Outbox
from relay.store.store import Store
from sinks.base import DELIVERED, DirectSink, Outcome, QueuedSink, Sink, SinkError
from sinks.options import Options
from sinks.registry import sink_class
from tests.support.scripted import BEGIN, Clock, numbered

SECRET = b'{"n":"ACCT-1234 password=hunter22"}'


class _Direct(DirectSink):
    def write(self, events: Sequence[Event]) -> None: ...


class _Options(Options):
    fails: bool = False
    hangs: bool = False
    size: int = 1


class _Queued(QueuedSink):
    """Notes what becomes of it."""

    Options = _Options
    course: list[str] = []  # noqa: RUF012 - each test has its own
    remote = True
    alerting = True
    renders_incidents = True

    async def start(self) -> None:
        self.course.append(f"start {self.context.name}")
        if self.options.fails:
            raise SinkError("cannot start")

    async def close(self) -> None:
        self.course.append(f"close {self.context.name}")
        if self.options.hangs:
            await asyncio.Event().wait()

    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:  # noqa: ARG002 - a sink's own
        self.course += [event.raw.decode() for event in events]
        return DELIVERED


class _Volatile(_Queued):
    durable = False


class _Neither(Sink):
    pass


@pytest.fixture(autouse=True)
def course(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the scripted sinks do; they are known under short names."""
    classes = {"direct": _Direct, "queued": _Queued, "volatile": _Volatile, "neither": _Neither}
    monkeypatch.setattr("relay.lanes.build.sink_class", lambda name: classes.get(name) or sink_class(name))
    monkeypatch.setattr(_Queued, "course", [])
    return _Queued.course


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def environment(clock: Clock) -> Iterator[SinkEnvironment]:
    with contextlib.closing(Store(None)) as store:
        yield SinkEnvironment(
            clock=clock.judged(),
            store=store,
            outbox=Outbox(store, Settings().outbox),
            muted=lambda event: "silenced" if event.offset == 2 else None,
            user_agent="agent/1",
            installation="backup site",
            label="backup",
            tells_incidents=lambda sink, severity: (sink, severity) == ("ops", Severity.ERROR),
            redis=RedisOptions(url=SecretStr("redis://own.test:7000/3")),
            watch=DeliveryWatch(store, ended_otherwise=False),
        )


def settings(more: dict[str, Any] | None = None, **sinks: dict[str, Any]) -> Settings:
    return Settings.model_validate({"sinks": sinks} | (more or {}))


def lane_of(environment: SinkEnvironment, kind: str, more: dict[str, Any] | None = None) -> QueuedLane:
    lane = make_lane(make_sink("ops", {"type": kind}, environment), settings(more), environment)
    assert isinstance(lane, QueuedLane)
    return lane


def test_a_sink_is_handed_what_the_daemon_has_for_it(environment: SinkEnvironment, clock: Clock) -> None:
    sink = make_sink("app", {"type": "queued", "size": 7}, environment)
    assert isinstance(sink, _Queued)
    assert sink.options == _Options(size=7)
    context = sink.context
    assert (context.name, context.user_agent) == ("app", "agent/1")
    assert (context.installation, context.label) == ("backup site", "backup")
    assert context.now() == BEGIN
    clock.forward(10)
    assert (context.now() - BEGIN).total_seconds() == context.steady_for() == 10.0
    context.state.put("thread", "17")
    assert environment.store.shelf("sink:app").items() == {"thread": "17"}
    assert not environment.store.staged, "what a sink keeps is on disk at once"


@pytest.mark.parametrize(
    ("url", "expected"), [(None, ("own.test", 7000, 3)), ("redis://other.test:1/2", ("other.test", 1, 2))]
)
def test_the_redis_of_a_sink_is_its_own_or_the_relays(
    environment: SinkEnvironment, url: str | None, expected: tuple[str, int, int]
) -> None:
    redis = make_sink("app", {"type": "queued"}, environment).context.redis
    assert redis is not None
    given = redis(SecretStr(url) if url else None, 2.5).connection_pool.connection_kwargs
    assert (given["host"], given["port"], given["db"]) == expected
    assert given["socket_timeout"] == 2.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "carrier_pigeon"}, "sink app: there is no sink of type 'carrier_pigeon'"),
        ({}, "sink app: there is no sink of type 'None'"),
        ({"type": "queued", "size": "large"}, "sink app: size: Input should be a valid integer, unable to parse"),
        ({"type": "webhook", "url": "https://x.test", "headers": {"a": 5}}, "sink app: headers.a: Input should be"),
    ],
)
def test_what_cannot_be_made_is_one_line_that_says_why(
    environment: SinkEnvironment, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SinkError) as refused:
        make_sink("app", options, environment)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_redis_that_cannot_be_used_is_one_line_without_its_secrets(environment: SinkEnvironment) -> None:
    redis = make_sink("app", {"type": "queued"}, environment).context.redis
    assert redis is not None
    with pytest.raises(SinkError, match=r"^cannot use its Redis: ValueError$"):
        redis(SecretStr("redis://:secret@own.test:port/0"), 1.0)


def test_each_kind_of_sink_has_its_lane(environment: SinkEnvironment) -> None:
    direct = make_sink("archive", {"type": "direct"}, environment)
    lane = make_lane(direct, settings(), environment)
    assert isinstance(lane, DirectLane)
    assert (lane.sink, lane.name) == (direct, "archive")
    with pytest.raises(SinkError, match=r"^sink odd: _Neither is neither a DirectSink nor a QueuedSink$"):
        make_lane(make_sink("odd", {"type": "neither"}, environment), settings(), environment)


def test_what_a_durable_sink_is_to_get_is_in_the_outbox_and_of_the_others_in_memory(
    environment: SinkEnvironment,
) -> None:
    durable, volatile = lane_of(environment, "queued"), lane_of(environment, "volatile", {"outbox": {"max_rows": 3}})
    for lane in (durable, volatile):
        lane.accept([numbered(number) for number in (1, 3, 4, 5)])
    environment.store.commit()
    assert environment.outbox.count_of("ops") == durable.depth().waiting == 4
    assert volatile.depth().waiting == 3, "the settings of the outbox are those of both"
    assert (durable._watch, volatile._watch) == (environment.watch, None)


def test_a_lane_is_made_with_what_the_daemon_says_of_events(environment: SinkEnvironment) -> None:
    lane = lane_of(environment, "queued")
    lane.accept([numbered(1), numbered(2)])
    assert lane.dropped == {"silenced": 1}
    assert [lane._admission._tells_incidents(severity) for severity in (Severity.ERROR, Severity.INFO)] == [True, False]


@pytest.mark.parametrize(
    ("rules", "sent"),
    [
        ({}, '{"n":"ACCT-1234 password=[redacted]"}'),
        ({"enabled": False}, SECRET.decode()),
        ({"patterns": ["ACCT-[0-9]+"]}, '{"n":"[redacted] password=[redacted]"}'),
        ({"keys": ["n"]}, '{"n":"[redacted]"}'),
    ],
)
async def test_what_leaves_the_machine_is_redacted_by_the_settings(
    environment: SinkEnvironment, course: list[str], rules: dict[str, Any], sent: str
) -> None:
    lane = lane_of(environment, "queued", {"redaction": rules})
    event = numbered(1)
    event.raw = event.original = SECRET
    event._payload = None
    lane.accept([event])
    environment.store.commit()
    await lane._workers._deliver_all(lane._workers._next(BEGIN.timestamp()))
    assert course == [sent]


async def test_a_reload_keeps_what_has_not_changed_and_makes_the_rest_anew(
    environment: SinkEnvironment, course: list[str]
) -> None:
    first = await make_lanes(settings(a={"type": "queued"}, b={"type": "queued"}), LaneSet({}, {}, []), environment)
    assert list(first.lanes) == [lane.name for lane in first.fresh] == ["a", "b"]
    assert course == ["start a", "start b"]
    changed = settings(a={"type": "queued"}, b={"type": "queued", "size": 2}, c={"type": "queued"})
    second = await make_lanes(changed, first, environment)
    assert second.lanes["a"] is first.lanes["a"]
    assert second.fresh == [second.lanes["b"], second.lanes["c"]]
    assert course == ["start a", "start b", "start b", "start c"]
    await second.discard()
    assert sorted(course[4:]) == ["close b", "close c"]
    assert second.fresh == []


@pytest.mark.parametrize(
    "more",
    [
        {"outbox": {"max_rows": 10}},
        {"redaction": {"enabled": False}},
        {"name": "other"},
    ],
)
async def test_settings_of_all_sinks_make_each_anew(environment: SinkEnvironment, more: dict[str, Any]) -> None:
    first = await make_lanes(settings(a={"type": "queued"}), LaneSet({}, {}, []), environment)
    assert (await make_lanes(settings(more, a={"type": "queued"}), first, environment)).lanes["a"] is not first.lanes[
        "a"
    ]


async def test_a_sink_that_cannot_start_has_the_new_ones_closed_and_the_old_ones_left(
    environment: SinkEnvironment, course: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.lanes.build.CLOSE_TIMEOUT", 0.01)
    first = await make_lanes(settings(a={"type": "queued"}), LaneSet({}, {}, []), environment)
    new: dict[str, Any] = {
        "b": {"type": "queued", "hangs": True},
        "c": {"type": "queued", "fails": True},
        "d": {"type": "queued"},
    }
    with capture_logs() as logs, pytest.raises(SinkError, match=r"^cannot start$"):
        await make_lanes(settings(a={"type": "queued"}, **new), first, environment)
    assert course == ["start a", "start b", "start c", "close b", "close c"]
    assert [(line["event"], type(line["exc_info"])) for line in logs] == [("a sink could not be closed", TimeoutError)]
