"""`tickstock-relay check` as its users meet it, against real parts on loopback."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from relay.cli import main
from tests.support import Valkey
from tests.support.failover import replica_of, setuser

MISTAKES = Path(__file__).parent.parent / "testdata" / "config"
DEFAULT = Path(__file__).parent.parent.parent / "config.yaml"
NOWHERE = "http://127.0.0.1:9"


def check(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["check", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def facts(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(check(*arguments, "--json", code=code).stdout)
    return found


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(**sections: Any) -> Path:
        base: dict[str, Any] = {
            "redis": {"patterns": ["tickstock:errors"]},
            "sinks": {"metrics": {"type": "prometheus"}},
            "routes": [{"name": "all", "to": ["metrics"]}],
            "state_dir": str(tmp_path / "state"),
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(base | sections))
        return path

    return written


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, and where nobody ever answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_the_default_configuration_passes_its_own_tests() -> None:
    output = check("--config", DEFAULT).stdout
    assert "no problems" in output
    assert "4 of 4 tests passed" in output


def test_five_mistakes_are_all_told_with_line_and_key_and_end_with_exit_code_2() -> None:
    output = check("--config", MISTAKES / "five_mistakes.yaml", code=2).stdout
    expected = (MISTAKES / "five_mistakes.expected").read_text().splitlines()
    assert [line.removeprefix("error").strip() for line in output.splitlines()[:-1]] == expected
    assert output.splitlines()[-1].endswith("5 problems")


def test_json_tells_the_same_mistakes_as_facts() -> None:
    found = facts("--config", MISTAKES / "five_mistakes.yaml", code=2)
    assert found["ok"] is False
    assert [(problem["line"], problem["key"]) for problem in found["problems"]] == [
        (2, "redis.pattern"),
        (4, "watchdog.start_grace"),
        (6, "sinks.archive.compress"),
        (8, "routes[0].match.severity"),
        (11, "routes[1].to"),
    ]
    assert found["problems"][0]["hint"] == "did you mean patterns?"


def test_a_configuration_that_does_not_do_what_its_tests_say_fails(write: Any) -> None:
    tests = [
        {"name": "as it is", "given": {"channel": "tickstock:errors"}, "expect": ["metrics"]},
        {"name": "as it is not", "given": {"channel": "tickstock:errors"}, "expect": []},
    ]
    path = write(tests=tests)
    output = check("--config", path, code=1).stdout
    assert "test ok     as it is" in output
    assert "test failed as it is not: reached metrics too" in output
    assert [test["passed"] for test in facts("--config", path, code=1)["tests"]] == [True, False]


def test_tests_know_severity_payload_and_stop(write: Any) -> None:
    sinks = {name: {"type": "prometheus"} for name in ("a", "b", "c")}
    routes = [
        {"name": "bad", "match": {"severity": ">=error"}, "to": ["a"], "stop": True},
        {"name": "sure", "match": {"payload.confidence": ">=0.9"}, "to": ["b"], "throttle": {"every": "5m"}},
        {"name": "rest", "to": ["c"]},
    ]
    tests = [
        {"given": {"channel": "tickstock:errors", "severity": "critical"}, "expect": ["a"]},
        {"given": {"channel": "tickstock:errors"}, "expect": ["a"]},
        {"given": {"channel": "tickstock:job:status", "severity": "error"}, "expect": ["a"]},
        {"given": {"channel": "tickstock:errors", "severity": "info"}, "expect": ["c"]},
        {"given": {"domain": "patterns", "action": "detected", "payload": {"confidence": 0.95}}, "expect": ["c", "b"]},
        {"given": {"channel": "tickstock:patterns:detected", "payload.confidence": 0.95}, "expect": ["b", "c"]},
        {"given": {"channel": "tickstock:patterns:detected", "payload.confidence": 0.5}, "expect": ["c"]},
    ]
    found = facts("--config", write(sinks=sinks, routes=routes, tests=tests))
    assert [test["passed"] for test in found["tests"]] == [True] * 7


def warned(path: Path) -> str:
    return "\n".join(facts("--config", path)["warnings"])


def test_a_pattern_that_covers_command_channels_is_warned_about(write: Any) -> None:
    assert "covers command channels (tickstock:processing:control)" in warned(
        write(redis={"patterns": ["tickstock:processing:*"]})
    )
    assert "command channels" not in warned(write(redis={"patterns": ["tickstock:processing:s*"]}))


def test_overlapping_patterns_are_warned_about(write: Any) -> None:
    path = write(redis={"patterns": ["tickstock:import:*", "tickstock:*:started", "tickstock:errors"]})
    assert "the patterns tickstock:import:* and tickstock:*:started overlap" in warned(path)
    assert "tickstock:errors" not in warned(path).replace("command", "")


def test_a_sink_without_a_route_is_warned_about(write: Any) -> None:
    sinks = {"metrics": {"type": "prometheus"}, "idle": {"type": "prometheus"}}
    assert "no route leads to the sink idle" in warned(write(sinks=sinks))
    assert "no route leads" not in warned(write())


def test_a_route_behind_one_that_takes_all_and_stops_is_warned_about(write: Any) -> None:
    routes = [
        {"name": "errors", "match": {"severity": ["error"], "domain": "errors"}, "to": ["metrics"], "stop": True},
        {"name": "other", "match": {"severity": ["error"]}, "to": ["metrics"]},
        {"name": "narrower than one that does not stop", "match": {"severity": ["error"], "event": "x"}, "to": []},
        {"name": "never", "match": {"severity": ["error"], "domain": "errors", "source": "x"}, "to": ["metrics"]},
    ]
    output = warned(write(routes=routes))
    assert "the route never is never reached: errors takes" in output
    assert output.count("never reached") == 1


def test_alerts_that_reach_nobody_are_warned_about(write: Any) -> None:
    slack = {"type": "slack", "token": "xoxb-1", "channel": "#ops"}
    sinks = {"metrics": {"type": "prometheus"}, "ops": slack}
    one_way = [{"name": "errors", "match": {"domain": "errors"}, "to": ["metrics", "ops"]}]
    both = [*one_way, {"name": "alerts", "match": {"domain": "alert", "severity": ">=warning"}, "to": ["ops"]}]
    assert "go nowhere: nobody is notified" in warned(write(sinks=sinks, routes=one_way))
    assert "nobody is notified" not in warned(write(sinks=sinks, routes=both))


def test_connect_tries_redis_the_api_each_sink_and_the_state_directory(write: Any, shared_valkey: Valkey) -> None:
    path = write(
        redis={"url": shared_valkey.url, "patterns": ["tickstock:errors"]},
        tickstockpl={"base_url": NOWHERE, "timeout": "1s"},
        sinks={"metrics": {"type": "prometheus"}, "app": {"type": "webhook", "url": NOWHERE + "/hook"}},
        routes=[{"name": "all", "to": ["metrics", "app"]}],
    )
    found = facts("--config", path, "--connect", code=1)
    works = {trial["what"]: trial["works"] for trial in found["connect"]}
    assert works == {
        "redis": True,
        "tickstockpl": False,
        "sink metrics": True,
        "sink app": False,
        "state_dir": True,
    }
    assert all(0 <= trial["seconds"] < 20 for trial in found["connect"])
    output = check("--config", path, "--connect", code=1).stdout
    assert "ok          redis: answers, and allows subscribing to tickstock:errors" in output
    assert "failed      tickstockpl: cannot reach http://127.0.0.1:9" in output
    assert shared_valkey.listeners() == 0


def test_a_redis_that_is_not_there_fails_without_showing_the_password(write: Any, closed_port: int) -> None:
    path = write(redis={"url": f"redis://relay:hunter2-hunter2@127.0.0.1:{closed_port}/0", "patterns": ["x"]})
    output = check("--config", path, "--connect", code=1).stdout
    assert "failed      redis: ConnectionError" in output
    assert "hunter2" not in output


def test_a_user_who_may_not_subscribe_is_told_so(write: Any, valkey: Valkey) -> None:
    valkey.client.execute_command("ACL", "SETUSER", "relay", "on", ">secret-one", "&tickstock:errors", "+@all")  # type: ignore[no-untyped-call]
    url = f"redis://relay:secret-one@127.0.0.1:{valkey.port}/0"
    allowed = write(redis={"url": url, "patterns": ["tickstock:errors"]})
    assert "ok          redis: answers" in check("--config", allowed, "--connect", code=1).stdout
    refused = write(redis={"url": url, "patterns": ["tickstock:errors", "tickstock:import:*"]})
    output = check("--config", refused, "--connect", code=1).stdout
    assert "failed      redis: refused PSUBSCRIBE: NOPERM" in output


def test_a_user_who_may_subscribe_and_nothing_else_is_enough(write: Any, valkey: Valkey) -> None:
    setuser(valkey, "least", "on", ">x", "resetchannels", "&tickstock:errors", "+psubscribe")
    path = write(redis={"url": f"redis://least:x@127.0.0.1:{valkey.port}/0", "patterns": ["tickstock:errors"]})
    assert "ok          redis: answers" in check("--config", path, "--connect", code=1).stdout


def test_a_replica_without_its_master_fails(write: Any, closed_port: int) -> None:
    with Valkey(*replica_of(closed_port)) as replica:
        path = write(redis={"url": replica.url, "patterns": ["tickstock:errors"]})
        output = check("--config", path, "--connect", code=1).stdout
    assert "failed      redis: this replica has no connection to its master" in output


def test_a_state_directory_that_cannot_be_written_fails(write: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = write(state_dir=str(tmp_path / "file" / "state"))
    output = check("--config", path, "--connect", code=1).stdout
    assert "failed      state_dir" in output
    assert "is not a directory" in output


def test_a_check_leaves_the_archive_of_a_running_relay_as_it_is(write: Any, tmp_path: Path) -> None:
    """Half a line is what a running relay may be writing at this moment."""
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "events.jsonl").write_bytes(b'{"id":"s1-1"}\n{"id":"s1-')
    path = write(
        sinks={"archive": {"type": "jsonl", "directory": str(archive)}}, routes=[{"name": "a", "to": ["archive"]}]
    )
    assert "ok          sink archive" in check("--config", path, "--connect", code=1).stdout
    assert (archive / "events.jsonl").read_bytes() == b'{"id":"s1-1"}\n{"id":"s1-'


def test_terminal_controls_in_a_configuration_do_not_reach_the_terminal(write: Any) -> None:
    output = check("--config", write(routes=[{"name": "a", "to": ["\x1b[31mx[/bold]"]}]), code=2).output
    assert "\x1b[31m" not in output
    assert "[/bold]" in output


def test_a_file_that_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in check("--config", tmp_path / "none.yaml", code=2).output
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - that nothing was made is the point


def test_the_closing_line_counts_as_people_do(write: Any) -> None:
    one = {"name": "t", "given": {"channel": "tickstock:errors"}, "expect": ["metrics"]}
    wrong = one | {"name": "u", "expect": []}
    assert check("--config", write()).stdout.endswith("no problems, 1 warning, no tests\n")
    assert check("--config", write(tests=[one])).stdout.endswith("1 warning, 1 of 1 test passed\n")
    assert check("--config", write(tests=[one, wrong]), code=1).stdout.endswith("1 warning, 1 of 2 tests passed\n")
    everything = write(redis={"patterns": ["tickstock:*"]})
    assert check("--config", everything).stdout.endswith("no problems, 2 warnings, no tests\n")


@pytest.mark.parametrize(
    ("package", "code", "says"),
    [
        ("holidays", 0, "the exchange's calendar is missing (ImportError in the package holidays)"),
        ("tzdata", 1, "there is no time zone data"),
    ],
)
def test_what_a_tick_needs_and_is_not_there_is_one_line(
    tmp_path: Path, write: Any, package: str, code: int, says: str
) -> None:
    """Broken as by half an upgrade. The unit's check must not keep it from starting for a calendar."""
    broken = tmp_path / "packages" / package
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('half an upgrade')\n")
    path, program = write(), Path(sys.executable).parent / "tickstock-relay"
    environment = os.environ | {"PYTHONPATH": str(broken.parent)}
    environment |= {"PYTHONTZPATH": ""} if package == "tzdata" else {}
    done = subprocess.run(
        [program, "check", "--config", path], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
