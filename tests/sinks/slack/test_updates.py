"""Which steps bring an incident's message and thread to its newest state, and under which key each is posted."""

from typing import Any, cast

import pytest

from sinks.base import DELIVERED, Outcome, Reason
from sinks.slack.client import Answered, Place, SlackClient
from sinks.slack.incident import incident_of
from sinks.slack.memory import Memory, Posted
from sinks.slack.message import Message
from sinks.slack.updates import Updates
from sinks.testing import MemoryState
from tests.support import incidents

GONE = Answered(Outcome(Reason.REJECTED, "gone"), "message_not_found")
FIXED = Answered(Outcome(Reason.REJECTED, "too old"), "edit_window_closed")
REFUSED = Answered(Outcome(Reason.REJECTED, "no"), "odd")
BUSY = Answered(Outcome(Reason.RATE_LIMITED, "busy"))
RUN, BEGAN = incidents.RUN, incidents.BEGAN


class Client:
    """Notes each step, and answers with `answers` in turn, then that it was taken."""

    def __init__(self, *, places: bool = True) -> None:
        self.places = places
        self.answers: list[Answered] = []
        self.steps: list[str] = []
        self.taken = 0
        self.link: object = "https://x.slack.com/p1"

    async def post(
        self, _: Message, delivery_id: str, thread: Place | None = None, *, is_broadcast: bool = False
    ) -> Answered:
        where = f" in {thread.channel}/{thread.ts}" if thread else ""
        self.steps.append(
            f"{delivery_id.removeprefix(f'{RUN} {BEGAN} ')}{where}{', broadcast' if is_broadcast else ''}"
        )
        if self.answers:
            return self.answers.pop(0)
        self.taken += 1
        return Answered(DELIVERED, "", Place("C1", str(self.taken)) if self.places else None)

    async def update(self, place: Place, _: Message) -> Answered:
        self.steps.append(f"edit {place.channel}/{place.ts}")
        return self.answers.pop(0) if self.answers else Answered(DELIVERED)

    async def ask(self, method: str, **arguments: str) -> tuple[Outcome, dict[str, Any], None]:
        self.steps.append(f"{method} {arguments['channel']}/{arguments['message_ts']}")
        return DELIVERED, {"permalink": self.link}, None


class Slack:
    """Incidents' states shown one after the other."""

    def __init__(self, mentions: dict[str, str] | None = None, *, places: bool = True) -> None:
        self.client = Client(places=places)
        self.state = MemoryState()
        self.memory = Memory(self.state)
        self.updates = Updates(cast("SlackClient", self.client), self.memory, mentions or {})

    async def show(self, *answers: Answered, **changes: Any) -> list[str]:
        """The steps that Slack is asked for."""
        self.client.answers = list(answers)
        self.client.steps = []
        read = incident_of(incidents.as_event(incidents.state(**changes)))
        assert read is not None
        self.outcome = await self.updates.show(read)
        return self.client.steps

    @property
    def posted(self) -> Posted:
        return self.memory.recall(RUN, BEGAN)


async def test_what_stands_there_already_is_not_posted_or_edited_again() -> None:
    slack = Slack({"error": "<!here>"})
    assert await slack.show() == ["message", "chat.getPermalink C1/1"]
    assert (slack.outcome, slack.posted.link, slack.posted.mentioned) == (
        DELIVERED,
        "https://x.slack.com/p1",
        ["error"],
    )
    assert await slack.show() == []
    assert await slack.show(number=2, title="Another") == ["edit C1/1"]
    assert await slack.show(number=1) == [], "an older state"
    assert await slack.show(number=2, title="Another") == []


@pytest.mark.parametrize(
    ("link", "kept"),
    [("https://a", "https://a"), ("http://a", "http://a"), ("ftp://a", ""), ("a https://b", ""), (None, ""), (5, "")],
)
async def test_only_an_address_of_the_web_is_one(link: object, kept: str) -> None:
    slack = Slack()
    slack.client.link = link
    await slack.show()
    assert slack.posted.link == kept
    assert await slack.show(number=2) == [], "it is asked for once"


async def test_lines_of_the_story_are_told_once_and_what_else_shows_is_not() -> None:
    slack = Slack()
    lines = [{"number": 1, "change": "begins"}, {"number": 2, "change": "better"}, {"number": 3, "change": "errors"}]
    notes: list[Any] = [{"severity": "error", "text": f"line {line['number']}"} | line for line in lines]
    await slack.show(notes=notes[:1])
    assert await slack.show(number=3, notes=notes) == ["note 2 in C1/1"]
    more = [*notes, notes[1] | {"number": 4, "change": "again"}, notes[1] | {"number": 5, "change": "worse"}]
    assert await slack.show(number=5, notes=more) == ["note 4 in C1/1", "note 5 in C1/1"]
    assert await slack.show(number=6, notes=more) == []


async def test_each_kind_of_errors_has_a_reply_that_is_edited_as_it_changes() -> None:
    slack = Slack()
    await slack.show()
    one, two = incidents.error_group(1), incidents.error_group(2)
    assert await slack.show(number=2, errors=incidents.errors(one, two)) == ["errors 1 in C1/1", "errors 2 in C1/1"]
    again = incidents.errors(incidents.error_group(1, 2), two)
    assert await slack.show(number=3, errors=again) == ["edit C1/2"]
    assert await slack.show(number=4, errors=again) == []
    many = incidents.errors(one, two, more_groups=1, more_errors=3)
    assert await slack.show(number=5, errors=many) == ["edit C1/2", "errors others in C1/1"]
    gone = await slack.show(GONE, number=6, errors=incidents.errors(incidents.error_group(1, 7), two))
    assert gone == ["edit C1/2", "errors 1 in C1/1"], "the reply alone was deleted"
    assert await slack.show(number=7, kind="error", errors=incidents.errors(one)) == ["edit C1/1"]
    assert await slack.show(number=8, errors=incidents.errors(one)) == ["edit C1/1", "edit C1/5"]


async def test_a_severity_that_rises_is_told_to_the_channel_and_called_for_once() -> None:
    slack = Slack({"critical": "<!channel>"})
    await slack.show()
    worse = {"severity": "critical", "highest": "critical"}
    assert await slack.show(number=2, **worse) == ["worse critical in C1/1, broadcast"]
    assert (slack.posted.severity, slack.posted.mentioned) == ("critical", ["critical"])
    line = {"number": 2, "change": "worse", "severity": "critical", "text": "It is critical."}
    steps = await slack.show(number=3, notes=[line], **worse)
    assert "note 2 in C1/1" not in steps, "the reply said it"
    assert await slack.show(number=4, notes=[line], state="eased", **worse) == ["edit C1/1"]


async def test_the_end_is_told_once_and_the_incident_may_be_forgotten() -> None:
    for quiet, steps in ((False, ["edit C1/1", "over in C1/1, broadcast"]), (True, ["edit C1/1"])):
        slack = Slack()
        await slack.show()
        assert await slack.show(number=2, state="over", quiet_end=quiet) == steps
        assert await slack.show(number=3, state="over", quiet_end=quiet) == []
        assert slack.state.values["ended"] == f'["{RUN}"]'
        assert slack.posted.is_over


async def test_what_is_over_before_it_was_shown_is_one_message() -> None:
    slack = Slack({"error": "<!here>"})
    assert await slack.show(state="over") == ["message", "chat.getPermalink C1/1"]
    assert slack.posted.mentioned == []
    assert slack.state.values["ended"] == f'["{RUN}"]'
    assert await slack.show(number=2, state="over") == []


async def test_where_nothing_can_be_edited_worse_and_over_are_messages_of_their_own() -> None:
    slack = Slack(places=False)
    assert await slack.show() == ["message"]
    assert await slack.show(number=2, errors=incidents.errors(incidents.error_group())) == []
    assert await slack.show(number=3, severity="critical") == ["worse critical"]
    assert await slack.show(number=4, state="over") == ["over"]
    assert slack.state.values["ended"] == f'["{RUN}"]'
    silent = Slack(places=False)
    await silent.show(errors=incidents.errors(incidents.error_group(1, 2)))
    counted = incidents.errors(incidents.error_group(1, 2))
    assert await silent.show(number=2, state="over", quiet_end=True, errors=counted) == []
    more = Slack(places=False)
    await more.show()
    assert await more.show(number=2, state="over", quiet_end=True, errors=counted) == ["over"]


async def test_a_message_that_was_deleted_is_posted_anew_and_then_edited() -> None:
    slack = Slack({"error": "<!here>"})
    await slack.show()
    steps = await slack.show(GONE, number=2, title="Another")
    assert steps == ["edit C1/1", "message", "chat.getPermalink C1/2"]
    assert (slack.outcome, slack.posted.ts, slack.posted.mentioned) == (DELIVERED, "2", ["error"])
    await slack.show(GONE, GONE, number=3, title="A third", errors=incidents.errors(incidents.error_group()))
    assert slack.outcome == Outcome(Reason.REJECTED, "gone")


async def test_slack_that_loses_what_it_has_just_taken_is_an_answer_that_cannot_be() -> None:
    slack = Slack()
    await slack.show()
    posted = Answered(DELIVERED, "", Place("C1", "9"))
    await slack.show(GONE, posted, GONE, number=2, title="T", errors=incidents.errors(incidents.error_group()))
    assert slack.outcome == Outcome(Reason.BAD_ANSWER, "Slack does not find the message that it has just taken")


async def test_an_edit_that_is_refused_for_ever_is_not_tried_again_and_one_that_is_deleted_may_be() -> None:
    slack = Slack()
    await slack.show()
    errors = incidents.errors(incidents.error_group())
    assert await slack.show(FIXED, number=2, title="T", errors=errors) == ["edit C1/1", "errors 1 in C1/1"]
    assert slack.outcome == DELIVERED
    again = incidents.errors(incidents.error_group(1, 2))
    assert await slack.show(number=3, title="U", errors=again) == [], "neither the message nor a reply"
    deleted = await slack.show(GONE, number=4, state="over")
    assert deleted == ["over in C1/1, broadcast", "message", "chat.getPermalink C1/3"]
    assert not slack.posted.is_fixed


@pytest.mark.parametrize(
    ("answer", "outcome", "steps"),
    [
        (BUSY, BUSY.outcome, ["edit C1/1"]),
        (REFUSED, REFUSED.outcome, ["edit C1/1", "errors 1 in C1/1"]),
    ],
)
async def test_an_edit_that_fails_stops_the_delivery_only_where_it_may_succeed_later(
    answer: Answered, outcome: Outcome, steps: list[str]
) -> None:
    slack = Slack()
    await slack.show()
    errors = incidents.errors(incidents.error_group())
    assert await slack.show(answer, number=2, title="T", errors=errors) == steps
    assert slack.outcome == outcome
