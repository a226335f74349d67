"""The parts of a Slack message and their limits. Loads Slack's block models, so import it when needed.

Blocks stand at the top level, without attachments: Slack folds attachments, and what to do must not be folded.
Limits: docs.slack.dev, "Block Kit" and "Section block". The sum of all texts is not documented; messages of 9,600
characters were seen to pass and of 11,300 to fail (slackapi/bolt-js issue 2867), so it stays below 9,000.
"""

from collections.abc import Sequence
from typing import Any

from slack_sdk.models.blocks import ContextBlock, MarkdownTextObject, SectionBlock

from relay.events import Severity

MAX_TEXT = 150
"""Characters of what a phone's lock screen shows."""
MAX_TITLE = 150
MAX_PART = 600
"""Characters of one text."""
MAX_QUOTE = 1500

RED, YELLOW = ":red_circle:", ":large_yellow_circle:"
GREEN, BLUE = ":large_green_circle:", ":large_blue_circle:"


def circle_of(severity: Severity) -> str:
    """The circle before what is told with this severity."""
    if severity >= Severity.ERROR:
        return RED
    return YELLOW if severity >= Severity.WARNING else BLUE


def section(text: str) -> dict[str, Any]:
    """A paragraph, ready mrkdwn."""
    block: dict[str, Any] = SectionBlock(text=_text(text)).to_dict()
    return block


def fields(texts: Sequence[str]) -> dict[str, Any]:
    """Up to ten short texts in two columns, ready mrkdwn."""
    block: dict[str, Any] = SectionBlock(fields=[_text(text) for text in texts]).to_dict()
    return block


def context(texts: Sequence[str]) -> dict[str, Any]:
    """Small print, ready mrkdwn."""
    block: dict[str, Any] = ContextBlock(elements=[_text(text) for text in texts]).to_dict()
    return block


def _text(text: str) -> MarkdownTextObject:
    return MarkdownTextObject(text=text, verbatim=True)
