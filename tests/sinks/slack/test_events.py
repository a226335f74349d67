"""What Slack is told of an event that belongs to no incident, alone or repeated: the exact JSON."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.events import Announcement, Event, Mark, Phase, Severity
from sinks.slack import plain, summary
from sinks.slack.blocks import MAX_TEXT
from sinks.slack.facts import AlertNotification, alert_of
from sinks.slack.repeats import fingerprint
from sinks.slack.text import width
from sinks.testing import NOON, make_event
from tests.support.slack_texts import NEW_YORK, compose, mrkdwn_object, section


def test_the_contracts_error_is_told_in_exactly_this_json() -> None:
    assert compose([make_event(phase=Phase.IMPORT)]) == {
        "text": "Error in data_import: RATE_LIMIT_EXCEEDED",
        "blocks": [
            section(":red_circle: *Error in data_import: RATE_LIMIT_EXCEEDED*"),
            section("```\nMassive API rate limit hit\n```"),
            {
                "type": "section",
                "fields": [
                    mrkdwn_object("*Component*\ndata_import"),
                    mrkdwn_object("*Error code*\nRATE_LIMIT_EXCEEDED"),
                    mrkdwn_object("*Phase*\nimport"),
                    mrkdwn_object("*Run*\n550e8400-e29b-41d4-a716-446655440000"),
                ],
            },
            {
                "type": "section",
                "fields": [mrkdwn_object("*Symbol*\nAAPL"), mrkdwn_object("*Retry after*\n60")],
            },
            {
                "type": "context",
                "elements": [
                    mrkdwn_object("16:20:00 EST (21:20:00 UTC)"),
                    mrkdwn_object("tickstock:errors from massive_fetcher"),
                ],
            },
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_an_event_that_is_no_error_is_told_by_its_name_and_fields() -> None:
    event = make_event(
        {"pattern_type": "Doji", "symbol": "AAPL", "confidence": 0.93, "parameters": {"span": 5}, "tags": ["a", "b"]},
        channel="tickstock:patterns:detected",
        event="pattern_detected",
        phase=Phase.PATTERNS,
        run_id=None,
    )
    message = compose([event])
    assert message["text"] == "Pattern detected: AAPL"
    assert message["blocks"][0] == section(":large_blue_circle: *Pattern detected: AAPL*")
    assert [field["text"] for field in message["blocks"][2]["fields"]] == [
        "*Pattern type*\nDoji",
        "*Symbol*\nAAPL",
        "*Confidence*\n0.93",
        '*Parameters*\n{"span":5}',
        "*Tags*\na, b",
    ]


def alert(state: str, **more: Any) -> Event:
    payload = {"alert": "run_missing", "state": state, "title": "No run today", "message": "Due 16:10.", **more}
    return Announcement(
        channel="relay:alert:run_missing", event="run_missing", severity=Severity.CRITICAL, payload=payload
    ).as_event("kit", 1, NOON)


def test_an_alert_without_an_incident_is_told_plainly() -> None:
    message = compose([alert("firing", facts={"due": "16:10"}, since="2025-01-27T21:15:00Z")], "<!channel>")
    assert message["text"] == "<!channel> Critical: No run today"
    assert message["blocks"][0] == section(":red_circle: *Critical: No run today* <!channel>")
    assert message["blocks"][1] == section("Due 16:10.")
    assert message["blocks"][2]["fields"] == [mrkdwn_object("*Due*\n16:10")]
    over = compose([alert("resolved", title="Resolved: No run today")])
    assert over["blocks"][0] == section(":large_green_circle: *Resolved: No run today*")


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        ({"alert": "cpu", "state": "firing", "title": "CPU"}, AlertNotification("cpu", False, "CPU")),
        ({"alert": "cpu", "state": "resolved", "title": "Resolved: CPU"}, AlertNotification("cpu", True, "CPU")),
        ({"alert": "run_failed", "state": "firing", "title": ""}, AlertNotification("run_failed", False, "Run failed")),
        ({"alert": "run_failed", "state": "firing", "title": 5}, AlertNotification("run_failed", False, "Run failed")),
        (
            {"alert": "never_started", "state": "resolved", "title": "T", "facts": {"never_ran": True}},
            AlertNotification("never_started", True, "T", is_lasting=True),
        ),
        (
            {"alert": "never_started", "state": "resolved", "title": "T", "facts": {"never_ran": "yes"}},
            AlertNotification("never_started", True, "T"),
        ),
        ({"alert": "cpu", "state": "pending", "title": "CPU"}, None),
        ({"alert": 5, "state": "firing", "title": "CPU"}, None),
        ({"state": "firing", "title": "CPU"}, None),
    ],
)
def test_what_is_read_of_an_alert(payload: dict[str, Any], read: AlertNotification | None) -> None:
    assert alert_of(make_event(payload, channel="relay:alert:cpu")) == read


def test_what_never_ran_keeps_its_colour_when_it_is_over() -> None:
    over = compose([alert("resolved", facts={"never_ran": True})])
    assert over["blocks"][0]["text"]["text"].startswith(":red_circle: *Resolved: No run today*")


def test_only_the_relays_own_address_is_a_link() -> None:
    ours = compose([alert("firing", url="https://relay.example/x", facts={})])["blocks"]
    assert ours[0] == section(":red_circle: *<https://relay.example/x|Critical: No run today>*")
    assert not any("fields" in block for block in ours)
    theirs = compose([make_event({"message": "m", "url": "https://x.example"})])["blocks"]
    assert "x.example" not in theirs[0]["text"]["text"]
    assert theirs[3]["fields"] == [mrkdwn_object("*Url*\nhttps://x.example")]


@pytest.mark.parametrize(
    ("payload", "more", "title"),
    [
        ({"component": "db", "error_code": "E1", "category": "c", "message": "m"}, {}, "Error in db: E1"),
        ({"component": "db", "category": "c", "message": "m"}, {}, "Error in db: c"),
        ({"component": "db", "message": "m"}, {}, "Error in db: m"),
        ({"component": True}, {"source": "job"}, "Error in job: Error"),
        ({"alert": {"message": "m"}}, {"source": None}, "Error: m"),
        ({"error_message": ["a", "b"]}, {"source": None}, "Error: a b"),
        ({"symbol": "AAPL"}, {"channel": "tickstock:x", "event": "odd_thing", "severity": "info"}, "Odd thing: AAPL"),
        ({}, {"channel": "tickstock:x", "event": "odd_thing", "severity": "warning"}, "Warning: Odd thing"),
        ({"error_code": 5}, {"channel": "tickstock:x", "severity": "info", "source": None}, "Info: 5"),
    ],
)
def test_the_headline_says_where_and_what(payload: dict[str, Any], more: dict[str, Any], title: str) -> None:
    assert compose([make_event(payload, **more)])["text"] == title


def test_details_are_shown_as_they_come_and_once() -> None:
    payload = {
        "message": "m",
        "job_id": "r1",
        "session_id": "other",
        "version": "1.0",
        "context": {"stack": "Traceback", "n": 0, "empty": "", "none": None, "list": [1, "a", 2.5], "map": {"a": [1]}},
        "more": ["a", {"b": 1}],
    }
    blocks = compose([make_event(payload, run_id="r1")])["blocks"]
    assert [field["text"] for field in blocks[3]["fields"]] == [
        "*N*\n0",
        "*List*\n1, a, 2.5",
        '*Map*\n{"a":[1]}',
        "*Session id*\nother",
        '*More*\n["a",{"b":1}]',
    ]
    assert blocks[4] == section("```\nTraceback\n```")


def test_a_context_that_holds_no_fields_is_shown_as_it_is() -> None:
    fields = compose([make_event({"message": "m", "context": "at noon", "a": 1})])["blocks"][-2]["fields"]
    assert [field["text"] for field in fields] == ["*Context*\nat noon", "*A*\n1"]


def test_a_long_mention_leaves_half_of_the_lock_screen_to_the_title() -> None:
    many = " ".join(["<@U012AB3CD>"] * 10)
    text = plain.compose([make_event({"message": "x" * 300}, source=None)], NEW_YORK, many).text
    assert width(text.removeprefix(f"{many} ")) == MAX_TEXT // 2
    one = plain.compose([make_event({"message": "x" * 300}, source=None)], NEW_YORK, "<!here>").text
    assert width(one.removeprefix("<!here> ")) == MAX_TEXT - len("<!here>")


def test_a_notice_of_the_relay_is_told_by_its_title_and_message() -> None:
    payload = {"title": "Gap of 6 s: events were not received", "message": "What was published is missing.", "url": ""}
    notice = Announcement(
        channel="relay:alert:gap", event="gap_notice", severity=Severity.WARNING, payload=payload | {"facts": {"a": 1}}
    )
    message = compose([notice.as_event("kit", 1, NOON)])
    assert message["text"] == "Gap of 6 s: events were not received"
    assert message["blocks"][:2] == [
        section(":large_yellow_circle: *Gap of 6 s: events were not received*"),
        section("What was published is missing."),
    ]
    assert message["blocks"][2]["type"] == "context"


def test_repeats_are_one_message_with_a_count_and_a_span() -> None:
    events = [make_event(at=NOON + timedelta(seconds=second), offset=second) for second in range(0, 61, 2)]
    message = compose(events)
    assert message["text"] == "31 × Error in data_import: RATE_LIMIT_EXCEEDED"  # noqa: RUF001 - how it is written
    footer = message["blocks"][-1]["elements"]
    assert footer[0]["text"] == "31 × in 1 min, first 16:20:00, last 16:21:00 EST"  # noqa: RUF001


def test_a_traceback_keeps_its_end_in_a_code_block() -> None:
    lines = "".join(f"  File {n}\n" for n in range(2000)) + "ValueError: ```bad``` & <odd>"
    block = compose([make_event({"message": "m", "traceback": lines})])["blocks"][-2]["text"]
    text = block["text"]
    assert text.startswith("```\n…")
    assert text.endswith("&amp; &lt;odd&gt;\n```")
    assert text.count("```") == 2, "the traceback's own backticks must not close the block"
    assert 2800 < width(text) <= 2900


def test_a_claimed_time_that_cannot_be_true_is_not_shown_as_the_time() -> None:
    event = make_event(at=NOON + timedelta(hours=5), received=NOON)
    footer = [one["text"] for one in compose([event])["blocks"][-1]["elements"]]
    assert footer[0] == "16:20:00 EST (21:20:00 UTC)"
    assert footer[-1] == "claims Tue 28 Jan 02:20:00 UTC, which cannot be true"


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (Mark.RECONSTRUCTED, "reconstructed from the API after a gap"),
        (Mark.UNDATED, "came without a time"),
        (Mark.TEST, "a test"),
        (Mark.REPLAYED, "replayed from an archive"),
    ],
)
def test_what_is_unusual_is_said(mark: Mark, words: str) -> None:
    footer = compose([make_event(marks=mark)])["blocks"][-1]["elements"]
    assert words in [one["text"] for one in footer]


def test_local_time_follows_the_clock_change() -> None:
    summer = compose([make_event(at=datetime(2025, 7, 1, 20, 10, tzinfo=UTC))])
    assert summer["blocks"][-1]["elements"][0]["text"].startswith("16:10:00 EDT (20:10:00")


def test_repeats_of_one_error_have_one_fingerprint_whatever_numbers_they_carry() -> None:
    def error(message: str, **more: Any) -> str | None:
        return fingerprint(make_event({"component": "db", "error_code": "E1", "message": message, **more}))

    first = error("Timeout after 30.5 s for job 550e8400-e29b-41d4-a716-446655440000 at 0xdeadbeef, attempt 3")
    assert first == error("Timeout after 7 s for job 650e8400-e29b-41d4-a716-446655449999 at 0xcafe, attempt 12")
    assert first is not None
    assert error("Timeout") != error("Refused")
    assert error("Timeout") != error("Timeout", severity="critical")
    assert error("Timeout") != error("Timeout", component="api")
    assert error("decade facade") != error("decade"), "words of hex letters are words"


def test_only_errors_and_alerts_repeat() -> None:
    assert fingerprint(make_event({"symbol": "AAPL"}, channel="tickstock:patterns:detected", event="x")) is None
    assert fingerprint(alert("firing")) == "alert|run_missing|firing"
    assert fingerprint(alert("resolved")) == "alert|run_missing|resolved"


def test_someone_elses_alert_is_no_alert_of_the_relay() -> None:
    payload = {"alert": "run_missing", "state": "resolved", "title": "x", "severity": "error"}
    assert compose([make_event(payload)])["blocks"][0]["text"]["text"].startswith(":red_circle:")


def test_the_days_summary_is_told_without_a_mention() -> None:
    payload = {
        "title": "Mon 27 Jan: failed in patterns at 16:42",
        "text": "Mon 27 Jan: failed in patterns at 16:42 EST. Data not usable yet. 41 errors, 3 alerts.",
        "cause": "The day's data is not usable yet.",
        "state": "bad",
        "fields": [{"name": "Errors", "text": "40 RATE_LIMIT_EXCEEDED\n1 PHASE_FAILED"}],
        "context": ["next run Tue 28 Jan 16:10 EST"],
        "url": "https://relay.example/runs/2025-01-27",
    }
    message = summary.compose(payload).body()
    assert message["text"] == payload["text"]
    assert message["blocks"] == [
        section(
            ":red_circle: *<https://relay.example/runs/2025-01-27|Mon 27 Jan: failed in patterns at 16:42>*\n"
            "The day's data is not usable yet."
        ),
        {"type": "section", "fields": [mrkdwn_object("*Errors*\n40 RATE_LIMIT_EXCEEDED\n1 PHASE_FAILED")]},
        {
            "type": "context",
            "elements": [
                mrkdwn_object(
                    "<https://relay.example/runs/2025-01-27|Day page> \N{MIDDLE DOT} next run Tue 28 Jan 16:10 EST"
                )
            ],
        },
    ]
