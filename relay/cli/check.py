"""`tickstock-relay check`: is the configuration right, does it do what its tests say, and is everything there?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource
from rich.text import Text

from relay.events.wording import plural
from relay.process.terminal import console, plain

if TYPE_CHECKING:
    from relay.check.report import Report


@click.command(
    help="Check the configuration: every mistake with its line, warnings, and its own tests.\n\n"
    "Exit code 0 when there is no mistake, also with warnings; 1 when a test or a connection"
    " fails; 2 when a mistake was found."
)
@click.option("--config", "path", type=click.Path(path_type=Path), default="config.yaml", show_default=True)
@click.option("--connect", is_flag=True, help="Try Redis, the API, each sink and the state directory; deliver nothing.")
@click.option("--running", is_flag=True, help="Have the running relay check its own, with its environment and secrets.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, path: Path, connect: bool, running: bool, as_json: bool) -> None:
    """Look at everything, then say everything."""
    if running:
        if connect:
            raise click.UsageError("--connect and --running exclude each other")
        _check_running(ctx, path, as_json=as_json)
    report = _report(path, connect=connect)
    if as_json:
        click.echo(json.dumps(report.facts(), indent=2))
    else:
        _print(report)
    ctx.exit(report.exit_code)


def _check_running(ctx: click.Context, path: Path, *, as_json: bool) -> NoReturn:
    from relay.cli.running import ask

    named = ctx.get_parameter_source("path") is not ParameterSource.DEFAULT
    answer = ask("check", path if named else None)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        print_answer(answer)
    ctx.exit(int(answer.get("exit_code", 1)))


def print_answer(answer: dict[str, Any]) -> None:
    """Print a running relay's answer as this command prints its own report."""
    from relay.check.report import Report

    if "problems" in answer:
        _print(Report.from_facts(answer))
    if error := answer.get("error"):
        console().print(_line("error", "bold red", error), soft_wrap=True)


def _report(path: Path, *, connect: bool) -> Report:
    import uvloop

    from relay.check.connections import try_all
    from relay.check.report import examine

    report, settings = examine(path, datetime.now(UTC))
    if connect and settings is not None:
        report.trials = uvloop.run(try_all(settings))  # on the daemon's loop: TLS is spoken by it
    return report


def _print(report: Report) -> None:
    out = console()
    for problem in report.problems:
        out.print(_line("error", "bold red", str(problem)), soft_wrap=True)
    for warning in report.warnings:
        out.print(_line("warning", "yellow", warning), soft_wrap=True)
    for what in report.missing:
        out.print(_line("failed", "bold red", what), soft_wrap=True)
    for test in report.tests:
        text = test.name if test.passed else f"{test.name}: {test.difference}"
        out.print(_line("test ok" if test.passed else "test failed", _style(test.passed), text), soft_wrap=True)
    for trial in report.trials:
        text = f"{trial.what}: {trial.detail} ({trial.seconds * 1000:.0f} ms)"
        out.print(_line("ok" if trial.works else "failed", _style(trial.works), text), soft_wrap=True)
    out.print(_summary(report), soft_wrap=True)


def _summary(report: Report) -> Text:
    if report.problems:
        return Text(f"{report.path}: {plural(len(report.problems), 'problem')}", style="bold red")
    parts = ["no problems", plural(len(report.warnings), "warning")]
    parts.append(_passed("test", [test.passed for test in report.tests]) or "no tests")
    parts += filter(None, [_passed("trial", [trial.works for trial in report.trials])])
    return Text(f"{report.path}: {', '.join(parts)}", style=_style(report.exit_code == 0))


def _passed(what: str, results: list[bool]) -> str:
    """`1 of 2 tests passed`; nothing when there are none."""
    return f"{sum(results)} of {plural(len(results), what)} passed" if results else ""


def _style(well: bool) -> str:
    return "green" if well else "bold red"


def _line(label: str, style: str, text: str) -> Text:
    return Text.assemble((f"{label:<12}", style), plain(text))
