"""The control socket: how a command asks the running relay, which alone has its environment and its credentials.

One line of JSON in, one out, then the connection ends: `{"verb": "reload", "config": "/etc/…"}`; `config` may be left
out. Whoever may open the socket may ask: the relay's user and group, by its mode.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

Verb = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Is given the request, and in it as `uid` who asks, by the kernel."""

MODE = 0o660
MAX_REQUEST = 16 << 10
MAX_CONNECTIONS = 16
REQUEST_TIMEOUT = 5.0
"""Seconds in which a request must be there, and its answer be taken."""

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107."""

log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """The request is not one that can be served."""


class ControlSocket:
    """Serves `verbs` at a path."""

    def __init__(self, path: Path, config: Path, verbs: Mapping[str, Verb]) -> None:
        """`config` is the running configuration's file; a request that names another is refused."""
        self._path = path
        self._config = os.path.realpath(config)
        self._verbs = verbs
        self._server: asyncio.Server | None = None
        self._connections = 0

    async def start(self) -> None:
        """Open it. Where that cannot be, a warning: the relay's work does not depend on it."""
        try:
            if too_long(self._path):
                raise OSError(f"its path is longer than {LONGEST_SOCKET_PATH} bytes")  # noqa: TRY301
            listening = _listening(self._path)
            self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=MAX_REQUEST)
        except OSError as error:
            log.warning("control socket not available", path=str(self._path), reason=str(error))

    def stop(self) -> None:
        """Close it; requests that are being served are not waited for."""
        if self._server is not None:
            self._server.close()
            with suppress(OSError):  # on a disk that has become read-only it stays
                self._path.unlink(missing_ok=True)
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            answer = await self._answer(reader, _peer(writer))
            writer.write(json.dumps(answer).encode() + b"\n")
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await writer.drain()
        except OSError:  # whoever asked has gone; TimeoutError is one
            pass
        finally:
            self._connections -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, uid: int) -> dict[str, Any]:
        try:
            request = await self._request(reader)
            verb = self._verb(request)
        except RefusedError as error:
            return {"ok": False, "config": self._config, "exit_code": 2, "error": str(error)}
        return {"config": self._config} | await verb({**request, "uid": uid})

    async def _request(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        if self._connections > MAX_CONNECTIONS:
            raise RefusedError("too many requests at once")
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                line = await reader.readline()
            request = json.loads(line)
        except (TimeoutError, ValueError, RecursionError):  # a line that is too long is a ValueError
            raise RefusedError("a request must be one line of JSON") from None
        if not isinstance(request, dict):
            raise RefusedError("a request must be a JSON object")
        return request

    def _verb(self, request: Mapping[str, Any]) -> Verb:
        name, config = request.get("verb"), request.get("config")
        if not isinstance(name, str) or name not in self._verbs:
            raise RefusedError(f"unknown verb; valid ones are: {', '.join(self._verbs)}")
        if config is not None and config != self._config:
            raise RefusedError(f"this relay runs with another configuration, {self._config}")
        return self._verbs[name]


def _peer(writer: asyncio.StreamWriter) -> int:
    """The uid of who asks (unix(7), SO_PEERCRED)."""
    kind = struct.Struct("3i")
    found = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, kind.size)
    return int(kind.unpack(found)[1])


def _listening(path: Path) -> socket.socket:
    """A socket at that path, in the place of one that a process before us left; its mode is right before it listens.

    Raises:
        OSError: it cannot be there.
    """
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listening.bind(str(path))
        path.chmod(MODE)
        listening.listen(MAX_CONNECTIONS)
    except OSError:
        listening.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise
    return listening


def control_path(state_dir: Path) -> Path:
    """Where a relay with that state directory, in this environment, has its control socket."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]  # systemd gives all that the unit names
    return Path(given or state_dir).absolute() / "control.sock"


def too_long(path: Path) -> bool:
    """Whether a control socket is refused there."""
    return len(os.fsencode(path)) > LONGEST_SOCKET_PATH
