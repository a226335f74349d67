"""What follows from a failed delivery, without a lane around it."""

from typing import Any

import pytest

from relay.config.settings import OutboxOptions
from relay.lanes.breaker import Breaker, BreakerState
from relay.lanes.failures import BEHIND_OTHERS, FailureAction, Failures
from relay.store.outbox import Row
from sinks.base import Outcome, Reason

NOW = 1000.0


def rows(*ids: int, attempts: int = 1, repeat: str | None = None) -> list[Row]:
    return [Row(number, "app", "waiting", None, None, repeat, 0.0, 0.0, attempts=attempts) for number in ids]


def failures(**options: Any) -> tuple[Failures, Breaker]:
    read = OutboxOptions.model_validate({"breaker_failures": 1, "retry_first": "4s", "retry_most": "60s", **options})
    breaker = Breaker(read.breaker_failures, read.breaker_rest)
    return Failures(read, breaker), breaker


@pytest.mark.parametrize("reason", [Reason.REJECTED, Reason.UNAUTHORIZED, Reason.TOO_LARGE])
def test_what_is_final_is_given_up_or_sent_singly_and_the_place_is_not_to_blame(reason: Reason) -> None:
    judge, breaker = failures()
    assert judge.verdict(rows(1), Outcome(reason), 0, NOW).action is FailureAction.GIVE_UP
    assert judge.verdict(rows(2, 3), Outcome(reason), 0, NOW).action is FailureAction.SEND_SINGLY
    assert breaker.state is BreakerState.CLOSED


def test_a_sinks_bug_is_looked_for_in_each_row_alone_and_then_retried() -> None:
    judge, _ = failures()
    assert judge.verdict(rows(1, 2), Outcome(Reason.FAILED), 0, NOW).action is FailureAction.SEND_SINGLY
    assert judge.verdict(rows(1), Outcome(Reason.FAILED), 0, NOW).action is FailureAction.RETRY


@pytest.mark.parametrize("attempts", [1, 2, 5, 40])
def test_the_wait_doubles_up_to_the_most(attempts: int) -> None:
    judge, _ = failures()
    verdict = judge.verdict(rows(1, attempts=attempts), Outcome(Reason.SERVER_ERROR), 0, NOW)
    most = min(60.0, 4.0 * 2 ** (attempts - 1))
    assert NOW + most / 2 <= verdict.not_before <= NOW + most


def test_a_wished_rest_is_the_lanes() -> None:
    judge, breaker = failures()
    verdict = judge.verdict(rows(1), Outcome(Reason.RATE_LIMITED, "", 30.0), 0, NOW)
    assert verdict.not_before == NOW + 30 + BEHIND_OTHERS
    assert "it asked to wait, next try at" in verdict.note
    assert breaker.waits(NOW) == 30


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.TIMEOUT])
def test_a_row_that_fails_while_others_arrive_rests_nobody(reason: Reason) -> None:
    judge, breaker = failures(breaker_failures=2)
    judge.verdict(rows(1), Outcome(Reason.SERVER_ERROR), 5, NOW)
    verdict = judge.verdict(rows(1), Outcome(reason, "", 30.0), 6, NOW)
    assert verdict.not_before >= NOW + 30, "but it waits itself, as long as it was asked to"
    assert verdict.note == ""
    assert breaker.waits(NOW) == 0
    judge.forget(rows(1)[0])
    judge.verdict(rows(1), Outcome(reason, "", 30.0), 7, NOW)
    assert breaker.waits(NOW) > 0, "what was forgotten is new again"


def test_a_group_that_fails_alone_is_sent_singly_unless_it_is_one_message_of_repeats() -> None:
    for repeat, action in ((None, FailureAction.SEND_SINGLY), ("same", FailureAction.RETRY)):
        judge, _ = failures()
        judge.verdict(rows(1, 2, repeat=repeat), Outcome(Reason.SERVER_ERROR), 0, NOW)
        assert judge.verdict(rows(1, 2, repeat=repeat), Outcome(Reason.SERVER_ERROR), 1, NOW).action is action
