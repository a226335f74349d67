"""Which waiting rows go out together, and which deliveries one behind the other. Pure: nothing is sent or written.

Rows that were tried together go together again, under the same id; then repeats of one event; then what fits a batch.
"""

from collections.abc import Iterable, Sequence

from relay.store.outbox import Row

MOST_REPEATS = 1000
"""Repeats of one event that go out as one delivery."""


def group(rows: Sequence[Row], max_events: int) -> list[list[Row]]:
    """Deliveries for `rows` (the oldest first). `max_events` is the most that one delivery takes, repeats aside."""
    groups: dict[str, list[Row]] = {}
    latest: dict[str, int] = {}  # of each order key, the last group that has it: its next row may join no earlier one
    open_batch, opened = "", 0
    for row in rows:
        if row.delivery:
            name, most = f"again {row.delivery}", len(rows)
        elif row.repeat_key:
            name, most = f"repeat {row.repeat_key}", MOST_REPEATS
        else:
            is_late = row.order_key is not None and latest.get(row.order_key, 0) > opened
            if not open_batch or len(groups[open_batch]) >= max_events or is_late:
                open_batch, opened = f"batch {row.id}", len(groups)
            name, most = open_batch, max_events
        if row.order_key is not None and name not in groups:
            latest[row.order_key] = len(groups)
        if len(groups.setdefault(name, [])) < most:
            groups[name].append(row)
    return list(groups.values())


def chains(deliveries: Iterable[list[Row]], busy: Iterable[str] = ()) -> list[list[list[Row]]]:
    """Deliveries that must go one behind the other, as they share an order key; each chain may go beside the others.

    One with a `busy` key, or one that would tie two chains together, is left out, and with it what comes behind it: it
    has its turn after them.
    """
    found: list[list[list[Row]]] = []
    place: dict[str, int] = {}
    left_out = set(busy)
    for rows in deliveries:
        keys = order_keys(rows)
        places = {place[key] for key in keys if key in place}
        if len(places) > 1 or keys & left_out:
            left_out |= keys
            continue
        if not places:
            places = {len(found)}
            found.append([])
        (number,) = places
        found[number].append(rows)
        place |= dict.fromkeys(keys, number)
    return found


def order_keys(rows: Iterable[Row]) -> set[str]:
    """The order keys of some rows."""
    return {row.order_key for row in rows if row.order_key is not None}
