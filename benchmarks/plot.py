"""The picture of `docs/performance.json`: horizontal bars on a logarithmic scale, as SVG written by hand.

It follows the reader's light or dark setting; every bar has its number beside it, so colour carries nothing alone.
"""

from __future__ import annotations

import math
from html import escape

WIDTH, LABEL, ROW, BAR, TOP = 900, 300, 40, 13, 64
WHAT = "CPU cost and latency of the relay beside other subscribers"
Panel = tuple[str, tuple[tuple[str, str], ...]]
"""A title, and what its bars show: a row's key and what that is called."""
PANELS: tuple[Panel, ...] = (
    ("CPU µs for one event", (("flood_cpu_us", "draining a flood"), ("steady_cpu_us", "steady 5,000/s"))),
    (
        "Milliseconds from publishing to the archive at 10,000/s",
        (("latency_p50_ms_at_10000", "median"), ("latency_p99_ms_at_10000", "99th percentile")),
    ),
)
DELIVERIES: Panel = ("One delivery to a webhook on loopback", (("cpu_us", "CPU µs"),))
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; } .title { font-weight: 600; font-size: 16px; }
.value, .tick { font-size: 11px; fill: #59636e; } .grid { stroke: #d1d9e0; }
.ours0 { fill: #0a6b58; } .ours1 { fill: #6fbfae; } .bar0 { fill: #57606a; } .bar1 { fill: #b3bac2; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .value, .tick { fill: #9198a1; } .grid { stroke: #3d444d; }
  .ours0 { fill: #3fbfa3; } .ours1 { fill: #1f6f5f; } .bar0 { fill: #9198a1; } .bar1 { fill: #4d555e; }
}
"""
Row = dict[str, object]


def _number(row: Row, key: str) -> float | None:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else None


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Scale:
    """From a value to a place between LABEL and the right edge, by powers of ten."""

    def __init__(self, values: list[float]) -> None:
        """Covers all the values."""
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))

    def x(self, value: float) -> float:
        """The place of a value."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return LABEL + share * (WIDTH - LABEL - 70)

    def grid(self, top: float, bottom: float) -> list[str]:
        """A line and a label for each power of ten."""
        lines = []
        for power in range(self.low, self.high + 1):
            x = self.x(10**power)
            lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
            lines.append(
                f'<text class="tick" x="{x:.1f}" y="{top - 6}" text-anchor="middle">{_shown(10.0**power)}</text>'
            )
        return lines


def _panel(rows: list[Row], title: str, series: tuple[tuple[str, str], ...], top: float) -> list[str]:
    known = [row for row in rows if all(_number(row, key) for key, _ in series)]
    names = " / ".join(name for _, name in series)
    parts = [f'<text class="title" x="16" y="{top + 22}">{escape(title)}: {escape(names)}</text>']
    if not known:
        return parts
    scale = Scale([value for row in known for key, _ in series if (value := _number(row, key))])
    parts += scale.grid(top + TOP - 10, top + TOP + ROW * len(known))
    for place, row in enumerate(known):
        y = top + TOP + ROW * place
        kind = "ours" if str(row["name"]).startswith("relay") else "bar"
        parts.append(f'<text x="{LABEL - 10}" y="{y + 19}" text-anchor="end">{escape(str(row["title"]))}</text>')
        for number, (key, _) in enumerate(series):
            value = _number(row, key) or 0.0
            end, bar = scale.x(value), y + number * (BAR + 1)
            parts.append(
                f'<rect class="{kind}{number}" x="{LABEL}" y="{bar}" width="{end - LABEL:.1f}" height="{BAR}" rx="2"/>'
            )
            parts.append(f'<text class="value" x="{end + 5:.1f}" y="{bar + 10}">{_shown(value)}</text>')
    return parts


def svg(rows: list[Row], deliveries: list[Row]) -> str:
    """The whole picture; `rows` are the `contenders` of the JSON document, `deliveries` what it calls so."""
    parts: list[str] = []
    top = 0.0
    for (title, series), shown in (*((panel, rows) for panel in PANELS), (DELIVERIES, deliveries)):
        parts += _panel(shown, title, series, top)
        top += TOP + ROW * len(shown) + 24
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" role="img" aria-label="{WHAT}">',
            f"<style>{STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )
