"""A run's page from a real relay: its numbers are the archive's and the metrics', also after a restart."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import RelayProcess, Valkey, until
from tests.support.shapes import run_messages
from tickstock_simulator.flow import Run

RUN = "2ec03b4d-4377-4f80-ab12-03488823563f"
ERROR = {"severity": "error", "component": "db", "error_code": "DB", "message": "refused: password=hunter2"}


def publish_run(valkey: Valkey, *, errors: int = 3, test_errors: int = 2) -> int:
    """A whole run and its errors, all at once; how many events those are that count."""
    began = datetime.now(UTC) - timedelta(minutes=1)
    durations = {"import": 20.0, "cache": 2.0, "indicators": 8.0, "patterns": 25.0}
    run = Run(RUN, run_date=f"{began:%Y-%m-%d}", items=0, durations=durations, progress_every=0.5)
    sent = 0
    for message in run_messages(run, began):
        if message.channel == "tickstock:processing:status" and sent:
            for number in range(errors + test_errors):
                body: dict[str, Any] = {"event": "error", "payload": ERROR | {"run_id": RUN, "attempt": number}}
                body["source"] = "test_probe" if number >= errors else "job"
                valkey.client.publish("tickstock:errors", json.dumps(body))
        valkey.client.publish(message.channel, message.body)
        sent += 1
    return sent + errors


def archived(relay: RelayProcess) -> list[dict[str, Any]]:
    """The archive's events of that run, as the command on its page finds them, without the relay's own."""
    lines = map(json.loads, (relay.archive_directory / "events.jsonl").read_text().splitlines())
    return [line for line in lines if line["run_id"] == RUN and not line["channel"].startswith("relay:")]


@pytest.mark.thorough
@pytest.mark.parametrize("errors", [0, 3, 40])
def test_page_json_download_archive_and_metrics_agree_also_after_a_restart(
    tmp_path: Path, valkey: Valkey, errors: int
) -> None:
    with RelayProcess(tmp_path, valkey.url) as relay, httpx.Client(timeout=120) as asking:
        count = publish_run(valkey, errors=errors)

        def facts() -> dict[str, Any]:
            found: dict[str, Any] = asking.get(f"{relay.url}/runs/{RUN}.json").json()
            return found

        until(lambda: relay.metric("relay_received_messages_total") >= count + 2)
        until(lambda: facts().get("state") == "completed", what="the end of the run")
        before = facts()
        real = [line for line in archived(relay) if not line.get("test")]
        assert before["event_count"] == len(real) == count
        assert before.get("error_count", 0) == errors == sum(group["count"] for group in before.get("errors", []))
        for phase, number in before["phase_counts"].items():
            assert number == sum(line["phase"] == phase for line in real), phase
        listed = asking.get(f"{relay.url}/runs/{RUN}/events.ndjson")
        assert listed.headers["Content-Type"].startswith("application/x-ndjson")
        downloaded = [json.loads(line) for line in listed.text.splitlines()]
        assert [line["id"] for line in downloaded if not line["channel"].startswith("relay:")] == [
            line["id"] for line in archived(relay)
        ]
        assert "hunter2" not in listed.text + asking.get(f"{relay.url}/runs/{RUN}").text + json.dumps(before)
        assert RUN in asking.get(f"{relay.url}/runs").text
        assert asking.get(f"{relay.url}/runs/nobody").status_code == 404
        assert asking.get(f"{relay.url}/runs/nobody.json").status_code == 404
        assert asking.post(f"{relay.url}/runs/{RUN}/events.ndjson").status_code == 405
        assert relay.terminate() == 0
        relay.start()
        after = facts()
        kept = ("event_count", "phase_counts", "severity_counts", "errors", "events", "state", "results")
        assert {name: after.get(name) for name in kept} == {name: before.get(name) for name in kept}


@pytest.mark.thorough
def test_the_page_of_an_ended_run_is_not_sent_twice(relay: RelayProcess, valkey: Valkey) -> None:
    publish_run(valkey, errors=0)
    url = f"{relay.url}/runs/{RUN}"
    until(lambda: httpx.get(f"{url}.json").json().get("state") == "completed", what="the end of the run")
    until(lambda: "ETag" in httpx.get(url).headers, what="its findings")
    tag = httpx.get(url).headers["ETag"]
    again = httpx.get(url, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.get(f"{url}?show=all", headers={"If-None-Match": tag}).status_code == 200
