"""The sink `socketio` in a running relay: trouble of the web app's Redis stays in its lane; `check --connect`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import RelayProcess, Valkey
from tests.support.relay_process import PROGRAM
from tests.support.waiting import until


def relay_with(directory: Path, valkey: Valkey, **options: Any) -> RelayProcess:
    web = {"type": "socketio", "timeout": "30s"} | options
    route = {"name": "web app", "match": {"channel": "=~^tickstock:"}, "to": ["web"]}
    outbox = {"retry_first": "50ms", "retry_most": "200ms", "breaker_rest": "200ms"}
    config = {"sinks": {"web": web}, "routes": [route], "watchdog": {"enabled": False}, "outbox": outbox}
    return RelayProcess(directory, valkey.url, config=config)


def deliveries(relay: RelayProcess, result: str) -> float:
    return relay.metric("tickstock_relay_deliveries_total", sink="web", result=result)


def publish_error(valkey: Valkey, number: int) -> None:
    body = {"event": "error", "payload": {"severity": "error", "message": f"number {number}", "password": "hunter2"}}
    valkey.publish("tickstock:errors", json.dumps(body))


def received(subscription: Any) -> list[dict[str, Any]]:
    messages = iter(subscription.get_message, None)
    return [json.loads(each["data"]) for each in messages if each["type"] == "message"]


def subscribed(valkey: Valkey) -> Any:
    subscription = valkey.client.pubsub()  # type: ignore[no-untyped-call]
    subscription.subscribe("flask-socketio")
    return subscription


@pytest.mark.thorough
@pytest.mark.parametrize("trouble", ["frozen", "away", "refusing"])
def test_redis_in_trouble_is_counted_and_never_holds_the_intake(trouble: str, tmp_path: Path, valkey: Valkey) -> None:
    results = {"frozen": "timeout", "away": "unreachable", "refusing": "unauthorized"}
    patience = {"timeout": "1s"} if trouble == "frozen" else {}  # what is waited out
    with Valkey() as of_the_app, relay_with(tmp_path, valkey, url=of_the_app.url, **patience) as relay:
        publish_error(valkey, 0)
        until(lambda: deliveries(relay, "ok") == 1, what="the first delivery")
        if trouble == "frozen":
            of_the_app.freeze()
        elif trouble == "away":
            of_the_app.kill()
        else:
            of_the_app.client.execute_command("ACL", "SETUSER", "default", "-publish")  # type: ignore[no-untyped-call]
        for number in range(1, 101):
            publish_error(valkey, number)
        until(lambda: len(relay.archived("error")) == 101, what="the archive, whatever the web app's Redis does")
        until(lambda: deliveries(relay, results[trouble]) > 0, what=f"a delivery that ended with {results[trouble]}")
        if trouble == "frozen":
            of_the_app.thaw()
        elif trouble == "away":
            of_the_app.start()
        else:
            of_the_app.client.execute_command("ACL", "SETUSER", "default", "+publish")  # type: ignore[no-untyped-call]
        before = deliveries(relay, "ok")
        publish_error(valkey, 101)
        until(lambda: deliveries(relay, "ok") > before, what="a delivery afterwards")
        assert "sink is failing" in relay.log_text()


def test_what_goes_out_is_redacted_and_the_relays_own_redis_is_the_default(tmp_path: Path, valkey: Valkey) -> None:
    with relay_with(tmp_path, valkey) as relay:
        subscription = subscribed(valkey)
        body = {"event": "error", "payload": {"message": "cannot open postgresql://tick:hunter2@db/tickstock"}}
        valkey.publish("tickstock:errors", json.dumps(body))
        until(lambda: deliveries(relay, "ok") == 1, what="the delivery")
        (emit,) = until(lambda: received(subscription), what="the emit")
        assert emit["data"]["message"].startswith("cannot open")
        assert "hunter2" not in json.dumps(emit)
        subscription.close()


@pytest.mark.thorough
def test_an_old_bar_does_not_come_after_a_restart(tmp_path: Path, valkey: Valkey) -> None:
    with Valkey() as of_the_app, relay_with(tmp_path, valkey, url=of_the_app.url) as relay:
        of_the_app.kill()
        progress = {"event": "import_progress", "payload": {"run_id": "r1", "percent_complete": 50}}
        valkey.publish("tickstock:import:progress", json.dumps(progress))
        until(lambda: deliveries(relay, "unreachable") > 0, what="a delivery that failed")
        relay.terminate()
        of_the_app.start()
        subscription = subscribed(of_the_app)
        relay.start()
        publish_error(valkey, 1)
        until(lambda: deliveries(relay, "ok") == 1, what="the delivery after the restart")
        assert [each["event"] for each in until(lambda: received(subscription))] == ["processing_error"]
        subscription.close()


@pytest.mark.thorough
def test_check_connect_says_how_many_listen(tmp_path: Path, valkey: Valkey) -> None:
    relay = relay_with(tmp_path, valkey)
    relay.write_config()
    command = [str(PROGRAM), "check", "--config", str(relay.config_path), "--connect", "--json"]

    def of_the_sink() -> dict[str, Any]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = [each for each in _dictionaries(json.loads(done.stdout)) if each.get("what") == "sink web"]
        return found[0]

    assert "no web process listens on flask-socketio yet" in of_the_sink()["detail"]
    subscription = subscribed(valkey)
    assert of_the_sink()["detail"] == "answers; 1 web process on flask-socketio"
    subscription.close()


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    """All objects in a JSON value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [each for item in inner for each in _dictionaries(item)]
    return [*([value] if isinstance(value, dict) else []), *found]
