"""Whether a run's result is sound: decided here alone, from what its check has found. Pure."""

from relay.events import Severity
from relay.runs.run import Run
from relay.runs.signals import State


def is_sound(run: Run) -> bool:
    """Whether the run completed with a result that can be relied on; False while that is not known yet."""
    return (
        run.state is State.COMPLETED
        and run.findings is not None
        and all(finding.severity < Severity.ERROR for finding in run.findings)
    )
