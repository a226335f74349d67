"""The Grafana dashboard over a simulated fortnight in a real Prometheus: every query of every panel returns data."""

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.dashboard import annotations, metrics, queries, without_recorded
from tests.support.fortnight import DAYS, FIRST_DAY, Fortnight
from tests.support.prometheus import Prometheus, running
from tests.support.waiting import HANG

pytestmark = pytest.mark.system

PLACES = {"$job": "tickstock-relay", "$instance": ".*", "$__rate_interval": "2h", "$__range": f"{DAYS}d"}
PLACES["[5m]"] = "[2h]"  # there is a scrape each ten minutes, or two hours
FOR_EVER = "--storage.tsdb.retention.time=100y"
HOUR = 3600.0


@dataclass
class Weeks:
    """The fortnight, in Prometheus; the last moment in epoch seconds."""

    prometheus: Prometheus
    end: float

    def values(self, query: str) -> list[float]:
        """What a query returned, hour by hour, of all its series."""
        query = without_recorded(query)
        for place, value in PLACES.items():
            query = query.replace(place, value)
        series = self.prometheus.query_range(query, FIRST_DAY.timestamp(), self.end, HOUR)
        return [float(value) for each in series for _, value in each["values"]]


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weeks]:
    directory = tmp_path_factory.mktemp("fortnight")
    played = Fortnight(directory, metrics())
    end = asyncio.run(played.play())
    scraped = directory / "scraped.txt"
    scraped.write_text("\n".join([*played.lines, "# EOF", ""]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(scraped), str(directory / "tsdb")]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG)
    assert made.returncode == 0, made.stderr[-2000:]
    with running(directory, {}, FOR_EVER) as prometheus:
        yield Weeks(prometheus, end)


def test_each_query_and_annotation_returns_data(weeks: Weeks) -> None:
    assert [(title, query) for title, query in queries() if not weeks.values(query)] == []
    assert [name for name, query in annotations() if not weeks.values(query)] == []


def test_the_data_of_the_failed_day_was_not_usable_until_it_was_run_again(weeks: Weeks) -> None:
    values = weeks.values("tickstock_data_usable{}")
    assert set(values) == {0.0, 1.0}
    assert 12 < values.count(0.0) < 36, "from the evening of the failed day to the next day's run"


def test_a_bar_for_each_day_with_a_run(weeks: Weeks) -> None:
    (query,) = (query for title, query in queries() if title == "Each day's run, by phase")
    for place, value in PLACES.items():
        query = query.replace(place, value)
    midnights = weeks.prometheus.query_range(query, FIRST_DAY.timestamp() + 24 * HOUR, weeks.end, 24 * HOUR)
    assert {each["metric"]["phase"] for each in midnights} == {"import", "cache", "indicators", "patterns"}
    assert {len(each["values"]) for each in midnights} == {9}, "ten days; before the first start there was no other"
