"""What `check` finds in a configuration, here or in a running relay: mistakes, warnings, its own tests."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relay.check.needs import degraded, missing
from relay.check.route_tests import Result, run_tests
from relay.check.warnings import warnings
from relay.config.load import load
from relay.config.problems import ConfigError, Problem
from relay.process.control import LONGEST_SOCKET_PATH, control_path, too_long

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from relay.check.connections import Trial  # which imports an HTTP client
    from relay.config.settings import Settings

WRONG_CONFIG = 2


@dataclass
class Report:
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
        """0 when all is well, 1 when a test or a trial failed, 2 when there are mistakes."""
        if self.problems:
            return WRONG_CONFIG
        return int(
            bool(self.missing)
            or not all(test.passed for test in self.tests)
            or not all(trial.works for trial in self.trials)
        )

    @property
    def mistakes(self) -> list[str]:
        """Why the configuration is not to be used, one line each; none when it may be."""
        failed = [test.failure for test in self.tests if not test.passed]
        return [*map(str, self.problems), *self.missing, *failed]

    def facts(self) -> dict[str, Any]:
        """The same as JSON's values."""
        return {
            "config": str(self.path),
            "ok": self.exit_code == 0,
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": self.warnings,
            "missing": self.missing,
            "tests": [asdict(test) | {"passed": test.passed} for test in self.tests],
            "connect": [asdict(trial) | {"seconds": round(trial.seconds, 3)} for trial in self.trials],
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Report:
        """What `facts` of another process' report were made from.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another kind.
        """
        tests = [
            Result(t["name"], tuple(t["expected"]), tuple(t["reached"]), bool(t["at_least"])) for t in facts["tests"]
        ]
        problems = [Problem(**each) for each in facts["problems"]]
        return cls(Path(facts["config"]), problems, list(facts["warnings"]), list(facts["missing"]), tests)


def examine(path: Path, now: datetime) -> tuple[Report, Settings | None]:
    """Look at everything in a configuration; the settings are None when there are mistakes."""
    try:
        settings = load(path)
    except ConfigError as wrong:
        return Report(path, problems=wrong.problems), None
    socket_path = control_path(settings.state_dir)
    if too_long(socket_path):
        hint = "set a shorter state_dir, or RuntimeDirectory= in the unit"
        text = f"the path of the control socket is longer than {LONGEST_SOCKET_PATH} bytes: {socket_path}"
        return Report(path, problems=[Problem(0, "state_dir", text, hint)]), None
    found = Report(path, tests=run_tests(settings, now), missing=missing(settings, now))
    found.warnings = [*warnings(settings), *degraded(settings)]  # after `missing`, which asks for the calendar
    return found, settings
