"""Options of the Slack sink: a mistake is named without the secret."""

from typing import Any

import pytest
from pydantic import ValidationError

from sinks.slack import SlackOptions


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({}, "either token and channel, or webhook_url"),
        ({"token": "xoxb-1", "channel": "#a", "webhook_url": "https://x.example"}, "either token and channel"),
        ({"token": "xoxb-1"}, "Value error, a token needs a channel ["),
        ({"webhook_url": "https://x.example/", "channel": "#a"}, "channel goes with token"),
        ({"token": "xoxb 1", "channel": "#a"}, "error, the token is empty or holds blanks or control characters ["),
        ({"token": "", "channel": "#a"}, "error, the token is empty or holds blanks or control characters ["),
        ({"webhook_url": "http://hooks.example/hidden"}, "plain http leaves this machine"),
        ({"webhook_url": "ftp://hooks.example/hidden"}, "https://host/path"),
        ({"webhook_url": "https://x.example", "timezone": "Mars/Olympus"}, "is not a valid time zone"),
        ({"webhook_url": "https://x.example", "mentions": {"critical": "@channel"}}, "write <!here>"),
        ({"webhook_url": "https://x.example", "mentions": {"awful": "<!here>"}}, "is not a valid severity"),
        ({"webhook_url": "https://x.example", "colour": "red"}, "Extra inputs"),
    ],
)
def test_a_mistake_in_the_options_is_named_without_the_secret(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SlackOptions.model_validate(wrong)
    assert hint in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_mentions_may_be_several_and_severities_go_by_any_known_name() -> None:
    given = {"fatal": "<!channel> <@U012AB3CD>", "error": "<!subteam^S012AB3CD>"}
    options = SlackOptions.model_validate({"webhook_url": "https://x.example", "mentions": given})
    assert options.mentions == {"critical": "<!channel> <@U012AB3CD>", "error": "<!subteam^S012AB3CD>"}
