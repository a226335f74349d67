"""A Redis that answers as a test says: for errors that a real one gives only in a bad hour."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Command = tuple[str, ...]
CONFIRMED = b"*3\r\n$10\r\npsubscribe\r\n$11\r\ntickstock:*\r\n:1\r\n"
MASTER = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
_USUAL = {"PSUBSCRIBE": CONFIRMED, "ROLE": MASTER, "INFO": b"$0\r\n\r\n", "PING": b"+PONG\r\n"}


def published(data: bytes, channel: bytes = b"tickstock:a:b") -> bytes:
    """The message as a subscriber gets it."""
    parts = (b"pmessage", b"tickstock:*", channel, data)
    return b"*4\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


@dataclass
class ScriptedRedis:
    """Answers each command with the next of its answers; when they are used up, as a Redis that is well."""

    answers: dict[str, list[bytes]] = field(default_factory=dict)
    port: int = 0
    commands: list[Command] = field(default_factory=list)
    connections: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def count(self, name: str) -> int:
        """How often that command has come."""
        return sum(command[0] == name for command in self.commands)

    def send(self, data: bytes) -> None:
        """To whoever is connected."""
        for writer in self._writers:
            writer.write(data)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self._writers.append(writer)
        try:
            while command := await _command(reader):
                self.commands.append(command)
                script = self.answers.get(command[0], [])
                writer.write(script.pop(0) if script else _USUAL.get(command[0], b"+OK\r\n"))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it has hung up, or the test is over
        finally:
            self._writers.remove(writer)
            writer.close()


async def _command(reader: asyncio.StreamReader) -> Command:
    head = await reader.readline()
    parts = []
    for _ in range(int(head[1:] or 0)):
        size = int((await reader.readline())[1:])
        parts.append((await reader.readexactly(size + 2))[:-2].decode())
    return tuple(parts)


@asynccontextmanager
async def scripted_redis(**answers: Sequence[bytes]) -> AsyncIterator[ScriptedRedis]:
    """One that listens, with these answers to these commands."""
    scripted = ScriptedRedis({name: list(given) for name, given in answers.items()})
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
