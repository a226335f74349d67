"""The Grafana dashboard's file: no panels overlap, each number has thresholds and a word for no data."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.dashboard import DASHBOARD, annotations, metrics, panels

ROOT = Path(__file__).parents[2]
WIDTH = 24


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    return {
        (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
    }


def test_no_panels_overlap_and_none_is_wider_than_the_page() -> None:
    overlapping = [(a["title"], b["title"]) for a, b in combinations(panels(), 2) if cells(a) & cells(b)]
    assert overlapping == []
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= WIDTH for panel in panels())


def test_ids_are_given_once() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


def test_each_stat_has_thresholds_and_each_panel_a_word_for_no_data() -> None:
    stats = [panel for panel in panels() if panel["type"] == "stat"]
    assert len(stats) == 8
    for stat in stats:
        steps = stat["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert len({step["color"] for step in steps}) > 1, stat["title"]
    shown = [panel for panel in panels() if panel["type"] != "row"]
    assert [panel["title"] for panel in shown if not panel["fieldConfig"]["defaults"].get("noValue")] == []


def test_a_completion_that_is_nine_days_old_is_red() -> None:
    (stat,) = (panel for panel in panels() if panel["title"] == "Last completed")
    steps = stat["fieldConfig"]["defaults"]["thresholds"]["steps"]
    colours = [step["color"] for step in steps if step["value"] is None or step["value"] <= 9 * 86400]
    assert colours[-1] == "red"


def test_the_relay_s_own_row_is_collapsed_and_holds_its_panels() -> None:
    (row,) = (panel for panel in panels() if panel["title"] == "The relay")
    assert row["collapsed"]
    assert len(row["panels"]) == 6


@pytest.mark.thorough
def test_every_metric_that_is_asked_for_is_one_of_the_relay_s() -> None:
    reference = (ROOT / "docs" / "metrics.md").read_text()
    assert len(metrics()) > 25
    plain = {re.sub(r"_(sum|count|bucket)$", "", name) for name in metrics()}
    assert sorted(name for name in plain if name not in reference) == []


def test_it_links_to_pages_and_runbook_and_marks_runs_alerts_and_gaps() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert [name for name, _ in annotations()] == ["Runs", "Alerts", "Gaps"]
    assert [link["url"] for link in dashboard["links"]] == ["${page}/", "${page}/runs", "${runbook}"]
    variables = {each["name"] for each in dashboard["templating"]["list"]}
    assert variables == {"datasource", "job", "instance", "page", "runbook"}


def test_the_provisioning_files_name_the_dashboard_s_folder_and_a_data_source() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "tickstock-relay.yml").read_text())["providers"]
    assert provider["options"]["path"].endswith("tickstock-relay.json")
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
