"""Each alert leads to what to do about it: Prometheus' by their `runbook_url`, the relay's own by their name."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((ROOT / "deploy" / "prometheus" / "tickstock-relay.rules.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"] if "alert" in rule]


def test_each_rule_of_prometheus_has_an_address_that_ends_at_its_own_heading() -> None:
    headings = {heading.lower() for heading in re.findall(r"^### (\S+)$", OPERATIONS, re.MULTILINE)}
    assert len(rules()) > 10
    for rule in rules():
        base, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert base == "https://tickstock-relay.example/operations"
        assert anchor == rule["alert"].lower()
        assert anchor in headings


def test_each_alert_of_the_relays_own_can_be_linked_to_by_its_name() -> None:
    begin = OPERATIONS.index("### The relay's own")
    rows = re.findall(r"^\| ((?:<a|`)[^|]*) \|", OPERATIONS[begin:], re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row) if "`" in row and "<a" in row]
    assert {"never_started", "run_failed", "not_subscribed", "sink_failing"} <= set(names)
    assert all(f'<a id="{name}"></a>' in OPERATIONS for name in names)
