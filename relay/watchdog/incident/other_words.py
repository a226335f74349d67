"""How an incident reads that is not about a run that has started: a day without one, errors, alerts. Pure."""

from datetime import datetime

from relay.events.wording import day_name, plural
from relay.runs.findings import Usable
from relay.runs.run import Run
from relay.watchdog.incident.errors import worst
from relay.watchdog.incident.record import ErrorGroup, Incident, Part
from relay.watchdog.incident.text import (
    Action,
    Data,
    Facts,
    Words,
    again,
    error_name,
    minute,
    moment_of,
    not_yet,
    second,
    sentence,
    sentences,
    uncapitalised,
)

CONNECT = Action("Try the connections.", "tickstock-relay check --connect")
CHECK = Action("See all of them.", "tickstock-relay check --running")
QUARANTINE = Action("Look at them in quarantine/quarantine.jsonl, in the state directory.")

OTHERS: dict[str, tuple[str, tuple[Action, ...]]] = {
    "api_unreachable": (
        "Runs are followed from their events. That a run has not started can be said only from silence.",
        (Action("Look at TickStockPL's API process.", "tickstock-relay check --connect"),),
    ),
    "api_history_broken": (
        "What is usual, and how a run ended whose events were missed, cannot be looked up.",
        (
            Action("Look at the answer.", "tickstock-relay history --days 7 --json"),
            Action("Look whether TickStockPL was upgraded."),
        ),
    ),
    "not_subscribed": (
        "Runs are followed by TickStockPL's API alone. What is published now is missing from the archive.",
        (CONNECT,),
    ),
    "intake_behind": (
        "Nothing is lost yet.",
        (
            Action("Look at this machine's CPU and at the disk under the archive."),
            Action("Look at Redis' limit `client-output-buffer-limit pubsub`."),
        ),
    ),
    "sink_failing": (
        "The events wait on disk until the sink takes them again.",
        (CONNECT, Action("See what waits.", "tickstock-relay outbox list")),
    ),
    "events_lost": ("The archive has them.", (Action("See them.", "tickstock-relay outbox list --dead"),)),
    "messages_quarantined": ("They are kept byte for byte.", (QUARANTINE, Action("Ask who publishes them."))),
    "store_in_memory": (
        "",
        (
            Action("Make room, or correct the rights, under the state directory."),
            Action("Do not restart the relay before that."),
        ),
    ),
    "store_lost": ("The archive has the events.", (Action("Send them again.", "tickstock-relay replay --help"),)),
    "clock_step": (
        "Nothing was deleted or given up because of it.",
        (Action("Look at the time service.", "timedatectl"),),
    ),
    "reload_refused": ("", (CHECK,)),
    "config_tests_failed": ("Events may reach other sinks than intended.", (CHECK,)),
    "error_rate": ("No run is going on.", (Action("Look at the component that reports them."),)),
}
"""By the alert's name: what is to be said of the day's data, which it does not affect, and what to do."""

_TITLES = {
    "api_unreachable": "TickStockPL's API does not answer",
    "intake_behind": "Relay reads slower than events come",
    "store_in_memory": "Relay cannot write its store",
}


def of_alert(part: Part) -> Words:
    """A trouble outside of any run."""
    if part.name == "schedule_disabled":
        return _schedule_disabled(part)
    data, actions = OTHERS.get(part.name, ("", ()))
    title = _TITLES.get(part.name, part.title)
    if part.name == "error_rate" and isinstance(number := part.facts.get("errors_per_minute"), int):
        title = f"High error rate: {plural(number, 'error')} in 1 min"
    return Words(title, part.message, Data(Usable.NOT_AFFECTED, data), actions, uncapitalised(part.message))


def of_error_rate(part: Part, run: Run, error: ErrorGroup | None) -> Words:
    """Too many errors while a run goes on; `error` is the worst of them."""
    most = error_name(error) if error is not None else ""
    look = Action("Look at the component that reports them, and at the vendor's limits. The run may still end well.")
    cause = sentences(sentence(most), part.message)
    short = most or uncapitalised(part.message)
    return Words(f"{run.title}: high error rate", cause, _until_result(run), (look,), short)


def of_day(part: Part, facts: Facts) -> Words:
    """The run of a day has not started."""
    due = moment_of(part.facts.get("due_at"))
    day = day_name(facts.day) if facts.day else "the day"
    steps: tuple[Action, ...]
    nothing = sentences(f"Nothing of {facts.of_day} has been computed.", facts.last_good_sentence)
    if part.name == "run_not_planned":
        steps = (
            Action("Look at the scheduler's calendar.", "tickstock-relay schedule"),
            again(facts, "Start the run."),
        )
        return Words(
            f"No run is planned for {day}, a trading day", part.message, Data(Usable.NO, nothing), steps, _due(due)
        )
    if part.title.startswith("No sign"):
        steps = (
            Action("Ask TickStockPL.", "tickstock-relay status"),
            Action("Look at its last runs.", "tickstock-relay history --days 2"),
            again(facts, "If it is idle, start the run."),
        )
        unknown = Data(Usable.UNKNOWN, f"Whether {facts.of_day} was computed cannot be said from here.")
        return Words(f"No sign of the run of {day}", part.message, unknown, steps, _due(due))
    if part.facts.get("api_answers") is False:
        steps = (
            Action("Look at TickStockPL's host and its processes."),
            Action("When the API answers, ask it.", "tickstock-relay status"),
            again(facts, "Then start the run."),
        )
        unknown = Data(Usable.UNKNOWN, "TickStockPL as a whole may be down.")
        return Words(
            f"Run of {day} has not started", part.message, unknown, steps, f"{_due(due)}, the API does not answer"
        )
    steps = (
        again(facts, "Start the run by hand."),
        Action("If it is refused, look at TickStockPL's log for its scheduler."),
        Action("Make sure that tomorrow's run is planned.", "tickstock-relay schedule"),
    )
    is_idle = "status idle" in str(part.facts.get("evidence"))
    why = "TickStockPL is idle" if is_idle else "no event of it came"
    short = f"{_due(due)}, {why}. Start it: tickstock-relay trigger"
    return Words(f"Run of {day} has not started", part.message, Data(Usable.NO, nothing), steps, short)


def of_errors(incident: Incident, run: Run | None) -> Words:
    """Errors, and no alert: of a run, or one kind of them outside of any run."""
    group = worst(incident.groups)
    if group is None:
        return Words("Errors", "", Data(Usable.UNKNOWN))
    name = error_name(group)
    look = Action(sentence(group.recovery or f"Look at {group.where or 'what reports it'}"))
    if run is None:
        span = f"{second(group.first)} to {second(group.last)}, outside any run."
        cause = span if group.count > 1 else "Once, outside any run."
        return Words(name, cause, Data(Usable.NOT_AFFECTED), (look,), "outside any run", quote=group.message)
    title = f"{run.title}: {plural(incident.errors, 'error')}"
    return Words(title, f"{name}.", _until_result(run), (look,), f"{name}: {group.message}", quote=group.message)


def _until_result(run: Run) -> Data:
    return not_yet(run) if run.state.is_open else Data(Usable.UNKNOWN, "The run's own result decides.")


def _schedule_disabled(part: Part) -> Words:
    steps = (
        Action("If nobody meant that, switch it on.", "tickstock-relay schedule --enable"),
        Action("Start today's run by hand.", "tickstock-relay trigger"),
    )
    return Words(part.title, part.message, Data(Usable.NO, "No run will start by itself."), steps, part.message)


def _due(due: datetime | None) -> str:
    return f"due {minute(due)}" if due else "it was due"
