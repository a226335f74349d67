"""A failing test of the configuration keeps no start away; one that cannot be read is one line a try."""

import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from relay.check.route_tests import failed_tests
from relay.config.settings import Settings
from relay.store.shelf import MemoryShelf
from relay.watchdog.alerts import Alerts
from relay.watchdog.self_check import SelfCheck
from tests.support import RelayProcess, Valkey, until
from tests.support.relay_process import PROGRAM
from tests.support.wire import utc

NOW = utc("2025-01-27 21:15")
UNITS = Path(__file__).parents[2] / "deploy" / "systemd"


@pytest.mark.thorough
def test_the_relay_starts_with_a_failing_test_and_announces_it_until_a_reload_mends_it(
    tmp_path: Path, valkey: Valkey
) -> None:
    failing = {"name": "mine", "given": {"channel": "tickstock:x"}, "expect": []}

    def states() -> list[str]:
        alerts = [each["payload"] for each in relay.archive()]
        return [str(each["state"]) for each in alerts if each.get("alert") == "config_tests_failed"]

    with RelayProcess(tmp_path, valkey.url, config={"tests": [failing]}) as relay:
        until(lambda: states() == ["firing"])
        assert "test mine failed: reached" in relay.log_text()
        check = [str(PROGRAM), "check", "--config", str(relay.config_path)]
        assert subprocess.run(check, capture_output=True, check=False, timeout=60).returncode == 1
        reload = [str(PROGRAM), "reload", "--config", str(relay.config_path)]
        refused = subprocess.run(reload, cwd=tmp_path, capture_output=True, check=False, timeout=60)
        assert (refused.returncode, states()) == (1, ["firing"])
        del relay.config["tests"]
        relay.write_config()
        assert subprocess.run(reload, cwd=tmp_path, capture_output=True, check=False, timeout=60).returncode == 0
        until(lambda: states() == ["firing", "resolved"])


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        ({"expect": ["b"]}, "test t failed: did not reach b; reached a too"),
        ({"expect": []}, "test t failed: reached a too"),
        ({"expect_at_least": ["a", "b"]}, "test t failed: did not reach b"),
    ],
)
def test_the_alert_says_which_test_and_how(expected: dict[str, Any], says: str) -> None:
    settings = Settings.model_validate(
        {
            "sinks": {"a": {"type": "prometheus"}, "b": {"type": "prometheus"}},
            "routes": [{"name": "r", "to": ["a"]}],
            "tests": [{"name": "t", "given": {"channel": "tickstock:x"}} | expected],
        }
    )
    failures = failed_tests(settings, NOW)
    assert failures == [says]
    (alert,) = SelfCheck(Alerts(MemoryShelf())).tests(failures, NOW)
    assert alert.payload["title"] == "Configuration fails its own tests"
    assert f"1 test fails, the first: {says}." in alert.payload["message"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("redis: {urll: x}\nlog: {levl: x}\n", ["line 1: redis.urll", "line 2: log.levl"]),
        ("a: b: c\n", ["line 1: not YAML"]),
        (None, ["cannot be read: No such file"]),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, text: str | None, says: list[str]) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    ended = subprocess.run([PROGRAM, "run", "--config", path], capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert [each for each in says if each not in ended.stderr] == []


def test_the_unit_tries_again_for_ever_and_checks_nothing_before() -> None:
    unit, drop_in = (_read(UNITS / name) for name in ("tickstock-relay.service", "drop-ins/preserve.conf"))
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert (unit["Service"]["Restart"], unit["Service"]["RestartSec"]) == ("always", "2s")
    assert "ExecStartPre" not in unit["Service"]
    assert (drop_in["Service"]["RestartSteps"], drop_in["Service"]["RestartMaxDelaySec"]) == ("8", "60s")


def _read(path: Path) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser
