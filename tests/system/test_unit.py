"""The unit file on real systemds: nothing to say against it, and the daemon starts, reloads and stops under it."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.system import probe
from tests.system.lab import wait_until
from tests.system.machine import PRESERVES, STATE, UNIT, UNITS, systemd_version
from tests.system.tree import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.machine import Machine

pytestmark = pytest.mark.system

HERE = Path(__file__).parent
PROBE = "/usr/local/lib/probe.py"
MOST_EXPOSED = 2.0  # systemd-analyze security: 0 is shut off, 10 is bare
SOCKET = "/run/tickstock-relay/control.sock"
SECRET = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"  # noqa: S105 - opens nothing
READ_METRICS = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9108/metrics').read().decode())"
CONFIG = """
redis: {url: "redis://127.0.0.1:6379/0"}
sinks:
  archive: {type: jsonl, directory: /var/lib/tickstock-relay/archive}
routes:
  - {name: everything, match: {}, to: [archive]}
http: {listen: "127.0.0.1:9108", metrics_max_age: 0s}
"""


@pytest.fixture
def running(machine: Machine) -> Iterator[Machine]:
    machine.configure(CONFIG)
    machine.start()
    yield machine
    machine.clean()


def test_systemd_has_nothing_to_say_against_the_unit(machine: Machine) -> None:
    verified = machine.lab.run("systemd-analyze", "verify", UNIT)  # exits 0 on unknown keys
    assert verified.stdout + verified.stderr == ""


def test_the_sandbox_is_as_tight_as_promised(machine: Machine) -> None:
    analysis = machine.lab.run("systemd-analyze", "security", "--no-pager", UNIT).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", analysis)
    assert found, analysis
    assert float(found[1]) <= MOST_EXPOSED


def test_the_sandbox_holds_where_an_open_unit_would_not(machine: Machine) -> None:
    """The same attempts by the same user, once with the unit's settings and once with none of them."""
    machine.lab.copy_in(HERE / "probe.py", PROBE)
    machine.lab.run("install", "--directory", "--mode=1777", probe.OPEN_DIRECTORY)
    unit = (UNITS / UNIT).read_text()
    service = unit.partition("[Install]")[0].replace("Type=notify", "Type=oneshot").replace("Restart=always", "")
    service = re.sub(r"(?m)^Exec\w+=.*\n", "", service)
    bare = "[Service]\nType=oneshot\nUser=tickstock-relay\n"
    assert let_through(machine, "open", bare) == [attempt.__name__ for attempt in probe.ATTEMPTS]
    assert let_through(machine, "sandboxed", service) == []


def test_it_starts_as_its_own_user_and_says_ready(running: Machine) -> None:
    assert running.active()
    assert running.show("StatusText")
    owner = running.lab.run("stat", "--format=%U %a", f"/proc/{running.show('MainPID')}", STATE).stdout.split()
    assert owner == ["tickstock-relay", "555", "tickstock-relay", "750"]
    assert running.lab.run("find", STATE, "-type", "f").stdout
    assert running.lab.run("find", STATE, "-perm", "/o=rwx").stdout == ""


def test_a_reload_keeps_the_process_and_refuses_a_bad_configuration(running: Machine) -> None:
    process = running.show("MainPID")
    running.lab.systemctl("reload", UNIT)
    running.configure("sinks: [this is not a configuration]")
    assert running.lab.run("systemctl", "reload", UNIT, check=False).returncode != 0
    assert running.active()
    assert running.show("MainPID") == process


def test_the_journal_tells_the_story_in_sentences_and_warnings_are_found_by_priority(running: Machine) -> None:
    wait_until(lambda: "events a minute; next run " in running.show("StatusText"), "the status line")
    running.configure("sinks: [this is not a configuration]")
    running.lab.run("systemctl", "reload", UNIT, check=False)
    journal = ("journalctl", "--quiet", "-u", UNIT, "-o", "cat")
    story, warnings = running.lab.run(*journal).stdout, running.lab.run(*journal, "-p", "warning").stdout
    assert re.search(r"(?m)^started \d\S+: redis://127\.0\.0\.1:6379/0, tickstock:\*, 1 sink, next run ", story)
    assert re.search(r"(?m)^subscribed to tickstock:\* \(1 pattern\)$", story)
    assert "reload refused" in warnings
    assert "started " not in warnings
    assert '"event"' not in story
    assert not re.search(r"(?m)^<\d>", story)


def test_a_reload_uses_the_daemons_own_credentials_and_exits_by_its_verdict(running: Machine) -> None:
    """A command of ExecReload= has no credentials in a mount namespace of its own: it asks the daemon."""
    running.lab.write("/etc/tickstock-relay/credentials/app", SECRET, mode=0o600)
    running.drop_in("credentials", "[Service]\nLoadCredential=app:/etc/tickstock-relay/credentials/app\n")
    whole = yaml.safe_load(CONFIG)
    whole["sinks"]["app"] = {
        "type": "webhook",
        "url": "http://127.0.0.1:9/",
        "secret_file": "${CREDENTIALS_DIRECTORY}/app",
    }
    running.configure(json.dumps(whole))
    running.lab.systemctl("restart", UNIT)
    process = running.show("MainPID")
    for _ in range(2):
        running.lab.systemctl("reload", UNIT)
        assert last_reload_successful(running) == "1.0"
        running.configure(json.dumps(whole | {"routes": [{"name": "wrong", "match": {}, "to": ["nowhere"]}]}))
        assert running.lab.run("systemctl", "reload", UNIT, check=False).returncode != 0
        assert last_reload_successful(running) == "0.0"
        assert "nowhere" in running.lab.run(f"{PROGRAM}/bin/tickstock-relay", "check", "--running", check=False).stdout
        assert running.active()
        running.configure(json.dumps(whole))
    running.lab.systemctl("reload", UNIT)
    assert running.show("MainPID") == process
    assert running.lab.run("stat", "--format=%U %G %a", SOCKET).stdout.split() == [*["tickstock-relay"] * 2, "660"]
    running.drop_in("credentials", "")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("redis: {url: [", "line 1"),
        (CONFIG.replace("jsonl", "jsonls"), "jsonls"),
    ],
    ids=["no YAML", "an unknown sink"],
)
def test_a_configuration_that_cannot_be_read_is_tried_again_until_it_is_mended(
    machine: Machine, config: str, says: str
) -> None:
    """The unit does not become `failed`, which would lose the stored connection; one line a try says what is wrong."""
    machine.configure(config)
    machine.lab.systemctl("start", "--no-block", UNIT)
    seen = len(machine.journal().splitlines())

    def tries() -> list[str]:
        lines = machine.journal().splitlines()[seen:]
        return [line for line in lines if "tickstock-relay[" in line]

    wait_until(lambda: len(tries()) >= 3, "three tries")
    lines = tries()
    moments = [float(line.split("]")[0].strip("[ ")) for line in lines]
    waits = [after - before for before, after in pairwise(moments)]
    assert all(says in line for line in lines), "each says what is wrong"
    assert len({line.split(": ", 1)[0] for line in lines}) == len(lines), "each is one line of a process of its own"
    assert min(waits) >= 1.9
    assert machine.show("ActiveState") in ("activating", "inactive")
    assert machine.show("Result") != "start-limit-hit"
    machine.configure(CONFIG)
    wait_until(machine.active, "the relay has started by itself")
    machine.clean()


def test_it_stops_cleanly_and_at_once(running: Machine) -> None:
    running.lab.systemctl("stop", UNIT, timeout=15)
    assert running.show("Result") == "success"
    assert running.show("ExecMainStatus") == "0"


def test_a_hanging_relay_is_replaced(running: Machine) -> None:
    assert running.show("WatchdogUSec") == "30s"
    running.drop_in("impatient", "[Service]\nWatchdogSec=2s\n")
    running.lab.systemctl("restart", UNIT)
    hung = running.show("MainPID")
    running.lab.systemctl("kill", "--kill-whom=main", "--signal=STOP", UNIT)
    wait_until(lambda: running.show("MainPID") not in {hung, "0"} and running.active(), "another relay is up")
    running.drop_in("impatient", "")
    assert "Watchdog timeout" in running.journal()


def test_the_subscription_outlives_the_process(running: Machine) -> None:
    subscribed = connection(running)
    running.lab.systemctl("restart", UNIT)
    assert connection(running) == subscribed
    running.kill()
    assert connection(running) == subscribed
    running.lab.systemctl("daemon-reexec")
    running.kill()
    assert connection(running) == subscribed


def test_a_changed_program_takes_over_in_the_same_process(running: Machine) -> None:
    process, subscribed = running.show("MainPID"), connection(running)
    before = starts(running, process)
    running.lab.systemctl("kill", "--kill-whom=main", "--signal=USR2", UNIT)
    wait_until(lambda: starts(running, process) == before + 1, "the relay has started in itself")
    assert connection(running) == subscribed
    assert running.show("MainPID") == process
    assert running.active()


def test_the_subscription_outlives_a_stop_where_systemd_can_keep_it(running: Machine) -> None:
    subscribed = connection(running)
    running.lab.systemctl("stop", UNIT)
    running.start()
    kept = systemd_version(running.lab) >= PRESERVES
    assert (connection(running) == subscribed) is kept


def last_reload_successful(machine: Machine) -> str:
    """What the daemon's own metric says."""
    page = machine.lab.run("python3", "-c", READ_METRICS).stdout
    [line] = [line for line in page.splitlines() if line.startswith("tickstock_relay_config_last_reload_successful ")]
    return line.split()[1]


def starts(machine: Machine, process: str) -> int:
    """How often the relay has said, as this process, that it started."""
    return sum(f"[{process}]" in line and ": started " in line for line in machine.journal().splitlines())


def let_through(machine: Machine, name: str, settings: str) -> list[str]:
    """What the probe could do under a unit with these settings."""
    machine.lab.write(f"/etc/systemd/system/{name}.service", f"{settings}\nExecStart=/usr/bin/python3 {PROBE}\n")
    machine.lab.systemctl("daemon-reload")
    machine.lab.systemctl("start", name)
    output = machine.lab.run("journalctl", "--output=cat", "--identifier=python3", f"--unit={name}").stdout
    found: list[str] = json.loads(output)
    return found


def connection(machine: Machine) -> str:
    """The relay's socket to Valkey, by the port that it got; there must be exactly one, subscribed."""
    machine.wait_until_subscribed()
    listing = ("ss", "--no-header", "--tcp", "--numeric", "state", "established", "dport", "=", ":6379")
    lines: list[str] = []

    def is_alone() -> bool:  # the check of the server connects once more, for a moment
        lines[:] = machine.lab.run(*listing).stdout.splitlines()
        return len(lines) == 1

    wait_until(is_alone, "one connection to Valkey")
    [line] = lines
    return line.split()[2]
