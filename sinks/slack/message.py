"""One message for Slack, as the sink hands it to the client."""

from dataclasses import dataclass, field
from typing import Any

_NO_PREVIEWS = {"unfurl_links": False, "unfurl_media": False}


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `text` is what notifications show and screen readers read, `blocks` what is seen in Slack."""

    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    link: str = ""
    """Ready mrkdwn: where more can be read, should Slack refuse the blocks."""

    def body(self) -> dict[str, Any]:
        """Arguments of `chat.postMessage`, and the body of an incoming webhook."""
        return {"text": self.text, "blocks": self.blocks, **_NO_PREVIEWS}

    def plain_body(self) -> dict[str, Any]:
        """The same without blocks: an edit removes those that are there."""
        text = f"{self.text}\n{self.link}" if self.link else self.text
        return {"text": text, "blocks": [], "parse": "none", **_NO_PREVIEWS}
