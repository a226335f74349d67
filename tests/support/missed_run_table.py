"""What must follow from each of the 90 combinations of evidence about the day's start: written by hand, not computed.

`tests/watchdog/test_start_decision.py` holds the code to it, and docs/missed-run.md is printed from it.
"""

S, I = "started", "started, inferred"  # noqa: E741 - short, so that the table can be seen as one
NG, NP = "has not started, at G", "has not started, at P"
QG, QP = "no sign of it, at G", "no sign of it, at P"

# (events, status, history): (connection whole, with a gap)
TABLE: dict[tuple[str, str, str], tuple[str, str]] = {
    ("own", "ours", "has it"): (S, S),
    ("own", "ours", "has not"): (S, S),
    ("own", "ours", "broken"): (S, S),
    ("own", "another", "has it"): (S, S),
    ("own", "another", "has not"): (S, S),
    ("own", "another", "broken"): (S, S),
    ("own", "idle", "has it"): (S, S),
    ("own", "idle", "has not"): (S, S),
    ("own", "idle", "broken"): (S, S),
    ("own", "unclear", "has it"): (S, S),
    ("own", "unclear", "has not"): (S, S),
    ("own", "unclear", "broken"): (S, S),
    ("own", "silent", "has it"): (S, S),
    ("own", "silent", "has not"): (S, S),
    ("own", "silent", "broken"): (S, S),
    ("trace", "ours", "has it"): (S, S),
    ("trace", "ours", "has not"): (S, S),
    ("trace", "ours", "broken"): (S, S),
    ("trace", "another", "has it"): (S, S),
    ("trace", "another", "has not"): (NG, NG),
    ("trace", "another", "broken"): (NG, NP),
    ("trace", "idle", "has it"): (S, S),
    ("trace", "idle", "has not"): (NG, NG),
    ("trace", "idle", "broken"): (NG, NP),
    ("trace", "unclear", "has it"): (S, S),
    ("trace", "unclear", "has not"): (I, I),
    ("trace", "unclear", "broken"): (I, I),
    ("trace", "silent", "has it"): (S, S),
    ("trace", "silent", "has not"): (I, I),
    ("trace", "silent", "broken"): (I, I),
    ("none", "ours", "has it"): (S, S),
    ("none", "ours", "has not"): (S, S),
    ("none", "ours", "broken"): (S, S),
    ("none", "another", "has it"): (S, S),
    ("none", "another", "has not"): (NG, NG),
    ("none", "another", "broken"): (NG, NP),
    ("none", "idle", "has it"): (S, S),
    ("none", "idle", "has not"): (NG, NG),
    ("none", "idle", "broken"): (NG, NP),
    ("none", "unclear", "has it"): (S, S),
    ("none", "unclear", "has not"): (NG, NP),
    ("none", "unclear", "broken"): (QP, QP),
    ("none", "silent", "has it"): (S, S),
    ("none", "silent", "has not"): (NG, NG),
    ("none", "silent", "broken"): (QG, QP),
}


def combinations() -> list[tuple[str, str, str, str, str]]:
    """Events, status, history, connection, and what must follow."""
    return [
        (*evidence, connection, follows)
        for evidence, columns in TABLE.items()
        for connection, follows in zip(("whole", "gap"), columns, strict=True)
    ]


def markdown() -> list[str]:
    """The table as docs/missed-run.md shows it."""
    lines = ["| events | status | history | connection whole | with a gap |", "| --- | --- | --- | --- | --- |"]
    return lines + [f"| {' | '.join((*evidence, *columns))} |" for evidence, columns in TABLE.items()]
