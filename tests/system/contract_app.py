"""The example web app with the contract's own subscriber beside it: one page receives what both emit.

Run by tests/system/test_web_app.py with the Python of a small environment of its own. The class is the contract's
("Complete Redis Subscriber"), with the handlers that it calls and does not have; it emits under names with `contract:`.
"""

import contextlib
import json
import threading
from typing import Any

import app as example  # type: ignore[import-not-found]  # examples/web-app, on the path
import redis


class TickStockPLEventSubscriber:
    """Subscribe to TickStockPL events via Redis."""

    def __init__(self, socketio: Any, redis_url: str) -> None:
        self.socketio = socketio
        self.pubsub = redis.Redis.from_url(redis_url, decode_responses=True).pubsub()  # type: ignore[no-untyped-call]
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        for channel in (
            "tickstock:processing:status",
            "tickstock:import:*",
            "tickstock:cache:*",
            "tickstock:indicators:*",
            "tickstock:patterns:*",
            "tickstock:errors",
            "tickstock:monitoring",
        ):
            self.pubsub.psubscribe(channel)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        for message in self.pubsub.listen():
            if message["type"] in ["message", "pmessage"]:
                with contextlib.suppress(json.JSONDecodeError):
                    self._handle_event(message["channel"], json.loads(message["data"]))

    def _handle_event(self, channel: str, event: dict[str, Any]) -> None:
        event_type = event.get("event")
        payload = event.get("payload", {})
        if "processing:status" in channel:
            self._handle_processing_status(event_type, payload)
        elif "import:" in channel:
            self._handle_import_event(event_type, payload)

    def _handle_processing_status(self, event_type: str | None, payload: dict[str, Any]) -> None:
        self._emit(
            "processing_status",
            {
                "type": event_type,
                "run_id": payload.get("run_id"),
                "status": payload.get("status"),
                "phases": payload.get("phases"),
            },
        )

    def _handle_import_event(self, event_type: str | None, payload: dict[str, Any]) -> None:
        if event_type == "import_progress":
            self._emit(
                "import_progress",
                {
                    "percent": payload.get("percent_complete"),
                    "current": payload.get("current_symbol"),
                    "eta": payload.get("eta_seconds"),
                },
            )
        elif event_type == "import_completed":
            self._emit(
                "import_complete",
                {"symbols": payload.get("successful_symbols"), "duration": payload.get("duration_seconds")},
            )

    def _emit(self, name: str, data: dict[str, Any]) -> None:
        self.socketio.emit(f"contract:{name}", data, namespace="/admin")


if __name__ == "__main__":
    TickStockPLEventSubscriber(example.socketio, example.REDIS_URL).start()
    example.socketio.run(example.app, host="127.0.0.1", port=example.PORT, allow_unsafe_werkzeug=True)
