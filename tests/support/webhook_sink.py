"""The webhook sink with the options that a test gives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sinks.base import SinkContext
from sinks.testing import make_context
from sinks.webhook import WebhookOptions, WebhookSink

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND_TRY = {"timeout": "30s", "retry_delay": "1ms"}


@asynccontextmanager
async def started(context: SinkContext | None = None, **options: Any) -> AsyncIterator[WebhookSink]:
    """The sink at work, which tries again after a millisecond unless told otherwise."""
    given = WebhookOptions.model_validate({**SECOND_TRY, **options})
    sink = WebhookSink(given, context or make_context("app"))
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


def sink_of(**options: Any) -> WebhookSink:
    """The sink, not started."""
    return WebhookSink(WebhookOptions.model_validate({"url": "https://x.example", **options}), make_context("app"))
