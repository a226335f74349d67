"""RESP frames of a pub/sub connection: which messages are in these bytes, and where does each end?

hiredis parses, but does not tell how many bytes a reply took; the length follows from its parts. The property test
encodes random replies and holds `FrameParser` to their true lengths.
"""

from collections.abc import Sequence

import hiredis

from relay.events import Message

FEED = 1 << 14
"""Bytes given to hiredis at a time: it moves what is left in its buffer after every reply, so less is cheaper."""
OUT_OF_MEMORY = "Out of memory"
"""What hiredis calls a protocol error too, though it is ours."""
MOST_HEADS, MOST_HEADS_BYTES = 4096, 1 << 20
"""Channels whose pattern is remembered, and what they may take: invented names must not become a flood of memory."""
_FRAMING = [len(b"$%d\r\n\r\n" % size) + size for size in range(4096)]
"""Bytes that a bulk string of `size` takes on the wire."""


class ProtocolViolationError(ConnectionError):
    """Not RESP, or what no subscription sends: nothing that follows on this connection can be trusted."""


def bulk_length(size: int) -> int:
    """Bytes that a bulk string of `size` bytes takes on the wire."""
    return _FRAMING[size] if size < 4096 else size + len(str(size)) + 5  # the table's end


def reply_length(reply: object) -> int:
    """Bytes that a parsed reply took on the wire: pub/sub confirmations, pongs, pushes."""
    if isinstance(reply, Sequence) and not isinstance(reply, bytes | str):
        return len(b"*%d\r\n" % len(reply)) + sum(map(reply_length, reply))
    if isinstance(reply, bytes):
        return bulk_length(len(reply))
    if reply is None:
        return len(b"$-1\r\n")
    if isinstance(reply, int):
        return len(b":%d\r\n" % reply)
    raise ProtocolViolationError(f"unexpected reply {reply!r:.200}")


class FrameParser:
    """Parses a connection's bytes, wherever they are cut.

    `parse` is given all unread bytes each time, also those that it has seen: it feeds only the new ones to hiredis.
    """

    def __init__(self, position: int) -> None:
        """`position` is where in the connection's bytes the first frame starts."""
        self._reader = hiredis.Reader()
        self._heads: dict[bytes, tuple[bytes, int]] = {}
        self._heads_size = 0
        self._fed = position
        self.boundary = position
        """Position behind the last whole frame."""
        self.duplicates = 0
        """Messages that came once more because patterns overlap; each is passed on once."""
        self.control: list[list[bytes | int | None]] = []
        """Replies that are no messages, for the subscription to read and clear."""
        self.errors: list[str] = []
        """Error replies in the server's words, for the subscription to read and clear."""

    def parse(self, unread: memoryview, start: int) -> list[Message]:
        """The whole messages in `unread`, which begins at position `start`.

        Raises:
            ProtocolViolationError: these bytes are not what a subscription sends.
            MemoryError: there is not enough memory for them; `restart` before the next attempt.
        """
        messages: list[Message] = []
        try:
            for cut in range(self._fed - start, len(unread), FEED):
                self._reader.feed(unread[cut : cut + FEED])  # type: ignore[arg-type]  # any buffer will do
                self._take_whole(messages)
        except hiredis.ProtocolError as error:
            if str(error) == OUT_OF_MEMORY:
                raise MemoryError from None
            raise ProtocolViolationError(f"not RESP: {error}") from None
        except TypeError:  # the parts of a message are of other types
            raise ProtocolViolationError("not what a subscription sends") from None
        self._fed = start + len(unread)
        return messages

    def restart(self, position: int) -> None:
        """Forget what was fed from `position` on, which is the end of a frame: it will be given again."""
        self._reader = hiredis.Reader()
        self._fed = self.boundary = position
        self.control.clear()
        self.errors.clear()
        self.duplicates = 0

    def _take_whole(self, messages: list[Message]) -> None:
        """The hot loop: whatever is a list of four is a message, anything else is rare."""
        heads, boundary, gets = self._heads, self.boundary, self._reader.gets
        while (reply := gets()) is not False:
            try:
                kind, pattern, channel, data = reply  # anything else is rare
            except (TypeError, ValueError):
                kind = None
            if kind != b"pmessage":
                boundary += self._other(reply)
                continue
            head = heads.get(channel) or self._head(pattern, channel)
            size = len(data)
            boundary += _FRAMING[size] if size < 4096 else bulk_length(size)
            if head[0] == pattern:
                boundary += head[1]
                messages.append((channel, data, boundary))
            else:
                boundary += _head_length(pattern, channel)
                self.duplicates += 1
        self.boundary = boundary

    @property
    def seen(self) -> int:
        """Position behind the last byte that was looked at."""
        return self._fed

    def _head(self, pattern: bytes, channel: bytes) -> tuple[bytes, int]:
        """The pattern by which this channel's messages are taken, the first that delivered one; the head's length."""
        head = (pattern, _head_length(pattern, channel))
        if len(self._heads) < MOST_HEADS and self._heads_size < MOST_HEADS_BYTES:
            self._heads[channel] = head
            self._heads_size += 200 + len(channel)
        return head

    def _other(self, reply: object) -> int:
        """Length of a reply that is no message, kept for the subscription."""
        if isinstance(reply, hiredis.ReplyError):
            return self._error(str(reply))
        if reply == b"PONG":
            self.control.append([b"pong"])
            return len(b"+PONG\r\n")
        if isinstance(reply, list):
            self.control.append(reply)
        return reply_length(reply)

    def _error(self, text: str) -> int:
        """Length of an error reply.

        Raises:
            ProtocolViolationError: it cannot be reported, as bytes in it are not UTF-8.
        """
        if "\ufffd" in text:
            raise ProtocolViolationError(f"unreadable error reply {text!r:.200}")
        self.errors.append(text)
        return len(b"-\r\n") + len(text.encode())


def _head_length(pattern: bytes, channel: bytes) -> int:
    return len(b"*4\r\n$8\r\npmessage\r\n") + bulk_length(len(pattern)) + bulk_length(len(channel))
