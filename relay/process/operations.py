"""What operators do by command: who, what, and what came of it, from the command to the relay that records it.

A command hands it to the running relay at the control socket; where none runs, it waits on a shelf of the store for the
next one. Each becomes one relay event `relay:operator:<command>`.
"""

from __future__ import annotations

import os
import pwd
import re
from typing import Any

import msgspec

from relay.events import Announcement
from relay.process.plain_text import plain
from relay.redaction.built_in import shortened

SHELF = "operations"
MOST = 300
"""Characters of an answer and of each argument."""
MOST_ARGUMENTS = 20
_COMMAND = re.compile(r"[a-z]+(?: [a-z]+)?", re.ASCII)


class Operation(msgspec.Struct, kw_only=True):
    """One command that changed something, or tried to."""

    command: str
    """As typed: `trigger`, `silence add`."""
    who: str
    """The name of the user, also behind sudo."""
    uid: int = -1
    """As whom the command ran."""
    arguments: list[str] = []
    answer: str = ""
    """What came of it, in a line."""
    ok: bool = True

    def announcement(self) -> Announcement:
        """The event that records it."""
        command, who, answer = _line(self.command), _line(self.who), _line(self.answer)
        arguments = [_line(argument) for argument in self.arguments[:MOST_ARGUMENTS]]
        name = command.replace(" ", "_")
        return Announcement(
            channel=f"relay:operator:{name}",
            event=f"operator_{name}",
            payload={
                "title": f"{who}: {' '.join([command, *arguments])}",
                "message": answer,
                "command": command,
                "who": who,
                "uid": self.uid,
                "arguments": arguments,
                "answer": answer,
                "ok": self.ok,
            },
        )


def who_am_i() -> str:
    """The user behind sudo, else the user's name, else the uid."""
    if given := os.environ.get("SUDO_USER"):
        return given
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def operation_of(facts: Any, uid: int | None = None) -> Operation:
    """What a command has said of itself; `uid` is what the kernel says of it.

    Raises:
        ValueError: it is no operation.
    """
    try:
        operation = msgspec.convert(facts, Operation)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if not _COMMAND.fullmatch(operation.command) or not operation.who.strip():
        raise ValueError("an operation has a command and a user")
    return operation if uid is None else msgspec.structs.replace(operation, uid=uid)


def _line(text: str) -> str:
    return shortened(plain(text), MOST) or ""
