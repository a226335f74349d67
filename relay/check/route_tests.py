"""The `tests:` of a configuration: which sinks does an event reach, and which should it?"""

from dataclasses import dataclass
from datetime import datetime

from relay.config.settings import Settings
from relay.normalize.sample import from_facts
from relay.routing import Routes


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test; sinks in alphabetical order."""

    name: str
    expected: tuple[str, ...]
    reached: tuple[str, ...]
    at_least: bool = False
    """Whether others than the expected sinks may be reached."""

    @property
    def passed(self) -> bool:
        """Whether the sinks were reached as expected."""
        return not self.difference

    @property
    def failure(self) -> str:
        """Of a failed test: which, and how it failed."""
        return f"test {self.name} failed: {self.difference}"

    @property
    def difference(self) -> str:
        """Which sinks were missed, and which reached against expectation."""
        expected, reached = set(self.expected), set(self.reached)
        missing, unwanted = sorted(expected - reached), [] if self.at_least else sorted(reached - expected)
        parts = [f"did not reach {', '.join(missing)}"] * bool(missing)
        parts += [f"reached {', '.join(unwanted)} too"] * bool(unwanted)
        return "; ".join(parts)


def failed_tests(settings: Settings, now: datetime) -> list[str]:
    """Which tests fail and how, one line each."""
    return [result.failure for result in run_tests(settings, now) if not result.passed]


def run_tests(settings: Settings, now: datetime) -> list[Result]:
    """The result of each test. Each begins with throttles that have let nothing pass yet.

    Raises:
        SpecimenError: a test's `given` is no event; `relay.config.cross_checks` has found such before.
    """
    return [
        Result(
            name=test.name or f"test {number}",
            expected=tuple(sorted(set(test.expect or test.expect_at_least or ()))),
            reached=tuple(sorted(Routes(settings.routes).sinks_for(from_facts(test.given, now)))),
            at_least=test.expect is None,
        )
        for number, test in enumerate(settings.tests, start=1)
    ]
