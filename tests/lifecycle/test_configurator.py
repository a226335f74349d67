"""What a reload puts in force, part by part; and what stays in force where one fails."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.config.settings import Settings
from relay.lifecycle.configurator import Configurator
from relay.lifecycle.parts import Parts
from relay.process.clock import Clock
from sinks.base import SinkError


def settings(directory: Path, **sections: Any) -> Settings:
    return Settings.model_validate({"state_dir": directory, **sections})


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    sections = {"sinks": {"metrics": {"type": "prometheus"}}, "routes": [{"name": "all", "to": ["metrics"]}]}
    parts = Parts(settings(tmp_path, **sections), tmp_path / "config.yaml", Clock())
    yield parts
    parts.store.close()


async def test_a_reload_changes_the_limits_of_the_outbox(tmp_path: Path, parts: Parts) -> None:
    configurator = Configurator(parts)
    await configurator.start()
    await configurator.apply(settings(tmp_path, outbox={"max_rows": 2}))
    for number in range(3):
        parts.outbox.stage("app", b"%d" % number, now=100.0)
    parts.outbox.commit()
    assert parts.outbox.dropped == {"app": 1}


async def test_a_reload_replaces_settings_routes_and_lanes_together(tmp_path: Path, parts: Parts) -> None:
    configurator = Configurator(parts)
    await configurator.start()
    new = settings(tmp_path, sinks={"counts": {"type": "prometheus"}}, routes=[{"name": "some", "to": ["counts"]}])
    assert await configurator.apply(new) == []
    assert parts.settings is new
    assert [route.name for route in parts.routes.routes] == ["some"]
    assert list(parts.lanes) == ["counts"]


@pytest.mark.parametrize(
    "sinks",
    [{"other": {"type": "no_such_type"}}, {"app": {"type": "webhook"}}, {"counts": {"type": "prometheus"}, "x": {}}],
)
async def test_a_sink_that_cannot_be_made_leaves_all_as_it_was(tmp_path: Path, parts: Parts, sinks: Any) -> None:
    configurator = Configurator(parts)
    await configurator.start()
    before = parts.configuration
    with pytest.raises(SinkError):
        await configurator.apply(settings(tmp_path, sinks=sinks))
    assert parts.configuration is before
    assert list(parts.lanes) == ["metrics"]


async def test_an_error_while_it_changes_takes_back_what_has_changed(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    configurator = Configurator(parts)
    await configurator.start()
    before, watched = parts.configuration, []
    monkeypatch.setattr(parts.watch, "reload", lambda options, _: watched.append(options))
    use = parts.intake.use
    failing = iter([True, False])

    def fail_once(*arguments: Any) -> None:
        if next(failing):
            raise RuntimeError("a bug")
        use(*arguments)

    monkeypatch.setattr(parts.intake, "use", fail_once)
    new = settings(tmp_path, sinks={"counts": {"type": "prometheus"}})
    with pytest.raises(RuntimeError, match="a bug"):
        await configurator.apply(new)
    assert parts.configuration is before
    assert watched == [new, before.settings]
