"""From the rounds' results to medians, ratios, the table and the JSON file.

A ratio is taken within a round, between neighbours in time, and then its median over the rounds: what the machine was
doing meanwhile falls out.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from typing import TYPE_CHECKING

from benchmarks.contenders import CONTRACT, FLOOR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.contenders import Contender
    from benchmarks.contest import Result

Rounds = dict[str, list["Result"]]  # contender's name -> its result of each round


def median(values: Sequence[float]) -> float:
    """The median of what could be measured; NaN when nothing could."""
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan


def ratio(rounds: Rounds, name: str, base: str, value: Callable[[Result], float]) -> float:
    """Median over the rounds of this contender's value against the base's of the same round."""
    pairs = zip(rounds.get(name, []), rounds.get(base, []), strict=False)
    return median([value(one) / value(other) for one, other in pairs])


def summary(rounds: Rounds, name: str) -> dict[str, object]:
    """The medians of one contender, and its ratios, as plain JSON values; null where nothing was measured."""
    results = rounds[name]
    facts: dict[str, object] = {
        "drained_per_second": _round(median([one.drained_per_second for one in results]), 0),
        "flood_cpu_us": _round(median([one.flood_us for one in results])),
        "steady_cpu_us": _round(median([one.steady_us for one in results])),
        "peak_rss_mb": _round(median([one.peak_rss_mb for one in results]), 1),
        "published": sum(one.published for one in results),
        "lost": sum(one.lost for one in results) if all(one.published for one in results) else None,
        "repeated": sum(one.repeated for one in results),
        "webhooks_missing": sum(one.webhooks_missing for one in results),
    }
    for rate in sorted({rate for one in results for rate in one.latency_ms}, key=int):
        for point in ("p50", "p99"):
            values = [one.latency_ms[rate][point] for one in results if rate in one.latency_ms]
            facts[f"latency_{point}_ms_at_{rate}"] = _round(median(values))
    for base in (FLOOR.name, CONTRACT.name):
        facts[f"flood_to_{base}"] = _round(ratio(rounds, name, base, lambda one: one.flood_us))
        facts[f"steady_to_{base}"] = _round(ratio(rounds, name, base, lambda one: one.steady_us))
    return facts


def _round(value: float, digits: int = 2) -> float | None:
    return None if math.isnan(value) else round(value, digits)


def document(
    rounds: Rounds, chosen: Sequence[Contender], deliveries: list[dict[str, object]], conditions: dict[str, object]
) -> dict[str, object]:
    """Everything as one JSON document."""
    return {
        "conditions": conditions | machine(),
        "contenders": [
            {"name": one.name, "title": one.title}
            | summary(rounds, one.name)
            | {"rounds": [json.loads(_plain(result)) for result in rounds[one.name]]}
            for one in chosen
        ],
        "deliveries": deliveries,
    }


def _plain(result: Result) -> str:
    return json.dumps(result.facts()).replace("NaN", "null")


def machine() -> dict[str, object]:
    """What a reader needs to know about where this was measured."""
    return {
        "python": platform.python_version(),
        "kernel": platform.release().split("-")[0],
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
    }


COLUMNS = (
    ("events/s", "drained_per_second"),
    ("flood µs", "flood_cpu_us"),
    ("x floor", "flood_to_floor"),
    ("x contract", "flood_to_contract"),
    ("steady µs", "steady_cpu_us"),
    ("x floor", "steady_to_floor"),
    ("x contract", "steady_to_contract"),
    ("RSS MB", "peak_rss_mb"),
    ("lost", "lost"),
    ("twice", "repeated"),
    ("1k/s p50", "latency_p50_ms_at_1000"),
    ("p99 ms", "latency_p99_ms_at_1000"),
    ("10k/s p50", "latency_p50_ms_at_10000"),
    ("p99 ms", "latency_p99_ms_at_10000"),
)


def table(rounds: Rounds, chosen: Sequence[Contender]) -> str:
    """A Markdown table that is readable in a terminal as well; a dash stands for what was not measured."""
    rows = [["", *(title for title, _ in COLUMNS)]]
    for one in chosen:
        facts = summary(rounds, one.name)
        rows.append([one.title, *(_cell(facts.get(key)) for _, key in COLUMNS)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(
        f"| {row[0]:<{widths[0]}} | "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        + " |"
        for row in rows
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return f"{value:,}"
