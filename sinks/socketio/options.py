"""How the sink `socketio` is configured."""

from pydantic import Field, SecretStr, field_validator

from sinks.options import Duration, Options


class SocketIoOptions(Options):
    """Where the web app's message queue is, and which of its pages get what."""

    url: SecretStr | None = Field(
        default=None,
        description="Redis with the app's message queue, as in `redis.url`; default: the relay's own, with its login.",
    )
    channel: str = Field(
        default="flask-socketio",
        min_length=1,
        description="The message queue's channel: `flask-socketio`, or `socketio` for python-socketio's own managers.",
    )
    namespace: str = Field(default="/admin", pattern=r"^/[!-~]*$", description="The Socket.IO namespace of the pages.")
    room: str | None = Field(default=None, min_length=1, description="Only pages in this room; default: all of them.")
    results: bool = Field(
        default=False, description="Also every single indicator and pattern: most of the messages of a run."
    )
    every: Duration = Field(
        default=0.25,
        ge=0.05,
        le=10,
        description="Least time between two progress events of one phase; the newest wins.",
    )
    timeout: Duration = Field(default=3.0, gt=0, le=30, description="For one delivery, connecting included.")

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        schemes = ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")
        if url is not None and not url.get_secret_value().startswith(schemes):
            raise ValueError("must start with one of " + ", ".join(schemes))
        return url

    def publishes_to(self) -> str:
        """The message queue's channel."""
        return self.channel
