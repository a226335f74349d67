"""What an error reply of Redis means for the subscription. Pure.

An error is one of four kinds, and each asks for something else: see `ErrorKind`.
"""

import re
from enum import StrEnum


class ErrorKind(StrEnum):
    """What has to be done about an error."""

    REFUSED = "refused"
    """The server does not let us: only a person can change that. Told in its words, tried again slowly."""
    PASSING = "passing"
    """It cannot now: wait, and keep the connection with what is unread in it."""
    MOVED = "moved"
    """Another server is the right one: connect there."""
    BROKEN = "broken"
    """Not RESP: nothing that follows on this connection can be trusted."""


_PASSING = frozenset(
    {"LOADING", "BUSY", "MASTERDOWN", "OOM", "TRYAGAIN", "CLUSTERDOWN", "MISCONF", "NOREPLICAS", "NOGOODSLAVE"}
)
_MOVED = frozenset({"MOVED", "ASK", "REDIRECT", "READONLY"})
_TOO_MANY_CLIENTS = "max number of clients"
_PLACE = re.compile(r"(?:MOVED \d+|ASK \d+|REDIRECT) (\S*):(\d{1,5})\s*")


class ServerError(ConnectionError):
    """An error reply after which this connection is of no use; the text is the server's.

    `place` is where the server says that the right one is, if it does.
    """

    def __init__(self, text: str, kind: ErrorKind) -> None:
        super().__init__(text)
        self.kind = kind
        self.place = place_in(text) if kind is ErrorKind.MOVED else None


def kind_of(text: str) -> ErrorKind:
    """The kind of an error reply. One that we do not know is a refusal: its words are for a person to read."""
    code = text.partition(" ")[0]
    if code in _PASSING or _TOO_MANY_CLIENTS in text:
        return ErrorKind.PASSING
    return ErrorKind.MOVED if code in _MOVED else ErrorKind.REFUSED


def is_no_permission(text: str) -> bool:
    """Whether only this one command is not for us: not allowed by the ACL, or renamed."""
    return text.startswith("NOPERM") or "unknown command" in text


def place_in(text: str) -> tuple[str, int] | None:
    """Host and port in `MOVED 3999 10.0.0.1:6379` and its like."""
    found = _PLACE.fullmatch(text)
    return (found[1].strip("[]"), int(found[2])) if found and found[1] else None


def remedy(reason: str) -> str:
    """What a person can do about a reason for not being subscribed."""
    found = next((advice for word, advice in _REMEDIES if word in reason), _TRY)
    return found if found is _TRY else f"{found} Then: `tickstock-relay check --connect`."


_TRY = "Is Redis up? Try it: `tickstock-relay check --connect`."
_REMEDIES = (
    ("NOPERM", "Allow the relay's user to subscribe: `ACL SETUSER <user> +psubscribe &tickstock:*`."),
    ("WRONGPASS", "Give the relay the right user and password."),
    ("NOAUTH", "Give the relay the user and password of Redis."),
    ("max number of clients", "Look at `CLIENT LIST`, and at `maxclients` of Redis."),
    ("LOADING", "Redis reads its data; wait until it has."),
    ("Sentinel", "Look at the Sentinels: `SENTINEL MASTER <name>` on each."),
    ("replica", "Look at `INFO replication` there, and at its master."),
)
