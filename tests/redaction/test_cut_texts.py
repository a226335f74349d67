"""Texts that are cut hold no half of a secret, wherever the cut falls in it."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from relay.events import Announcement, Event, Severity
from relay.lifecycle import journal
from relay.process.operations import Operation
from relay.redaction.built_in import shortened, shortened_to_end, without_secrets
from relay.runs.logged import MAX_TRACEBACK, count_error, logged_error, logged_event
from relay.runs.recent import Recent
from relay.runs.run import Run
from relay.store.shelf import MemoryShelf
from relay.tickstockpl import client
from relay.tickstockpl.models import MAX_TEXT
from relay.watchdog.incident import errors as incident_errors
from relay.watchdog.incident.lists import cut
from relay.watchdog.incident.record import Incident, IncidentKind
from tests.support.wire import event, utc

NOW = utc("2025-01-27 21:10")
KEY = "\n".join("MIIEvQ" + "ZmFrZWtleWZvcnRlc3Rz" * 3 for _ in range(20))
SECRETS = {
    "token": ("retried with ", "ghp_" + "Zk3Qm9Xw" * 5, " and failed"),
    "access key": ("user ", "AKIAZQ3MXW9KPLRT7VBN", " was refused"),
    "password in an address": ("no answer from postgresql://tick:", "qW8zR4tY6uI1oP", "@db:5432/tick in time"),
    "password in an address that is encoded": (
        "url=postgresql%3A%2F%2Ftick%3A",
        "qW8zR4tY6uI1oP",
        "%40db%3A5432 in time",
    ),
    "password in words": ("it said that the password is ", "qW8zR4tY6uI1oP", " and it was refused"),
    "named value": ('{"value": "', "qW8zR4tY6uI1oP" * 20, '", "name": "password"}'),
    "header": ('("Authorization", "', "qW8zR4tY6uI1oP" * 20, '") was refused'),
    "private key": ("read -----BEGIN PRIVATE KEY-----\n", KEY, "\n-----END PRIVATE KEY----- from the vault"),
}
PIECE = 7
"""Characters of a secret in a row that are too much."""


def pieces(secret: str) -> set[str]:
    return {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}


def filled(length: int) -> str:
    """Words of so many characters."""
    return ("word " * (max(0, length) // 5 + 1))[: max(0, length)]


def texts(kind: str, longest: int) -> Iterator[str]:
    """Texts whose cut after `longest` characters falls in every part of the secret, and just before and behind it."""
    before, secret, after = SECRETS[kind]
    for inside in range(-3, len(secret) + 3, max(1, len(secret) // 12)):
        text = f"{filled(longest - len(before) - inside)} {before}{secret}{after}"
        yield text
        yield text + filled(50_000)


def ends(kind: str, longest: int) -> Iterator[str]:
    """The same for a cut that leaves the end."""
    before, secret, after = SECRETS[kind]
    for inside in range(-3, len(secret) + 3, max(1, len(secret) // 12)):
        text = f"{before}{secret}{after}{filled(longest - len(after) - (len(secret) - inside))}"
        yield f"short {text}"
        yield filled(50_000) + text


def an_error(**payload: Any) -> Event:
    return event("errors", "error", NOW, **payload)


def on_the_page(text: str) -> str:
    recent = Recent(MemoryShelf())
    recent.observe([an_error(message=text)], NOW)
    return recent.error_groups()[0].message


def logged(name: str) -> Callable[[str], str]:
    def shown_by(text: str) -> str:
        one = an_error(**{name: text})
        group = logged_error(one, NOW)
        count_error(group, one, NOW)
        return str(group)

    return shown_by


def in_an_incident(text: str) -> str:
    incident = Incident(id="error:x", kind=IncidentKind.ERROR, began=NOW)
    incident_errors.count_error(incident, an_error(message=text, recovery_action=text, error_code=text), NOW)
    return str(incident)


def in_the_journal(text: str) -> str:
    with capture_logs() as logs:
        journal.tell(Announcement(channel="relay:gap", event="gap", severity=Severity.WARNING, payload={"title": text}))
    return str(logs[0]["text"])


def of_an_operator(text: str) -> str:
    return str(Operation(command="silence add", who="ann", arguments=[text], answer=text).announcement())


def of_the_api(text: str) -> str:
    return client._explain(httpx.Response(400), {"detail": text})


def of_a_run(text: str) -> str:
    run = Run(run_id="r1", number=1, first_seen=NOW, last_seen=NOW)
    run.count_error(an_error(message=text))
    return str(run)


CUTS: dict[str, tuple[int, Callable[[str], str]]] = {
    "a short text": (80, lambda text: shortened(text, 80) or ""),
    "the page's errors": (1000, on_the_page),
    "a run's last error": (500, of_a_run),
    "a run's errors": (1500, logged("message")),
    "a run's error code": (80, logged("error_code")),
    "a run's recovery": (300, logged("recovery_action")),
    "a row of a run's events": (300, lambda text: logged_event(an_error(message=text)).text),
    "facts of a run's events": (300, lambda text: logged_event(event("health", "odd", NOW, note=text)).text),
    "an incident": (1500, in_an_incident),
    "an incident's code": (80, in_an_incident),
    "an incident's note": (300, lambda text: cut(" ".join(text.split()), 300)),
    "a line of the log": (240, in_the_journal),
    "an operator's words": (300, of_an_operator),
    "the API's explanation": (MAX_TEXT, of_the_api),
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("place", CUTS)
def test_no_half_of_a_secret_is_left_by_a_cut(kind: str, place: str) -> None:
    longest, shown_of = CUTS[place]
    secret = SECRETS[kind][1]
    for text in texts(kind, longest):
        shown = without_secrets(shown_of(text))
        assert not [piece for piece in pieces(secret) if piece in shown], shown[-200:]


@pytest.mark.parametrize("kind", SECRETS)
def test_no_half_of_a_secret_is_left_before_the_end_of_a_traceback(kind: str) -> None:
    for text in ends(kind, MAX_TRACEBACK):
        shown = without_secrets(logged("traceback")(text))
        assert not [piece for piece in pieces(SECRETS[kind][1]) if piece in shown], shown[:200]


@pytest.mark.parametrize("secret", ["ghp_" + "Zk3Qm9Xw" * 5, "password=" + "q" * 3000, "no secret"])
def test_where_what_is_looked_at_ends_no_half_of_a_secret_is_left(secret: str) -> None:
    """Many secrets before the cut make room for what stands far behind it."""
    for ahead in range(2300, 2340):
        text = ("token=" + "s" * 2000 + " ") + filled(ahead - 2007) + " " + secret + filled(9000)
        shown = without_secrets(shortened(text, 100) or "")
        assert shown.startswith("token=[redacted]")
        assert len(shown) <= 100
        assert "ghp_" not in shown
        assert "qqqqqqq" not in shown


def test_a_text_that_is_mostly_a_secret_is_still_told() -> None:
    before, key, after = SECRETS["private key"]
    text = f"failed: {before}{key * 3}{after}"
    assert shortened(text, 1000) == "failed: read [redacted] from the vault"
    assert shortened(text + filled(90_000), 60) == "failed: read [redacted]", "so far it was looked at"
    assert shortened_to_end(text, 1000) == "failed: read [redacted] from the vault"


def test_what_is_short_enough_is_left_for_the_lanes_to_redact() -> None:
    assert shortened("password=abc", 100) == "password=abc"
    assert shortened_to_end("password=abc", 100) == "password=abc"
    assert (shortened(5), shortened("  "), shortened(None)) == ("5", None, None)
    assert shortened("x" * 300, 100) == "x" * 100
    assert shortened_to_end("a" + "x" * 300, 100) == "x" * 100


def test_a_field_of_a_run_s_event_is_hidden_by_its_name() -> None:
    text = logged_event(event("health", "odd", NOW, password="hunter2hunter2", note="hi")).text  # noqa: S106
    assert text == "password [redacted], note hi"
    group = logged_error(an_error(message="x"), NOW)
    count_error(group, an_error(message="x", context={"api_key": "hunter2", "host": "db"}), NOW)
    assert group.context == {"api_key": "[redacted]", "host": "db"}
