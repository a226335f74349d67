"""A relay that is started with standard descriptors closed works, and no socket of its own takes their place."""

import json
import signal
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support import RelayProcess, Valkey, until
from tests.support.relay_process import PROGRAM

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_descriptors_are_opened_on_dev_null(
    tmp_path: Path, valkey: Valkey, report: Report, closed: str
) -> None:
    relay = RelayProcess(tmp_path, valkey.url)
    relay.program = ("sh", "-c", f'exec "$0" "$@" {closed}', str(PROGRAM))
    with relay:
        assert relay.process is not None
        descriptors = Path(f"/proc/{relay.process.pid}/fd")
        opened = {int(part[0]) for part in closed.split()}
        assert {number for number in range(3) if (descriptors / str(number)).readlink() == Path("/dev/null")} >= opened
        for number in range(10):
            relay.send(signal.SIGHUP)
            valkey.client.publish("tickstock:x", json.dumps({"event": "x", "payload": {"n": number}}))
            until(lambda number=number: len(relay.archived("x")) == number + 1)  # type: ignore[misc]
        assert relay.terminate() == 0
    report(f"started with {closed}", injections=1, messages=10)
