"""Debian's Prometheus beside the relay during a run: values as the run had them, and no dashboard panel or rule without
data.
"""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import RelayProcess, Valkey, eventually, free_port, until
from tests.support.dashboard import queries
from tests.support.prometheus import Prometheus, running
from tickstock_simulator.ledger import RunRecord
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.tickstockpl import Simulator
from tickstock_simulator.webhook import WebhookStandIn

pytestmark = pytest.mark.system

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "tickstock-relay.rules.yml"
SPEED = 300
"""A run of 35 minutes in seven seconds."""
SELECTOR = re.compile(r"\b(?:tickstock\w*(?::\w+)*|up)\b(?:\{[^}]*\})?")
PLACES = {"$job": "tickstock-relay", "$instance": ".*", "$__rate_interval": "1m", "$__range": "10m"}


@dataclass
class Day:
    """What happened."""

    prometheus: Prometheus
    relay: RelayProcess
    run: RunRecord


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """One run with an error burst, scraped every second; Slack takes all, the webhook's receiver refuses one."""
    directory = tmp_path_factory.mktemp("prometheus")
    ports = {name: free_port() for name in ("api", "slack", "app")}
    with (
        Valkey() as valkey,
        RelayProcess(directory, valkey.url, config=_config(ports)) as relay,
        _prometheus(directory, relay.url) as prometheus,
    ):
        until(lambda: (prometheus.value("count_over_time(tickstock_relay_subscribed[1m])") or 0) > 1, what="scrapes")
        run = asyncio.run(_play(valkey.url, ports))
        _settled(prometheus)
        yield Day(prometheus, relay, run)


def _config(ports: dict[str, int]) -> dict[str, Any]:
    slack = {"type": "slack", "token": "xoxb-stand-in", "channel": "#ops"}
    slack["base_url"] = f"http://127.0.0.1:{ports['slack']}/api/"
    app = {"type": "webhook", "url": f"http://127.0.0.1:{ports['app']}/hook"}
    return {
        "tickstockpl": {"base_url": f"http://127.0.0.1:{ports['api']}"},
        "watchdog": {"poll_interval": "1s", "start_grace": "1d"},  # whatever the time of day, no run is missed
        "sinks": {"ops-slack": slack | {"repeat_window": "1s"}, "app": app},
        "routes": [
            {"name": "errors", "match": {"severity": ">=error"}, "to": ["ops-slack"]},
            {"name": "ends", "match": {"action": "completed", "not": {"domain": "run"}}, "to": ["app"]},
        ],
    }


@contextmanager
def _prometheus(directory: Path, relay_url: str) -> Iterator[Prometheus]:
    """Prometheus with our own scrape configuration and rules, in seconds rather than in minutes."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    job |= {"scrape_interval": "1s", "static_configs": [{"targets": [relay_url.removeprefix("http://")]}]}
    config["rule_files"] = [str(RULES)]
    with running(directory, config) as prometheus:
        until(lambda: prometheus.value('up{job="tickstock-relay"}') == 1, what="its first scrape")
        yield prometheus


async def _play(redis_url: str, ports: dict[str, int]) -> RunRecord:
    slack, app = SlackStandIn(port=ports["slack"]), WebhookStandIn(port=ports["app"])
    app.trouble.fail(400)
    options = {"port": ports["api"], "speed": SPEED, "items": 0.01}
    simulator = Simulator(redis_url, run="now", faults=["error-burst:20", "malformed"], **options)  # type: ignore[arg-type]
    async with slack, app, simulator:
        await simulator.wait_until_done()
        await eventually(lambda: slack.messages and len(app.deliveries) > 1, what="the deliveries")
    return simulator.finished[0]


def _settled(prometheus: Prometheus) -> None:
    """Prometheus has seen the end of the run, and its recording rules too."""
    until(lambda: prometheus.value("tickstock_run_last_completion_timestamp_seconds"), what="the end of the run")
    until(lambda: prometheus.query("tickstock:run_duration_seconds:mean30d"), what="the recorded mean")
    until(lambda: prometheus.value("tickstock_relay_dead_letters{sink='app'}"), what="the refused event")


def test_phases_and_the_run_have_the_durations_that_they_had(day: Day) -> None:
    asked = {"import", "cache", "indicators", "patterns"}
    assert set(day.run.phase_seconds) == asked
    for phase, seconds in day.run.phase_seconds.items():
        found = day.prometheus.value(f'tickstock_phase_last_duration_seconds{{phase="{phase}"}}')
        assert found == pytest.approx(seconds / SPEED, abs=0.0006)  # three digits are written
        assert day.prometheus.value(f'tickstock_phase_duration_seconds_sum{{phase="{phase}"}}') == found
    assert day.prometheus.value("tickstock_run_last_duration_seconds") == pytest.approx(2100 / SPEED, abs=0.05)


def test_counts_and_status_are_the_run_s(day: Day) -> None:
    value = day.prometheus.value
    assert value("tickstock_symbols_processed") == day.run.symbols_processed
    assert value("tickstock_patterns_detected") == day.run.patterns_detected
    assert value("tickstock_indicators_calculated") == day.run.indicators_calculated
    assert value('tickstock_run_last_status{status="completed"}') == 1
    assert value('tickstock_errors_total{error_code="RATE_LIMIT_EXCEEDED"}') == 20
    assert value("max_over_time(tickstock_run_in_progress[10m])") == 1
    assert value("tickstock_run_in_progress") == 0


def test_progress_was_seen_while_the_run_went_on(day: Day) -> None:
    moving = day.prometheus.query('tickstock_phase_progress_ratio{phase="patterns"}[10m]')
    values = [float(value) for _, value in moving[0]["values"]]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] == 1
    assert any(0 < value < 1 for value in values)


def test_every_query_of_the_dashboard_returns_data(day: Day) -> None:
    """But the one of days with a run, which needs a second day: `test_grafana` has a fortnight."""
    asked = [(title, query) for title, query in queries() if title != "Each day's run, by phase"]
    assert len(asked) > 30
    for place, value in PLACES.items():
        asked = [(title, query.replace(place, value)) for title, query in asked]
    assert [title for title, query in asked if not day.prometheus.query(query)] == []


def test_every_rule_is_healthy_and_everything_that_it_looks_at_is_there(day: Day) -> None:
    groups = day.prometheus.ask("/api/v1/rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 20
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    recorded = [rule["name"] for rule in rules if rule["type"] == "recording"]
    assert [name for name in recorded if not day.prometheus.query(name)] == []
    looked_at = {(rule["name"], found) for rule in rules for found in SELECTOR.findall(rule["query"])}
    assert len(looked_at) > 30
    assert [(name, selector) for name, selector in sorted(looked_at) if not day.prometheus.query(selector)] == []


def test_what_the_receiver_refused_is_alerted_and_a_good_run_is_not(day: Day) -> None:
    def firing() -> set[str]:
        alerts = day.prometheus.ask("/api/v1/alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    lost = {"TickStockRelayDeadLetters", "TickStockRelayEventsLost"}
    until(lambda: lost <= firing(), what="the alerts")
    assert firing() - lost <= {"TickStockRelayQuarantine"}


def test_promtool_has_nothing_to_say_about_the_metrics(day: Day) -> None:
    text = day.relay.get("/metrics")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=30
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "command",
    [["check", "rules", RULES.name], ["test", "rules", "tickstock-relay.test.yml"], ["check", "config", "scrape.yml"]],
)
def test_promtool_accepts_rules_their_tests_and_the_scrape_configuration(command: list[str]) -> None:
    checked = subprocess.run(
        ["promtool", *command], cwd=RULES.parent, capture_output=True, text=True, check=False, timeout=60
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
