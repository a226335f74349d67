"""The watchdog's part of the config: defaults, what is refused, and maintenance windows over clock changes."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from relay.config.watchdog import LevelOptions, MaintenanceOptions, WatchdogOptions
from relay.events import Phase
from tests.support.wire import utc


def read(**given: Any) -> WatchdogOptions:
    return WatchdogOptions.model_validate(given)


def test_the_defaults_are_those_that_operators_use() -> None:
    options = read()
    assert [options.phase_limits.of(phase) for phase in Phase] == [1800] * 4
    assert (options.quality.success_rate, options.quality.import_success_rate) == (90, 80)
    assert (options.errors.per_minute, options.errors.per_category, options.errors.per_symbol) == (10, 5, 3)
    assert (options.levels["cpu_percent"].above, options.levels["memory_percent"].above) == (90, 85)
    assert (options.levels["health_score"].below, options.levels["lag_ms critical"].above) == (70, 1000)
    assert (options.start_grace, options.finish_grace, options.silent_after) == (300, 5400, 300)


def test_a_time_that_yaml_read_as_a_number_is_a_time_all_the_same() -> None:
    assert read(schedule={"trigger_time": 970}).schedule.trigger_time == "16:10"


def test_levels_replace_and_add_to_the_usual_ones() -> None:
    levels = read(levels={"cpu_percent": {"above": 95}, "queue": {"above": 1000}}).levels
    assert (levels["cpu_percent"].above, levels["queue"].above, levels["memory_percent"].above) == (95, 1000, 85)


@pytest.mark.parametrize(
    "wrong",
    [
        {"schedule": {"trigger_time": "25:00"}},
        {"schedule": {"timezone": "America/Gotham"}},
        {"schedule": {"calendar": "LSE"}},
        {"levels": {"x": {"above": 1, "below": 2}}},
        {"levels": {"x": {}}},
        {"maintenance": [{"from": "10:00"}]},
        {"maintenance": [{"days": ["mon"], "date": "2025-01-01"}]},
        {"maintenance": [{"days": ["someday"]}]},
        {"poll_interval": "0s"},
        {"nonsense": 1},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(**wrong)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ({"days": ["sun"], "from": "01:00", "lasting": "2h"}, "2025-03-09 06:30", "2025-03-09 08:30"),
        ({"days": ["sat"], "from": "22:00", "lasting": "6h"}, "2025-01-26 08:59", "2025-01-26 09:01"),
        ({"date": "2025-01-27", "lasting": "3d"}, "2025-01-30 04:59", "2025-01-30 05:01"),
        ({"date": "2025-07-28", "from": "16:00", "lasting": "1h"}, "2025-07-28 20:30", "2025-07-28 21:30"),
    ],
)
def test_a_maintenance_window_covers_its_hours_in_its_zone(window: dict[str, Any], inside: str, outside: str) -> None:
    (read_window,) = read(maintenance=[window]).maintenance
    assert read_window.covering(utc(inside))
    assert not read_window.covering(utc(outside))


def test_every_option_says_what_it_is() -> None:
    def undescribed(model: type[BaseModel]) -> list[str]:
        return [name for name, field in model.model_fields.items() if not field.description]

    options = read()
    parts: list[BaseModel] = [options.schedule, options.quality, options.errors, options.learned, options.phase_limits]
    models = [WatchdogOptions, LevelOptions, MaintenanceOptions, *map(type, parts)]
    assert {model.__name__: undescribed(model) for model in models} == {model.__name__: [] for model in models}
