"""What the subscription hands out, and the intake takes: messages that were read together."""

from dataclasses import dataclass
from datetime import datetime

from relay.events import Message


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages as Redis handed them over, and when they were read. `stream` names their connection.

    `size` is how many bytes of it they took.
    """

    stream: str
    received: datetime
    messages: list[Message]
    size: int = 0

    @property
    def first_position(self) -> int:
        """Where its first message ends in the stream."""
        _, _, position = self.messages[0]
        return position

    @property
    def last_position(self) -> int:
        """Where its last message ends in the stream: when the batch is taken, the stream is taken up to there."""
        _, _, position = self.messages[-1]
        return position
