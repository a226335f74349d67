"""Which waiting rows go out together. Pure: rows in, deliveries out, nothing is sent or written.

Rows that were tried together go together again, under the same id; then repeats of one event; then what fits a batch.
"""

from collections.abc import Iterable, Sequence

from relay.store.outbox import Row

MOST_REPEATS = 1000
"""Repeats of one event that go out as one delivery."""


def group(rows: Sequence[Row], max_events: int) -> list[list[Row]]:
    """Deliveries for `rows` (the oldest first), at most one for each order key: its next has to wait for the outcome.

    `max_events` is the most that one delivery takes, repeats aside.
    """
    groups: dict[str, list[Row]] = {}
    open_batch = ""
    for row in rows:
        if row.delivery:
            name, most = f"again {row.delivery}", len(rows)
        elif row.repeat_key:
            name, most = f"repeat {row.repeat_key}", MOST_REPEATS
        else:
            if len(groups.get(open_batch, ())) >= max_events or not open_batch:
                open_batch = f"batch {row.id}"
            name, most = open_batch, max_events
        if len(groups.setdefault(name, [])) < most:
            groups[name].append(row)
    return _first_of_each_key(groups.values())


def _first_of_each_key(groups: Iterable[list[Row]]) -> list[list[Row]]:
    taken: set[str] = set()
    chosen = []
    for rows in groups:
        keys = {row.order_key for row in rows if row.order_key}
        if not keys & taken:
            chosen.append(rows)
        taken |= keys
    return chosen
