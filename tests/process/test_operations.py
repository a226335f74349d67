"""What operators do, as the relay records it: bounded, harmless for a line, and only what a command can have been."""

from typing import Any

import msgspec
import pytest

from relay.process.operations import MOST, Operation, operation_of, who_am_i


def facts(**more: Any) -> dict[str, Any]:
    return {"command": "silence add", "who": "ann", "arguments": ["--all"], "answer": "done", **more}


def test_a_command_is_one_event_with_who_arguments_and_answer() -> None:
    announcement = operation_of(facts(), uid=1000).announcement()
    assert (announcement.channel, announcement.event) == ("relay:operator:silence_add", "operator_silence_add")
    assert announcement.payload == {
        "title": "ann: silence add --all",
        "message": "done",
        "command": "silence add",
        "who": "ann",
        "uid": 1000,
        "arguments": ["--all"],
        "answer": "done",
        "ok": True,
    }


def test_the_kernel_knows_better_who_it_is_than_the_request() -> None:
    assert operation_of(facts(uid=0), uid=1000).uid == 1000


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "trigger",
        {"command": "trigger"},
        facts(command=""),
        facts(command="Trigger"),
        facts(command="a b c"),
        facts(command="../x"),
        facts(command="a:b"),
        facts(who=" "),
        facts(arguments="--all"),
        facts(arguments=[1]),
    ],
)
def test_what_no_command_can_have_been_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        operation_of(wrong, uid=0)


def test_hostile_words_are_one_short_line() -> None:
    long = "a\nb\x1b[31m\u202e" + "x" * 10_000
    payload = operation_of(facts(who=long, arguments=[long] * 100, answer=long)).announcement().payload
    texts = [payload["who"], payload["answer"], *payload["arguments"]]
    assert len(payload["arguments"]) == 20
    assert all(text.startswith("a b[31mx") and len(text) == MOST for text in texts)


def test_who_is_the_one_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    assert who_am_i() == "ann"
    monkeypatch.delenv("SUDO_USER")
    assert who_am_i() not in ("", "ann")


def test_it_waits_on_a_shelf_as_it_was() -> None:
    operation = Operation(command="cancel", who="ann", uid=7, answer="refused", ok=False)
    assert operation_of(msgspec.json.decode(msgspec.json.encode(operation))) == operation
