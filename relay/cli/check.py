"""`tickstock-relay check`: is the configuration right, does it do what its tests say, and is everything there?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from relay.cli.terminal import console, plain

if TYPE_CHECKING:
    from relay.config.config import Problem
    from relay.config.selftest import Result
    from relay.config.settings import Settings
    from relay.config.trials import Trial

WRONG_CONFIG = 2


@dataclass
class _Report:
    """All that was found."""

    path: Path
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """What the daemon needs once a second and is not there."""
    tests: list[Result] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        if self.problems:
            return WRONG_CONFIG
        return int(
            bool(self.missing)
            or not all(test.passed for test in self.tests)
            or not all(trial.works for trial in self.trials)
        )

    def facts(self) -> dict[str, Any]:
        return {
            "config": str(self.path),
            "ok": self.exit_code == 0,
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": self.warnings,
            "missing": self.missing,
            "tests": [asdict(test) | {"passed": test.passed} for test in self.tests],
            "connect": [asdict(trial) | {"seconds": round(trial.seconds, 3)} for trial in self.trials],
        }


@click.command(
    help="Check the configuration: every mistake with its line, what is hardly meant (warnings), and its own tests.\n\n"
    "Exit code 0 when all is well, also with warnings; 1 when a test or a trial fails; 2 when a mistake was found."
)
@click.option("--config", "path", type=click.Path(path_type=Path), default="config.yaml", show_default=True)
@click.option("--connect", is_flag=True, help="Try Redis, the API, each sink and the state directory; deliver nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, path: Path, connect: bool, as_json: bool) -> None:
    """Look at everything, then say everything."""
    report = _report(path, connect=connect)
    if as_json:
        click.echo(json.dumps(report.facts(), indent=2))
    else:
        _print(report)
    ctx.exit(report.exit_code)


def _report(path: Path, *, connect: bool) -> _Report:
    from relay.config.advice import warnings  # noqa: PLC0415 - `--help` does without pydantic
    from relay.config.config import ConfigError, load  # noqa: PLC0415
    from relay.config.needs import degraded, missing  # noqa: PLC0415
    from relay.config.selftest import run_tests  # noqa: PLC0415

    try:
        settings = load(path)
    except ConfigError as wrong:
        return _Report(path, problems=wrong.problems)
    report = _Report(path, warnings=warnings(settings), tests=run_tests(settings, datetime.now(UTC)))
    report.missing = missing(settings, datetime.now(UTC))
    report.warnings += degraded(settings)
    if connect:
        report.trials = asyncio.run(_trials(settings))
    return report


async def _trials(settings: Settings) -> list[Trial]:
    from relay.assembly import Surroundings  # noqa: PLC0415 - for --connect only
    from relay.clock import Clock  # noqa: PLC0415
    from relay.config.trials import try_all  # noqa: PLC0415

    return await try_all(
        settings,
        lambda store, outbox: Surroundings(
            clock=Clock(),
            store=store,
            outbox=outbox,
            muted=lambda _: None,
            user_agent="tickstock-relay",
            redis=settings.redis,
        ),
    )


def _print(report: _Report) -> None:
    out = console()
    for problem in report.problems:
        out.print(_line("error", "bold red", str(problem)), soft_wrap=True)
    for warning in report.warnings:
        out.print(_line("warning", "yellow", warning), soft_wrap=True)
    for what in report.missing:
        out.print(_line("failed", "bold red", what), soft_wrap=True)
    for test in report.tests:
        said = test.name if test.passed else f"{test.name}: {_difference(test)}"
        out.print(_line("test ok" if test.passed else "test failed", _style(test.passed), said), soft_wrap=True)
    for trial in report.trials:
        said = f"{trial.what}: {trial.detail} ({trial.seconds * 1000:.0f} ms)"
        out.print(_line("ok" if trial.works else "failed", _style(trial.works), said), soft_wrap=True)
    out.print(_summary(report), soft_wrap=True)


def _summary(report: _Report) -> Text:
    if report.problems:
        count = len(report.problems)
        return Text(f"{report.path}: {count} problem{'s' * (count > 1)}", style="bold red")
    warnings = len(report.warnings)
    parts = ["no problems", f"{warnings} warning{'s' * (warnings != 1)}"]
    parts.append(_passed("test", [test.passed for test in report.tests]) or "no tests")
    parts += filter(None, [_passed("trial", [trial.works for trial in report.trials])])
    return Text(f"{report.path}: {', '.join(parts)}", style=_style(report.exit_code == 0))


def _passed(what: str, results: list[bool]) -> str:
    """`1 of 2 tests passed`; nothing when there are none."""
    total = len(results)
    return f"{sum(results)} of {total} {what}{'s' * (total != 1)} passed" if total else ""


def _difference(test: Result) -> str:
    reached, expected = set(test.reached), set(test.expected)
    missing, unwanted = sorted(expected - reached), sorted(reached - expected)
    parts = [f"did not reach {', '.join(missing)}"] * bool(missing) + [f"reached {', '.join(unwanted)} too"] * bool(
        unwanted
    )
    return "; ".join(parts)


def _style(well: bool) -> str:
    return "green" if well else "bold red"


def _line(label: str, style: str, text: str) -> Text:
    return Text.assemble((f"{label:<12}", style), plain(text))
