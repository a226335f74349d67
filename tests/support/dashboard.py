"""What is in the Grafana dashboard."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "tickstock-relay.json"


RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "tickstock-relay.rules.yml"
METRIC = re.compile(r"\btickstock_\w+(?!:)\b")
RECORDED = re.compile(r"\b(tickstock\w*(?::\w+)+)(\{[^}]*\})?")


def panels() -> Iterator[dict[str, Any]]:
    """All of them, those in a collapsed row too."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield panel
        yield from panel.get("panels", ())


def queries() -> list[tuple[str, str]]:
    """Title and query of each target."""
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel.get("targets", ())]


def annotations() -> list[tuple[str, str]]:
    """Name and query of each annotation."""
    return [(each["name"], each["expr"]) for each in json.loads(DASHBOARD.read_text())["annotations"]["list"]]


def without_recorded(query: str) -> str:
    """The query with each recorded series replaced by the rule that records it."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}
    return RECORDED.sub(lambda match: f"({rules[match[1]]})", query)


def metrics() -> set[str]:
    """The names of all metrics that panels and annotations ask for."""
    asked = [query for _, query in (*queries(), *annotations())]
    return {name for query in asked for name in METRIC.findall(without_recorded(query))}
