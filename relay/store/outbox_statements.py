"""The SQL of the outbox, in one place: none of it costs more with a larger backlog (`docs/decisions/outbox.md`)."""

from relay.store import schema

AHEAD = 500
"""Of the oldest rows, how many are looked at for some whose time has come; then those that are due for longest."""

_ROW = schema.columns((*schema.OUTBOX[:-1], "size"))
_HEADS = "FROM outbox WHERE lane = :lane AND state = 'waiting' AND behind = 0"
_OF_LANE = f"SELECT {_ROW} FROM outbox WHERE lane = ? AND state = 'waiting'"  # noqa: S608 - constants

INSERT = schema.insert()
LAST_ID = "SELECT coalesce(max(id), 0) FROM outbox"
OLDEST_DUE = (
    f"SELECT {', '.join(f'this.{name}' for name in _ROW.split(', '))}"  # noqa: S608 - constants
    f" FROM (SELECT id, not_before {_HEADS} ORDER BY id LIMIT {AHEAD}) AS head CROSS JOIN outbox AS this"
    " WHERE head.not_before <= :now AND this.id = head.id LIMIT :most"
)
DUE_LONGEST = f"SELECT {_ROW} {_HEADS} AND not_before <= :now ORDER BY not_before LIMIT :most"
NEXT_DUE = f"SELECT min(not_before) {_HEADS} AND not_before > :now"
REVIVED = f"SELECT EXISTS (SELECT 1 {_HEADS} AND not_before BETWEEN :since AND :now AND attempts = 0 AND error <> '')"
HURRY = (
    "UPDATE outbox SET not_before = :now WHERE lane = :lane AND state = 'waiting' AND behind = 0 AND attempts > 0"
    " AND not_before > :now"
)
FOLLOWERS = f"{_OF_LANE} AND order_key = ? AND id > ? ORDER BY id LIMIT ?"
OF_KEY = f"{_OF_LANE} AND order_key = ? ORDER BY id"
OF_DELIVERY = f"{_OF_LANE} AND delivery = ? ORDER BY id"
EXPIRED = f"{_OF_LANE} AND accepted < ? ORDER BY accepted LIMIT ?"
OLDEST = f"{_OF_LANE} ORDER BY accepted LIMIT ?"
OLDEST_DEAD = f"SELECT {_ROW} FROM outbox WHERE state = 'dead' ORDER BY id LIMIT ?"  # noqa: S608 - constants
OLDEST_ACCEPTED = "SELECT min(accepted) FROM outbox WHERE lane = ? AND state = 'waiting'"
EVENT = "SELECT event FROM outbox WHERE id = ? AND state = 'waiting'"

LANES = "SELECT DISTINCT lane FROM outbox_count"
LANES_WITH_WAITING = "SELECT lane FROM outbox_count WHERE state = 'waiting' AND events > 0"
COUNT = "SELECT events, bytes FROM outbox_count WHERE lane = ? AND state = ?"
ALL_WAITING = "SELECT coalesce(sum(events), 0), coalesce(sum(bytes), 0) FROM outbox_count WHERE state = 'waiting'"
ALL_DEAD = "SELECT coalesce(sum(events), 0) FROM outbox_count WHERE state = 'dead'"

DELETE = "DELETE FROM outbox WHERE id = ?"
POSTPONE = "UPDATE outbox SET delivery = ?, not_before = ?, attempts = ?, error = ? WHERE id = ?"
DEAD_LETTER = "UPDATE outbox SET state = 'dead', attempts = ?, error = ? WHERE id = ?"

END_OF_SLICE = "SELECT max(id) FROM (SELECT id FROM outbox WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)"
SHIFT = "UPDATE outbox SET accepted = accepted + ?, not_before = not_before + ? WHERE id > ? AND id <= ? AND +lane = ?"


def events_of(count: int) -> str:
    """The events of so many rows that wait."""
    return f"SELECT id, event FROM outbox WHERE state = 'waiting' AND id IN ({', '.join('?' * count)})"  # noqa: S608 - placeholders
