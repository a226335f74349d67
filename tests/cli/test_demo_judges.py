"""What the demo judges of the web app: each strong pattern, once and signed, not just those that came."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from standardwebhooks.webhooks import Webhook

from tickstock_simulator.demo.stage import WEBHOOK_SECRET, Stage
from tickstock_simulator.demo.story import Story

SECOND = 1738012200


def line(number: int, confidence: float) -> str:
    return (
        f'{{"id":"p{number}","channel":"tickstock:patterns:detected","event":"pattern_detected",'
        f'"payload":{{"confidence":{confidence}}}}}'
    )


def delivery(body: str, secret: str = WEBHOOK_SECRET) -> Any:
    signature = Webhook(secret).sign("d1", datetime.fromtimestamp(SECOND, UTC), body)
    headers = {"webhook-id": "d1", "webhook-timestamp": str(SECOND), "webhook-signature": signature}
    return SimpleNamespace(body=body.encode(), headers=headers)


STRONG = [line(1, 0.9), line(2, 0.97)]


@pytest.mark.parametrize(
    ("delivered", "right"),
    [
        ([delivery(each) for each in STRONG], True),
        ([delivery(STRONG[0])], False),
        ([], False),
        ([delivery(each) for each in (*STRONG, STRONG[1])], False),
        ([delivery(STRONG[0]), delivery(STRONG[1], "whsec_YW5vdGhlciBzZWNyZXQsIG9mIG5vIHVzZQ==")], False),
        ([delivery(each) for each in (*STRONG, line(3, 0.2))], False),
    ],
)
async def test_each_strong_pattern_must_arrive_once_and_signed(
    delivered: list[Any], right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickstock_simulator.demo.story.LAST_EVENTS", 0.1)
    (tmp_path / "events.jsonl").write_text("\n".join([*STRONG, line(3, 0.2), ""]))

    async def stop() -> int:
        return 0

    publisher = SimpleNamespace(sent={"tickstock:patterns:detected": 3})
    simulator = SimpleNamespace(publisher=publisher, stop=stop)
    app = SimpleNamespace(deliveries=delivered)
    stage = SimpleNamespace(simulator=simulator, app=app, archive=tmp_path, stop_relay=stop)
    story = Story(cast("Stage", stage), lambda _: None)
    await story.settle()
    assert story.signed.seen is right
    assert story.whole.seen is True
    assert story.archived() == (3, 0)
