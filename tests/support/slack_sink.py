"""The Slack sink with the options that a test gives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sinks.slack import SlackOptions, SlackSink
from sinks.testing import MemoryState, make_context

TOKEN = "xoxb-stand-in"  # noqa: S105 - opens nothing
POSTED = b'{"ok":true,"channel":"C012AB3CD","ts":"1738012800.000100"}'


@asynccontextmanager
async def started(state: MemoryState | None = None, **options: Any) -> AsyncIterator[SlackSink]:
    """The sink at work, with these options."""
    sink = SlackSink(SlackOptions.model_validate({"timeout": "30s", **options}), make_context("ops", state=state))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


def bot(url: str, **more: Any) -> dict[str, Any]:
    """Options of a bot of the Slack at this URL."""
    return {"token": TOKEN, "channel": "#ops", "base_url": url, **more}
