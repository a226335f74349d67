"""A sink of somebody else answers what it must not: its event is delivered, and neither intake nor store notices."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.events import Event
from relay.store.store import Store
from sinks.base import Batching
from tests.support.scripted import Rig, ScriptedSink


@pytest.mark.parametrize("key", ["order", "repeat"])
@pytest.mark.parametrize("answer", [("AAPL", 1), ["AAPL"], {}, b"AAPL", 7, 1.5, "AAPL \ud83d"], ids=repr)
async def test_a_key_that_is_no_text_is_no_key(tmp_path: Path, key: str, answer: Any) -> None:
    """A tuple made the store leave the disk, a list made `accept` raise."""
    sink = ScriptedSink(batching=Batching(repeat_window=60.0), **{key: lambda _: answer})
    rig = Rig(sink, store=Store(tmp_path / "relay.db"))
    with capture_logs() as logs:
        rig.accept(1, 2)
    await rig.round()
    assert rig.store.trouble == ""
    assert rig.sink.arrived == [1, 2]
    assert [entry["event"] for entry in logs] == ["sink raised"] * 2
    assert rig.adds_up()
    rig.store.close()


class _Selects(ScriptedSink):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def select(self, events: Sequence[Event]) -> Sequence[Event]:  # noqa: ARG002 - it answers what the test says
        return self.answer  # type: ignore[no-any-return]


@pytest.mark.parametrize("answer", [None, 7, True], ids=repr)
async def test_a_selection_that_is_no_list_selects_all(answer: Any) -> None:
    rig = Rig(_Selects(answer))
    with capture_logs() as logs:
        rig.accept(1, 2)
    await rig.round()
    assert rig.store.trouble == ""
    assert rig.sink.arrived == [1, 2]
    assert [entry["event"] for entry in logs] == ["sink raised"]
    assert rig.adds_up()


async def test_a_selection_may_be_any_iterable() -> None:
    class Lazy(ScriptedSink):
        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            return (event for event in events if event.offset > 1)  # type: ignore[return-value]

    rig = Rig(Lazy())
    rig.accept(1, 2)
    await rig.round()
    assert rig.sink.arrived == [2]
    assert rig.lane.dropped == {"not_wanted": 1}
    assert rig.adds_up()
