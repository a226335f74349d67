"""The cache phase as an earlier release publishes it: `sync_triggered` and `sync_complete`, mostly without a name."""

import json
from datetime import timedelta
from typing import Any

import pytest

from relay.events import Phase
from relay.runs.signals import State
from tests.support.days import DUE, a_run, world
from tests.support.wire import read

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("body", [{}, {"event": "cache_sync"}, {"run_id": "r1", "status": "success"}])
def test_a_cache_phase_under_its_older_channels_is_not_missing(body: dict[str, Any]) -> None:
    day = world()
    events = [one for one in a_run(DUE) if one.domain != "cache"]
    for action, minutes in (("sync_triggered", 10.1), ("sync_complete", 10.9)):
        events.append(read(f"tickstock:cache:{action}", json.dumps(body).encode(), DUE + minutes * MINUTE))
    day.play(sorted(events, key=lambda one: one.received))
    day.pass_(1)
    assert day.alerts_announced == []
    run = next(day.runs.newest_first())
    assert run.phases[Phase.CACHE].state is State.COMPLETED


def test_a_cache_that_is_synchronised_beside_the_import_or_without_a_run_is_no_phase() -> None:
    day = world()
    sync = [read("tickstock:cache:sync_triggered", b"{}", DUE + at * MINUTE) for at in (-30, 5)]
    day.play(sorted([*sync, *a_run(DUE)], key=lambda one: one.received))
    day.pass_(1)
    assert day.alerts_announced == []
    assert len(list(day.runs.newest_first())) == 1
