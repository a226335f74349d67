"""An event as it stands in the outbox: its written form, and behind a line break the message as it came, if wanted."""

from relay.events import Event, decode, encode


def packed(event: Event, *, with_original: bool) -> bytes:
    """The event as bytes; the original doubles them."""
    return encode(event) + b"\n" + event.original if with_original else encode(event)


def unpacked(stored: bytes) -> Event:
    """The event again.

    Raises:
        ValueError: it is none, or damaged; also as `msgspec.MsgspecError`.
    """
    line, _, original = stored.partition(b"\n")
    event = decode(line)
    if original:
        event.original = original
    return event
