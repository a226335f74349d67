"""`tickstock-relay outbox` on the store of a relay that is running."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from relay.cli import main
from relay.cli.outbox_lines import listed as listed_lines
from relay.store.outbox import Row
from relay.store.short_id import row_id_of, short_id
from tests.support import Numbered, RelayProcess, Valkey, until

HOSTILE = "\x1b[31m[bold red]x[/]\u202e"


@dataclass
class Receiver:
    """Takes webhooks and answers with `status`."""

    status: int = 503
    url: str = ""
    arrived: list[int] = field(default_factory=list)
    """Numbers of the events that it took."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    it = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = it.status  # once: a test may change it while we answer
            if status < 300:
                it.arrived.append(event["payload"].get("n"))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        it.url = f"http://127.0.0.1:{server.server_port}/hook"
        yield it
        server.shutdown()
        thread.join()


@pytest.fixture
def relay(tmp_path: Path, valkey: Valkey, receiver: Receiver) -> Iterator[RelayProcess]:
    """A relay with a durable lane to the receiver."""
    app = {"type": "webhook", "url": receiver.url, "attempts": 1}
    quick = {"retry_first": "10ms", "retry_most": "50ms", "breaker_failures": 1000}
    route = {"name": "app", "match": {"channel": "tickstock:*"}, "to": ["app"]}
    config = {"sinks": {"app": app}, "routes": [route], "outbox": quick}
    with RelayProcess(tmp_path, valkey.url, config=config) as relay:
        yield relay


def outbox(relay: RelayProcess, *arguments: str, stdin: str = "", code: int = 0) -> Result:
    name, *rest = arguments
    command = ["outbox", name, "--config", str(relay.config_path), *rest]
    result = CliRunner().invoke(main, command, input=stdin)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def listed(relay: RelayProcess, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(outbox(relay, "list", "--json", *arguments).stdout)
    return found


def publish(valkey: Valkey, *numbers: int, **more: Any) -> None:
    for number in numbers:
        message = {"event": "numbered", "timestamp": "2025-01-27T21:15:00Z", "payload": {"n": number} | more}
        assert valkey.publish("tickstock:job:status", json.dumps(message)) == 1


def total(relay: RelayProcess, state: str) -> int:
    return sum(row["events"] for row in listed(relay)["totals"] if row["state"] == state)


def test_what_waits_is_listed_shown_and_exported_while_the_relay_tries(
    relay: RelayProcess, valkey: Valkey, receiver: Receiver
) -> None:
    publish(valkey, 1, 2, 3)
    until(lambda: total(relay, "waiting") == 3 and all(row["attempts"] for row in listed(relay)["events"]))
    found = listed(relay, "--lane", "app", "--waiting", "--limit", "2")
    assert found["totals"] == [{"lane": "app", "state": "waiting", "events": 3}]
    assert [row["event"]["payload"]["n"] for row in found["events"]] == [1, 2]
    assert "503" in found["events"][0]["error"]
    assert listed(relay, "--dead")["events"] == listed(relay, "--lane", "other")["events"] == []
    output = outbox(relay, "list").stdout
    assert "app: 3 waiting" in output
    assert "numbered" in output
    first = str(found["events"][0]["id"])
    assert '"n": 1' in outbox(relay, "show", first).stdout
    assert json.loads(outbox(relay, "show", first, "--json").stdout)["event"]["payload"] == {"n": 1}
    lines = outbox(relay, "export").stdout.splitlines()
    assert [json.loads(line)["payload"]["n"] for line in lines] == [1, 2, 3]
    receiver.status = 200
    until(lambda: sorted(receiver.arrived) == [1, 2, 3])


def test_a_dead_letter_that_is_retried_is_delivered_by_the_running_relay(
    relay: RelayProcess, valkey: Valkey, receiver: Receiver
) -> None:
    receiver.status = 400
    publish(valkey, 1, 2)
    until(lambda: total(relay, "dead") == 2)
    receiver.status = 200
    (first, _) = listed(relay, "--dead")["events"]
    assert "1 to be retried" in outbox(relay, "retry", str(first["id"])).stdout
    until(lambda: receiver.arrived == [1])
    assert "1 to be retried" in outbox(relay, "retry", "--dead").stdout
    until(lambda: receiver.arrived == [1, 2])
    until(lambda: relay.metric("relay_lane_depth", sink="app") == 0)
    assert total(relay, "dead") == 0


def test_dropping_asks_first_and_the_relay_counts_what_is_gone(
    relay: RelayProcess, valkey: Valkey, receiver: Receiver
) -> None:
    publish(valkey, 1, 2, 3)
    until(lambda: total(relay, "waiting") == 3)
    refused = outbox(relay, "drop", "--waiting", stdin="n\n", code=1)
    assert "Delete 3 waiting for app?" in refused.stderr
    assert total(relay, "waiting") == 3
    outbox(relay, "drop", "--older-than", "1h", "--yes")
    assert total(relay, "waiting") == 3
    assert "3 dropped" in outbox(relay, "drop", "--lane", "app", "--yes").stdout
    until(lambda: relay.metric("relay_lane_depth", sink="app") == 0)
    assert relay.metric("relay_dropped_events_total", sink="app", reason="removed") == 3
    receiver.status = 200
    publish(valkey, 4)
    until(lambda: receiver.arrived == [4])


@pytest.mark.thorough
def test_the_command_line_and_a_busy_relay_do_not_stand_in_each_others_way(
    relay: RelayProcess, valkey: Valkey, receiver: Receiver
) -> None:
    """Every number arrives or was dropped by us: none is lost, and the relay's store stays on disk."""
    dropped: set[int] = set()
    with Numbered(valkey.port, 400, channel="tickstock:job:status") as traffic:
        until(lambda: total(relay, "waiting") > 300, every=0.1)
        for _ in range(15):
            if traffic.sent > 5000:  # on a slow machine, where each command takes long, more would only take longer
                break
            doomed = listed(relay, "--limit", "20")["events"]
            ids = [str(row["id"]) for row in doomed]
            outbox(relay, "retry", *ids)
            outbox(relay, "drop", *ids, "--yes")
            dropped |= {row["event"]["payload"]["n"] for row in doomed}
            outbox(relay, "retry", "--waiting")
    receiver.status = 200
    until(lambda: not listed(relay)["totals"], every=0.25, what="an empty outbox")
    assert set(receiver.arrived) | dropped == set(range(1, traffic.sent + 1))
    assert len(set(receiver.arrived) & dropped) <= 4, "only what was underway at that moment"
    assert relay.metric("relay_store_in_memory") == 0
    assert relay.alive


def test_nothing_is_dropped_or_retried_without_saying_which(relay: RelayProcess) -> None:
    assert "choose events" in outbox(relay, "drop", "--yes", code=2).output
    assert "choose events" in outbox(relay, "retry", code=2).output
    assert "0 dropped" in outbox(relay, "drop", "--all", "--yes").output
    assert "a-b is not an id" in outbox(relay, "retry", "a-b", code=2).output
    assert "no such events" in outbox(relay, "retry", "12", code=1).output
    assert "there is no event 12" in outbox(relay, "show", "12", code=1).output
    assert "must be a duration" in outbox(relay, "list", "--older-than", "soon", code=2).output


def test_text_from_the_wire_does_not_steer_the_terminal(relay: RelayProcess, valkey: Valkey) -> None:
    message = json.dumps({"event": HOSTILE, "payload": {"n": 1, "text": HOSTILE}})
    valkey.publish(f"tickstock:{HOSTILE}", message)
    until(lambda: total(relay, "waiting") == 1)
    (row,) = listed(relay)["events"]
    for output in (outbox(relay, "list").stdout, outbox(relay, "show", str(row["id"])).stdout):
        assert not set("\x1b\u202e") & set(output)
        assert "[bold red]x[/]" in output


def test_a_list_fits_80_columns_says_what_is_held_and_groups_equal_rows() -> None:
    at = 1738013285.0

    def row(number: int, **more: Any) -> Row:
        event = {"event": "critical_error", "channel": "tickstock:errors", "payload": {"n": number}}
        facts: dict[str, Any] = {
            "lane": "app",
            "state": "waiting",
            "attempts": 0,
            "error": "",
            "not_before": at,
            "repeat_key": None,
        }
        return Row(
            id=1738013285000100200 + number,
            delivery=None,
            order_key=None,
            accepted=at - 90,
            event=json.dumps(event).encode() + b"\nmore",
            **(facts | more),
        )

    failed = {"attempts": 3, "error": "answered 503 " + "so much to say " * 9, "not_before": at + 40}
    rows = [row(n, **failed) for n in range(12)]
    rows += [row(20, repeat_key="k", not_before=at + 600), row(30, state="dead", attempts=1, error="answered 400")]
    shown = [line.plain for line in listed_lines(rows, at, 80)]
    assert max(map(len, shown)) <= 80
    assert len(shown) == 1 + 2 + 1 + 2
    assert "try 4 in" in shown[1]
    assert shown[1].endswith("(+11 like it)")
    assert shown[2].startswith("              answered 503")
    assert "held for repeats 10" in shown[3]
    assert "dead, 1 try" in shown[4]
    assert row_id_of(shown[1].split()[0]) == rows[0].id


@pytest.mark.parametrize("number", [0, 1, 1738013285000100200, 2**63 - 1])
def test_a_short_id_is_the_number_again(number: int) -> None:
    assert row_id_of(short_id(number)) == number
    assert len(short_id(number)) <= 13


def test_the_number_itself_is_an_id_too() -> None:
    assert row_id_of("1738013285000100200") == 1738013285000100200
    for wrong in ("", "a-b", "é", "1 2"):
        with pytest.raises(ValueError, match="not an id"):
            row_id_of(wrong)


def test_a_store_that_is_not_there_is_told_in_one_line_and_not_made(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\n")
    result = CliRunner().invoke(main, ["outbox", "list", "--config", str(config)])
    assert result.exit_code == 1
    assert "there is no store" in result.output
    assert not (tmp_path / "state").exists()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "relay.db").write_bytes(b"not a database, but long enough to be looked at" * 20)
    result = CliRunner().invoke(main, ["outbox", "list", "--config", str(config)])
    assert result.exit_code == 1
    assert "cannot open the relay's store" in result.output


def test_a_path_with_signs_of_its_own_is_found(tmp_path: Path) -> None:
    state = tmp_path / "state?mode=ro#50%"
    state.mkdir()
    with sqlite3.connect(state / "relay.db") as db:
        db.execute(
            "CREATE TABLE outbox (id, lane, state, delivery, order_key, repeat_key, event, accepted, not_before,"
            " attempts, error)"
        )
    db.close()
    config = tmp_path / "config.yaml"
    config.write_text(f"state_dir: '{state}'\n")
    result = CliRunner().invoke(main, ["outbox", "list", "--config", str(config)])
    assert "no waiting events" in result.output


def test_each_command_is_told_whole_in_the_list() -> None:
    commands = CliRunner().invoke(main, ["outbox", "--help"]).stdout.partition("Commands:")[2]
    assert "drop" in commands
    assert "..." not in commands
