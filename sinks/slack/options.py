"""What config.yaml may say about a Slack sink."""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from relay.events import SEVERITIES
from sinks.addresses import usable_url
from sinks.options import Duration, Options, known_zone

_MENTION = re.compile(r"<(?:!(?:here|channel|everyone)|@[UW][A-Z0-9]{2,20}|!subteam\^S[A-Z0-9]{2,20})>")
_MENTIONS = re.compile(rf"{_MENTION.pattern}(?: {_MENTION.pattern})*")

MAX_MENTION = 200
"""Characters: what is called stands in the same text as what has happened."""


class SlackOptions(Options):
    """A bot token and a channel, or an incoming webhook's URL."""

    token: SecretStr | None = Field(
        default=None,
        description="A bot token (`xoxb-…`), scope `chat:write`: an incident is one message, kept up to date.",
    )
    channel: str | None = Field(
        default=None, min_length=1, max_length=100, description="Where the bot posts: `#name` or a channel's id."
    )
    webhook_url: SecretStr | None = Field(
        default=None,
        description="An incoming webhook, which cannot edit: a message when an incident begins, gets worse, ends.",
    )
    base_url: str = Field(default="https://slack.com/api/", description="Slack's Web API; another one for tests.")
    username: str | None = Field(
        default=None, max_length=80, description="The name that posts, in place of the app's own."
    )
    icon: str | None = Field(default=None, max_length=300, description="The picture that posts: `:emoji:` or a URL.")
    mentions: dict[str, str] = Field(
        default_factory=dict,
        description='Whom to call once, when an incident reaches this severity: `{critical: "<!channel>"}`.',
    )
    runs: Literal["trouble", "all", "none"] = Field(
        default="trouble",
        description="Of runs: `trouble`; `all`: also start and end of good ones (route `relay:run:*` here); `none`.",
    )
    timezone: str = Field(default="America/New_York", description="Whose clock alerts show beside UTC.")
    repeat_window: Duration = Field(
        default=60.0,
        ge=0,
        le=86400,
        description="Errors outside runs end after ten of these. Without incidents, repeats in one are one message.",
    )
    timeout: Duration = Field(default=10.0, gt=0, le=30, description="For one request.")

    _zone = field_validator("timezone")(known_zone)

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.token is None) == (self.webhook_url is None):
            raise ValueError("give either token and channel, or webhook_url")
        if (self.token is None) != (self.channel is None):
            raise ValueError("channel goes with token" if self.token is None else "a token needs a channel")
        return self

    @field_validator("token")
    @classmethod
    def _looks_like_a_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not re.fullmatch(r"[!-~]+", token.get_secret_value(), re.ASCII):
            raise ValueError("the token is empty or holds blanks or control characters")
        return token

    @field_validator("webhook_url")
    @classmethod
    def _usable_webhook(cls, url: SecretStr | None) -> SecretStr | None:
        return None if url is None else SecretStr(usable_url(url.get_secret_value()))

    @field_validator("base_url")
    @classmethod
    def _usable_base(cls, url: str) -> str:
        return usable_url(url).rstrip("/") + "/"

    @field_validator("mentions")
    @classmethod
    def _known_mentions(cls, mentions: dict[str, str]) -> dict[str, str]:
        for severity, mention in mentions.items():
            if severity not in SEVERITIES:
                raise ValueError(f"{severity!r} is not a valid severity: {', '.join(SEVERITIES)}")
            if len(mention) > MAX_MENTION:
                raise ValueError(f"{severity}: longer than {MAX_MENTION} characters")
            if not _MENTIONS.fullmatch(mention):
                raise ValueError(
                    f"{severity}: write <!here>, <!channel>, <@U…> or <!subteam^S…>, blanks between several"
                )
        return {SEVERITIES[severity].label: mention for severity, mention in mentions.items()}
