"""`python -m benchmarks`: all contenders in turn, three rounds, medians; tables, docs/performance.json and the plot.

Behind the contenders come the deliveries to a webhook (`benchmarks.webhooks`).

With --short (for CI) each contender must run and lose nothing; no time is asserted and no file written.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime

from benchmarks import contenders, contest, plot, report, webhooks
from benchmarks.neighbour import Beside
from benchmarks.system import ROOT, Valkey


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [one.name for one in contenders.ALL]
    parser.add_argument("--short", action="store_true", help="one small round: does every contender still run?")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"some of {', '.join(names)}")
    parser.add_argument("--events", type=int, help="messages in a flood")
    parser.add_argument("--rounds", type=int, help="default 3, with --short 1")
    parser.add_argument("--no-files", action="store_true", help="print only, leave docs/ as it is")
    return parser.parse_args()


def _size(arguments: argparse.Namespace) -> contest.Size:
    size = contest.SHORT if arguments.short else contest.Size()
    return replace(size, flood=arguments.events) if arguments.events else size


def measure(
    chosen: tuple[contenders.Contender, ...], size: contest.Size, count: int
) -> tuple[report.Rounds, list[str]]:
    """Runs the rounds.

    Returns:
        The results, and a line for each failure: did not run, lost or repeated something.
    """
    rounds: report.Rounds = {one.name: [] for one in chosen}
    failures: list[str] = []
    with Valkey() as valkey, Beside() as beside:
        match = contest.Contest(valkey, beside, size)
        for number in range(1, count + 1):
            for one in chosen:
                begin = time.perf_counter()
                try:
                    result = match.round(one)
                except (RuntimeError, OSError) as error:
                    result = contest.Result(one.name)
                    failures.append(f"{one.name}: {error}")
                rounds[one.name].append(result)
                if result.lost or result.repeated or result.webhooks_missing:
                    failures.append(
                        f"{one.name}: of {result.published:,} lost {result.lost:,}, "
                        f"twice {result.repeated:,}, webhooks missing {result.webhooks_missing:,}"
                    )
                seconds = time.perf_counter() - begin
                print(f"round {number}: {one.name}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return rounds, failures


def main() -> int:
    """Measures, prints, writes."""
    arguments = _arguments()
    chosen = tuple(one for one in contenders.ALL if not arguments.only or one.name in arguments.only)
    size, count = _size(arguments), arguments.rounds or (1 if arguments.short else 3)
    try:
        contenders.install(chosen)
    except RuntimeError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    rounds, failures = measure(chosen, size, count)
    print(report.table(rounds, chosen))
    deliveries: list[dict[str, object]] = []
    if not arguments.only:
        try:
            results = webhooks.measure(webhooks.SHORT if arguments.short else webhooks.COUNT, count)
        except RuntimeError as error:
            failures.append(str(error))
        else:
            deliveries = webhooks.summary(results)
            print(webhooks.table(deliveries))
    if not (arguments.short or arguments.only or arguments.no_files):
        conditions: dict[str, object] = {"measured": datetime.now(UTC).date().isoformat(), "rounds": count}
        document = report.document(rounds, chosen, deliveries, conditions | asdict(size))
        (ROOT / "docs" / "performance.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        rows = [{"name": one.name, "title": one.title} | report.summary(rounds, one.name) for one in chosen]
        (ROOT / "docs" / "performance.svg").write_text(plot.svg(rows, deliveries))
        print("wrote docs/performance.json and docs/performance.svg")
    for line in failures:
        print(f"FAILED {line}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
