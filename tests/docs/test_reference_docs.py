"""docs/config.md and docs/metrics.md say what the code does: `python -m docs.generate` would change nothing."""

import pytest

from docs.generate import HERE, PAGES, SINKS, config_page, metrics_page
from relay.config.settings import Settings
from sinks.registry import sink_class


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_pages_are_current(page: str) -> None:
    assert (HERE / page).read_text(encoding="utf-8") == PAGES[page](), "run `python -m docs.generate`"


def test_every_key_of_the_configuration_has_a_meaning() -> None:
    page = config_page()
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` |" in page
        assert field.description
    for sink in SINKS:
        for name, field in sink_class(sink).Options.model_fields.items():
            assert f"| `{name}` |" in page, f"{sink}.{name}"
            assert field.description, f"{sink}.{name}"


@pytest.mark.parametrize(
    "row",
    [
        "| `tickstock_events_total` | counter | `channel`, `event` |",
        "| `tickstock_errors_total` | counter | `severity`, `component`, `error_code` |",
        "| `tickstock_phase_duration_seconds` | histogram | `phase` |",
        "| `tickstock_relay_lane_depth` | gauge | `sink` |",
        "| `tickstock_relay_build_info` | info |",
    ],
)
def test_metrics_are_listed_with_type_and_labels(row: str) -> None:
    assert row in metrics_page()
