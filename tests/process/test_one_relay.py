"""One relay to a state directory: a second one would tell everything twice, into one archive."""

import fcntl
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.support import RelayProcess, until
from tests.support.waiting import free_port

PROGRAM = str(Path(sys.executable).parent / "tickstock-relay")


def test_a_second_relay_is_refused_and_touches_nothing(relay: RelayProcess, tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text(yaml.safe_dump(relay.config | {"http": {"listen": f"127.0.0.1:{free_port()}"}}))
    ended = subprocess.run(
        [PROGRAM, "run", "--config", str(second)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr == f"tickstock-relay: another relay runs with the state directory {relay.state}\n"
    assert relay.subscriptions() == 1
    assert relay.metric("relay_subscribed") == 1


@pytest.mark.thorough
def test_the_next_relay_begins_when_the_one_before_was_killed(relay: RelayProcess) -> None:
    relay.kill()
    relay.start()
    until(lambda: relay.metric("relay_subscribed") == 1)


@pytest.mark.thorough
def test_a_state_directory_that_cannot_be_made_keeps_no_relay_from_its_work(relay: RelayProcess) -> None:
    relay.terminate()
    blocked = relay.directory / "blocked"
    blocked.write_text("no directory")
    relay.config["state_dir"] = str(blocked / "state")
    relay.start()
    until(lambda: relay.metric("relay_store_in_memory") == 1)
    assert "the state directory cannot be locked; a second relay would not be noticed" in relay.log_text()


@pytest.mark.thorough
def test_the_lock_is_kept_while_a_relay_becomes_a_new_process(relay: RelayProcess) -> None:
    """Whoever waits for the directory at that moment must not get it."""

    found_free: list[bool] = []

    def is_free() -> bool:
        with (relay.state / "relay.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def next_has_come(number: int) -> bool:
        found_free.append(is_free())
        return relay.subscriptions() >= number

    for number in (2, 3):
        relay.send(signal.SIGUSR2)
        until(partial(next_has_come, number))
    assert len(found_free) > 10
    assert not any(found_free)
    assert "the state directory cannot be locked; a second relay would not be noticed" not in relay.log_text()
