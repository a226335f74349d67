"""The body of an answer, bounded: on the wire, and in memory when it is compressed."""

import zlib
from collections.abc import AsyncIterable

_GZIP = 16 + zlib.MAX_WBITS


async def read_bounded(chunks: AsyncIterable[bytes], into: bytearray, most: int) -> bool:
    """Read what comes into `into`, at most `most` bytes, and leave the rest; whether that was all.

    `into` holds what came even when the connection breaks off within it.
    """
    async for chunk in chunks:
        into += chunk
        if len(into) > most:
            del into[most:]
            return False
    return True


def gunzip(data: bytes | bytearray, most: int) -> bytes:
    """`data` unpacked, at most `most` bytes.

    Raises:
        ValueError: it is larger, or it is cut off.
        zlib.error: it is broken.
    """
    unpacking = zlib.decompressobj(wbits=_GZIP)
    plain = unpacking.decompress(data, most + 1)
    if len(plain) > most:
        raise ValueError(f"it is larger than {most:,} bytes when unpacked")
    if not unpacking.eof:
        raise ValueError("it is cut off")
    return plain
