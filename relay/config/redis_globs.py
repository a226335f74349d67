"""Redis' own globs (`PSUBSCRIBE`): what one matches, and whether two can match the same channel.

As Redis and Valkey do it, byte by byte (`stringmatchlen`); routes use Python's, which differ in small things.
"""

Token = frozenset[int] | None
"""One byte out of a set, or None: any number of any bytes."""
ANY_BYTE = frozenset(range(256))


def matches(pattern: str, channel: str) -> bool:
    """Whether a subscription to `pattern` hears `channel`."""
    return _meet(_tokens(pattern), [frozenset((byte,)) for byte in channel.encode()])


def overlap(one: str, other: str) -> bool:
    """Whether some channel is matched by both patterns."""
    return _meet(_tokens(one), _tokens(other))


def _meet(one: list[Token], other: list[Token]) -> bool:
    """Whether the two have a text in common. `reachable[j]`: the first i tokens can meet the other's first j."""
    if frozenset() in (*one, *other):  # `[]` matches nothing, also where a star stands for it
        return False
    reachable = [True]
    for token in other:
        reachable.append(reachable[-1] and token is None)
    for token in one:
        before, reachable = reachable, [reachable[0] and token is None]
        for j, others in enumerate(other):
            if token is None or others is None:
                reachable.append(before[j + 1] or reachable[j] or (token is None and others is None and before[j]))
            else:
                reachable.append(before[j] and not token.isdisjoint(others))
    return reachable[-1]


def _tokens(pattern: str) -> list[Token]:
    data, tokens, at = pattern.encode(), list[Token](), 0
    while at < len(data):
        sign = data[at : at + 1]
        if sign == b"*":
            tokens.append(None)
        elif sign == b"?":
            tokens.append(ANY_BYTE)
        elif sign == b"[":
            found, at = _set(data, at + 1)
            tokens.append(found)
        else:
            at += sign == b"\\" and at + 1 < len(data)
            tokens.append(frozenset((data[at],)))
        at += 1
    return tokens


def _set(data: bytes, at: int) -> tuple[frozenset[int], int]:
    """The bytes of a `[…]` whose inside begins at `at`, and where it ends: with the text, if it is never closed."""
    negated = data[at : at + 1] == b"^"
    at += negated
    found: set[int] = set()
    while at < len(data) and data[at : at + 1] != b"]":
        if data[at : at + 1] == b"\\" and at + 1 < len(data):
            at += 1
            found.add(data[at])
        elif data[at + 1 : at + 2] == b"-" and at + 2 < len(data):
            first, last = sorted((data[at], data[at + 2]))
            found.update(range(first, last + 1))
            at += 2
        else:
            found.add(data[at])
        at += 1
    return frozenset(ANY_BYTE - found if negated else found), at
