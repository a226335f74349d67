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
    place: dict[str, int] = {}
    latest: dict[str, int] = {}  # of each order key, the place of its last row: the next one may join no earlier group
    current: dict[str, str] = {}  # of the batches, and of each event's repeats, the group that is being filled
    for row in rows:
        after = -1 if row.order_key is None else latest.get(row.order_key, -1)
        if row.delivery:
            name = f"again {row.delivery}"
        else:
            kind, most = (f"repeat {row.repeat_key}", MOST_REPEATS) if row.repeat_key else ("batch", max_events)
            name = current.get(kind, "")
            if not name or len(groups[name]) >= most or place[name] < after:
                name = current[kind] = f"{kind} {row.id}"
        place.setdefault(name, len(place))
        groups.setdefault(name, []).append(row)
        if row.order_key is not None:
            latest[row.order_key] = max(after, place[name])
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
