"""`python -m benchmarks.webhooks`: what one delivery to a webhook costs, before and after, beside a bare httpx.

The receiver is on loopback, in a process of its own. Each row is measured in a fresh process, all in turn, some rounds;
what counts is the ratio to the bare `httpx.AsyncClient.post` of the same round. "Before" is the relay of an earlier
commit, taken out of git; where that is not there (a copy without history) its rows are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import plot, system
from benchmarks.neighbour import Beside

HERE = Path(__file__).parent / "contenders"
BEFORE = "b175fce"
"""The last commit whose deliveries went by way of `httpx.AsyncClient`."""
COUNT, SHORT = 2_000, 200
"""Deliveries of a row; of those in batches ten times as many events."""
Results = dict[str, list[dict[str, float]]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row: which tree delivers (None: httpx alone), how many order keys there are, how many events a request."""

    name: str
    title: str
    tree: str | None = None
    keys: int = 0
    batch: int = 1
    tls: bool = False


_SHAPES = (("", "", 0, 1), ("-100-keys", ", 100 order keys", 100, 1), ("-batch", ", batches of 100, an event", 0, 100))
ROWS = tuple(
    Delivery(
        f"{name}{suffix}{'-tls' if tls else ''}", f"{title}{words}{', TLS' if tls else ''}", tree, keys, batch, tls
    )
    for tls in (False, True)
    for name, title, tree in (
        ("httpx", "bare httpx.AsyncClient.post", None),
        ("before", f"tickstock-relay before ({BEFORE})", BEFORE),
        ("relay", "tickstock-relay", "now"),
    )
    for suffix, words, keys, batch in (_SHAPES if tree and not tls else _SHAPES[:1])
)


def measure(count: int, rounds: int, *, before: bool = True) -> Results:
    """All rows in turn, `rounds` times; `count` deliveries each, of batches ten times as many events."""
    trees: dict[str | None, Path | None] = {"now": system.ROOT, BEFORE: _earlier(BEFORE) if before else None}
    rows = [row for row in ROWS if row.tree is None or trees[row.tree]]
    results: Results = {row.name: [] for row in rows}
    certificate = _certificate()
    with Beside(certificate) as beside:
        for number in range(rounds):
            for row in rows:
                results[row.name].append(_one(row, trees.get(row.tree), beside, certificate, count, number))
    return results


def _one(
    row: Delivery, tree: Path | None, beside: Beside, certificate: Path, count: int, number: int
) -> dict[str, float]:
    count *= 10 if row.batch > 1 else 1
    place = f"https://localhost:{beside.tls_port}" if row.tls else f"http://127.0.0.1:{beside.port}"
    name = f"{row.name}-{os.getpid()}-{number}"
    words = [f"{place}/hook/{name}", str(count)]
    if row.tree is not None:
        words += [str(row.keys), str(row.batch)]
    script = HERE / ("deliver_httpx.py" if tree is None else "deliver_relay.py")
    command = [sys.executable, str(script), *words, str(certificate) if row.tls else ""]
    environment = os.environ | ({"PYTHONPATH": str(tree)} if tree else {})
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=system.CACHE)
    if done.returncode:
        raise RuntimeError(f"{row.name}: {done.stderr[-2000:]}")
    if (received := beside.received(name)) < count:
        raise RuntimeError(f"{row.name}: only {received} of {count} arrived")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def summary(results: Results) -> list[dict[str, object]]:
    """A row each: medians, and the median of the ratio to httpx within a round."""
    rows: list[dict[str, object]] = []
    for row in ROWS:
        if not (found := results.get(row.name)):
            continue
        base = results["httpx-tls" if row.tls else "httpx"]
        ratios = [one["cpu_us"] / other["cpu_us"] for one, other in zip(found, base, strict=True)]
        medians = {key: statistics.median(one[key] for one in found) for key in found[0]}
        rows.append(
            {"name": row.name, "title": row.title}
            | {key: round(value, 1) for key, value in medians.items()}
            | {"cpu_to_httpx": round(statistics.median(ratios), 3), "rounds": found}
        )
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """In Markdown."""
    lines = ["| delivery | CPU µs | x bare httpx | a second | peak RSS, MB |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {row['title']} | {row['cpu_us']} | {row['cpu_to_httpx']} | {row['per_second']:,.0f} |"
        f" {row['peak_rss_mb']} |"
        for row in rows
    ]
    return "\n".join(lines)


def _earlier(commit: str) -> Path | None:
    """The tree of that commit, taken out of git once; None where git does not have it."""
    home = system.CACHE / f"relay-{commit}"
    if not home.exists():
        words = ["git", "-C", str(system.ROOT), "archive", commit, "relay", "sinks"]
        made = subprocess.run(words, capture_output=True, check=False)
        if made.returncode:
            print(f"no commit {commit} here: nothing is measured before", file=sys.stderr)
            return None
        home.mkdir()
        subprocess.run(["tar", "-x", "-C", str(home)], input=made.stdout, check=True)  # noqa: S607 - found by PATH
    return home


def _certificate() -> Path:
    """A certificate for localhost and its key, in one file."""
    file = system.CACHE / "localhost.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "9",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "-", "-out", "-"]
    file.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return file


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small, for CI: does it run, and does all arrive?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-before", action="store_true", help="only today's relay, beside httpx")
    parser.add_argument("--write", action="store_true", help="put the rows into docs/performance.json and the plot")
    arguments = parser.parse_args()
    system.CACHE.mkdir(parents=True, exist_ok=True)
    count, rounds = (SHORT, 1) if arguments.short else (COUNT, arguments.rounds)
    rows = summary(measure(count, rounds, before=not arguments.without_before))
    print(table(rows))
    if arguments.write:
        file = system.ROOT / "docs" / "performance.json"
        document = json.loads(file.read_text()) | {"deliveries": rows}
        document["conditions"]["deliveries_measured"] = datetime.now(UTC).date().isoformat()
        file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        file.with_suffix(".svg").write_text(plot.svg(document["contenders"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
