"""What config.yaml may say: one model for each section, every field with its meaning and default.

`docs/config.md` is generated from here. Loading begins in `relay.config.load`.
"""

import re
import socket
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from relay.config.links import LinksOptions
from relay.config.watchdog import Clock, WatchdogOptions
from relay.events.patterns import Pattern, PatternError
from relay.redaction.redactor import plain_key
from sinks.options import Duration, Options, Size

COMMAND_CHANNELS = ("tickstock:commands:*", "tickstock:monitoring:control", "tickstock:processing:control")
"""The web app publishes commands there and looks at how many listen (wire notes): a relay that covers them hides
"nobody is listening"."""


class TlsOptions(Options):
    """TLS to Redis (`rediss://`)."""

    ca_file: Path | None = Field(
        None, description="CA certificates (PEM) to trust; default: SSL_CERT_FILE, SSL_CERT_DIR, else the system's."
    )
    cert_file: Path | None = Field(None, description="Client certificate (PEM), where the server asks for one.")
    key_file: Path | None = Field(None, description="Key of the client certificate (PEM).")
    check_hostname: bool = Field(True, description="The server's certificate must be for the name in the URL.")


class SentinelOptions(Options):
    """Who we are to the Sentinels (`redis+sentinel://`), where they ask for a password of their own."""

    username: str | None = Field(None, description="ACL user at the Sentinels.")
    password: SecretStr | None = Field(None, description="Password at the Sentinels; the URL's is for the master.")


class RedisOptions(Options):
    """Where TickStockPL publishes."""

    url: SecretStr = Field(
        SecretStr("redis://localhost:6379/0"),
        description="`redis://`, `rediss://` (TLS), `unix://`, `redis+sentinel://host:port,host:port/master/db`.",
    )
    username: str | None = Field(None, description="ACL user, if the URL has none.")
    password: SecretStr | None = Field(None, description="Password, if the URL has none.")
    patterns: list[str] = Field(["tickstock:*"], min_length=1, description="What to PSUBSCRIBE to.")
    tls: TlsOptions = Field(
        TlsOptions(), description="Certificates for `rediss://`, and for Sentinels and master of `rediss+sentinel://`."
    )
    sentinel: SentinelOptions = Field(SentinelOptions(), description="Log-in at the Sentinels themselves.")
    protocol: Literal[2, 3] = Field(2, description="RESP version.")
    connect_timeout: Duration = Field(3.0, gt=0, description="For connecting, logging in and subscribing.")
    ping_interval: Duration = Field(10.0, gt=0, description="Silence after which the connection is tried with PING.")
    ping_timeout: Duration = Field(10.0, gt=0, description="Silence after a PING after which the relay reconnects.")
    server_check_interval: Duration = Field(
        10.0, gt=0, description="Between two checks that this server is still the right one: Sentinel, name, `ROLE`."
    )
    coalesce: Duration = Field(
        0.005, ge=0, le=0.1, description="Longest wait between two batches of a trickle: latency for less CPU."
    )

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: SecretStr) -> SecretStr:
        schemes = ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")
        if not url.get_secret_value().startswith(schemes):
            raise ValueError("must start with one of " + ", ".join(schemes))
        return url

    @field_validator("patterns")
    @classmethod
    def _patterns_say_something(cls, patterns: list[str]) -> list[str]:
        if any(not pattern.strip() for pattern in patterns):
            raise ValueError("an empty pattern matches nothing")
        return list(dict.fromkeys(patterns))


class TickStockPLOptions(Options):
    """TickStockPL's HTTP API."""

    base_url: str = Field("http://localhost:8080", pattern="^https?://", description="Its address, without `/api`.")
    token: SecretStr | None = Field(None, description="Bearer token, if it asks for one.")
    timeout: Duration = Field(5.0, gt=0, description="For one request.")

    @field_validator("base_url")
    @classmethod
    def _usable_address(cls, url: str) -> str:
        """It may hold a password: no error repeats it."""
        try:
            parts = urlsplit(url)
            names_a_host = bool(parts.hostname) and parts.port != 0
        except ValueError:
            names_a_host = False
        if not names_a_host or not url.isprintable() or " " in url:
            raise ValueError("its host or port cannot be read")
        if parts.query or parts.fragment:
            raise ValueError("must have no ?query and no #fragment")
        return url

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token and not re.fullmatch(r"[!-~]+", token.get_secret_value(), re.ASCII):
            raise ValueError("the token holds blanks, or characters that no HTTP header can carry")
        return token or None


class HttpOptions(Options):
    """The relay's own pages: metrics, health, status."""

    listen: str = Field("127.0.0.1:9108", description="Address and port; beyond loopback a token is needed.")
    token: SecretStr | None = Field(None, description="Bearer token for every page but `/healthz` and `/readyz`.")
    enabled: bool = Field(True, description="Whether to serve at all.")
    metrics_max_age: Duration = Field(
        1.0, ge=0, description="Scrapes of `/metrics` share an answer that is not older; making one costs milliseconds."
    )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @field_validator("token")
    @classmethod
    def _empty_is_none(cls, token: SecretStr | None) -> SecretStr | None:
        """A variable or file with nothing in it guards nothing: an empty token would let everybody in."""
        return token or None

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, listen: str) -> str:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:  # the last port
            raise ValueError("write host:port, such as 127.0.0.1:9108 or [::1]:9108")
        return listen


class LimitOptions(Options):
    """What a message may be; beyond it, the quarantine."""

    max_message_bytes: Size = Field(16 << 20, gt=0, description="Size of one message.")
    max_depth: int = Field(250, gt=0, le=500, description="How deep its JSON may nest.")
    max_values: int = Field(250_000, gt=0, description="How many values its JSON may have, lists and objects included.")


class OutboxOptions(Options):
    """The durable lanes' store: what waits for Slack, webhooks and other places over the network."""

    max_rows: int = Field(100_000, gt=0, description="Deliveries that may wait, all lanes together.")
    max_bytes: Size = Field(256 << 20, gt=0, description="Bytes that may wait, all lanes together.")
    max_age: Duration = Field(86400.0 * 3, gt=0, description="A delivery older than this becomes a dead letter.")
    when_full: Literal["drop_oldest", "refuse"] = Field(
        "drop_oldest", description="Whether the oldest waiting or the newest coming delivery is lost, and counted."
    )
    max_attempts: int = Field(
        0, ge=0, description="Attempts before a delivery becomes a dead letter; 0: until `max_age`."
    )
    retry_first: Duration = Field(1.0, gt=0, description="Wait after the first failure; doubles, with jitter.")
    retry_most: Duration = Field(60.0, gt=0, description="Longest wait between two attempts.")
    breaker_failures: int = Field(5, gt=0, description="Failures in a row that open a sink's circuit breaker.")
    breaker_rest: Duration = Field(15.0, gt=0, description="How long a circuit stays open before one trial delivery.")
    longest_rest: Duration = Field(
        900.0, gt=0, description="Longest wait that a `Retry-After` may ask for; then one delivery is tried."
    )
    dead_letters: int = Field(10_000, ge=0, description="How many dead letters are kept.")


class QuarantineOptions(Options):
    """Messages that are no JSON object: kept byte for byte."""

    directory: Path | None = Field(None, description="Default: `quarantine` in `state_dir`.")
    max_bytes: Size = Field(64 << 20, gt=0, description="Size of one file; then a new one is started.")
    max_total_bytes: Size = Field(512 << 20, gt=0, description="Size of all files; beyond it the oldest is deleted.")
    keep: Duration = Field(86400.0 * 30, gt=0, description="How long old files are kept.")


class LogOptions(Options):
    """The relay's own log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto: console on a terminal, sentences in systemd's journal, else JSON."
    )


class ThrottleOptions(Options):
    """At most one event of each `by` in `every`."""

    by: list[str] = Field([], description="Fields whose values tell events apart, such as `payload.symbol`.")
    every: Duration = Field(..., gt=0, description="The span in which one event passes.")


class RouteOptions(Options):
    """Which events go to which sinks. Every route is tried, in order, until one that matches says `stop`."""

    name: str = Field(..., min_length=1, description="For explain, logs and metrics.")
    match: dict[str, Any] = Field({}, description="Conditions that must all hold; none: everything.")
    to: list[str] = Field(..., description="Names of sinks.")
    throttle: ThrottleOptions | None = Field(None, description="Let few of many pass.")
    stop: bool = Field(False, description="When this route matches, later ones are not tried.")


class TestOptions(Options):
    """One expectation about the routes, held by `check`."""

    __test__ = False  # not a pytest class

    name: str | None = Field(None, description="For the report.")
    given: dict[str, Any] = Field(..., description="Fields of an event: channel, event, severity, payload …")
    expect: list[str] | None = Field(None, description="The sinks that it must reach, in any order, and no others.")
    expect_at_least: list[str] | None = Field(
        None, description="In place of `expect`: the sinks that it must reach; others may be reached too."
    )

    @model_validator(mode="after")
    def _expects_one_thing(self) -> "TestOptions":
        if (self.expect is None) == (self.expect_at_least is None):
            raise ValueError("write one of expect and expect_at_least")
        return self


class RedactionOptions(Options):
    """The part `redaction` of config.yaml."""

    enabled: bool = Field(default=True, description="Whether anything is hidden at all.")
    patterns: tuple[str, ...] = Field(
        default=(),
        description="Further regular expressions; what one matches is hidden, or only its group `secret`."
        " They cannot look ahead or behind or refer back.",
    )
    keys: tuple[str, ...] = Field(
        default=(), description="Further names of fields (and of `name=value` in text) whose values are hidden."
    )

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for number, pattern in enumerate(patterns, start=1):
            try:
                compiled = Pattern(pattern)
            except PatternError as error:
                raise ValueError(f"pattern {number}: {error}") from None
            if compiled.found_in(""):
                raise ValueError(f"pattern {number} matches the empty text, so it would match everywhere")
        return patterns

    @field_validator("keys")
    @classmethod
    def _named(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if any(not plain_key(key) for key in keys):
            raise ValueError("a key needs at least one letter or digit")
        return keys


class Settings(Options):
    """The whole of config.yaml."""

    name: str = Field(
        "",
        max_length=60,
        description="What this installation is called, where several tell the same people; default: the host's name.",
    )
    redis: RedisOptions = Field(RedisOptions(), description="Where TickStockPL publishes.")
    tickstockpl: TickStockPLOptions = Field(TickStockPLOptions(), description="TickStockPL's HTTP API.")
    watchdog: WatchdogOptions = Field(WatchdogOptions(), description="What is alerted, and when.")
    sinks: dict[str, dict[str, Any]] = Field({}, description="Name -> type and options.")
    routes: list[RouteOptions] = Field([], description="Which events go to which sinks.")
    tests: list[TestOptions] = Field([], description="Expectations about the routes, tested by `check`.")
    state_dir: Path = Field(Path("/var/lib/tickstock-relay"), description="The outbox and all other state.")
    http: HttpOptions = Field(HttpOptions(), description="Metrics, health, status page.")
    links: LinksOptions = Field(LinksOptions(), description="Links in alerts and webhooks.")
    summary: Clock | None = Field(
        None, description="Local time at which the day's summary (`relay:summary`) is announced, HH:MM; default: none."
    )
    limits: LimitOptions = Field(LimitOptions(), description="What a message may be.")
    outbox: OutboxOptions = Field(OutboxOptions(), description="Durable delivery.")
    quarantine: QuarantineOptions = Field(QuarantineOptions(), description="Where unreadable messages go.")
    redaction: RedactionOptions = Field(RedactionOptions(), description="What never leaves the machine.")
    log: LogOptions = Field(LogOptions(), description="The relay's own log.")
    shutdown_timeout: Duration = Field(10.0, gt=0, description="How long SIGTERM may take.")

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if not name.isprintable() or name != name.strip():
            raise ValueError("must be one line without control characters, and without blanks around it")
        return name

    @property
    def installation(self) -> str:
        """What this installation is called: `name`, else the host's."""
        return self.name or socket.gethostname()

    @property
    def quarantine_file(self) -> Path:
        """The current file of the quarantine."""
        return (self.quarantine.directory or self.state_dir / "quarantine") / "quarantine.jsonl"
