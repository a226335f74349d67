"""What a sink's author imports: one module, whose names are loaded when they are asked for."""

import subprocess
import sys

import pytest

import sinks


@pytest.mark.parametrize("name", sinks.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(sinks, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sinks'"):
        _ = sinks.Sinks


@pytest.mark.thorough
@pytest.mark.parametrize(
    "loads",
    [
        "sinks",
        "sinks.options",
        "relay.config.load",
        "relay.daemon",
        "sinks.prometheus",
        "relay.daemon, sinks.prometheus",
    ],
)
def test_a_daemon_with_metrics_alone_loads_no_http_client(loads: str) -> None:
    program = f"import sys, {loads}; print(sorted({{'httpx', 'slack_sdk', 'aiohttp'}} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
