"""Texts put together from the signs of secrets: redacted again they stay as they are, and a megabyte is quick."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.redaction.patterns import REDACTED
from relay.redaction.redactor import Redactor
from sinks.testing import make_event
from tests.support.examples import examples

REDACTOR = Redactor()
PIECES = [
    "password=",
    "://",
    "a:",
    "@",
    "eyJ",
    "-",
    ".",
    "key=",
    '"',
    "'",
    "\\",
    "Bearer ",
    "xoxb-",
    "cookie:",
    " ",
    "x",
]
PIECES += [
    "-----BEGIN PRIVATE KEY-----",
    "-----END",
    REDACTED,
    "token",
    ":",
    "=",
    "\n",
    "AKIA",
    "sk_live_",
    "none",
    "A" * 20,
]


@examples(300)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join))
@example("password=[redacted]x")
@example("redis://:[redacted]@h")
def test_redacting_again_changes_nothing_more(text: str) -> None:
    redacted = [text]
    for _ in range(4):
        redacted.append(REDACTOR.redact_text(redacted[-1]))
    assert redacted[-1] == redacted[-2], redacted


MEGABYTE = 1 << 20
ADVERSARIES = [
    *PIECES,
    "://a:",
    "a://",
    "eyJ-",
    "-eyJa.",
    "password=a,",
    'password="',
    "key='",
    "bearer a ",
    "://a@",
    "secret" * 3,
    "://" + "a" * 130,
]
ADVERSARIES += [
    "--password ",
    "--pass",
    "<password",
    "-u a:",
    "?sig=",
    "&sig",
    "%3A%2F%2Fa%3A",
    'action":"auth","params":"',
]
ADVERSARIES += ["password", "authorization: bearer ", 'token="\\', "xox.", "hooks.slack.com/a", '{"key":', "[" * 8]


@pytest.mark.thorough
@pytest.mark.parametrize("piece", ADVERSARIES, ids=range(len(ADVERSARIES)))
def test_a_megabyte_of_anything_takes_less_than_a_second(piece: str) -> None:
    text = (piece * (MEGABYTE // len(piece) + 1))[:MEGABYTE]
    begun = time.process_time()
    REDACTOR.redact_text(text)
    assert time.process_time() - begun < 1.0


def test_a_megabyte_of_payload_takes_less_than_a_second() -> None:
    text = "key and token of a line " * 40 + "password=x, redis://:x@h"
    payload = {f"field_{n}": {"password": "x", "text": text, "n": n} for n in range(MEGABYTE // 1024)}
    event = make_event(payload)
    assert len(event.raw) > MEGABYTE
    begun = time.process_time()
    REDACTOR.redact(event)
    assert time.process_time() - begun < 1.0
