"""Addresses that open on a phone: the relay's own pages, the runbook, the dashboard. Pure.

The only place that knows how they are put together; whoever shows one asks here, and shows none where it is None.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator

from sinks.options import Options

RUNBOOK_NAMES = ("alert",)
DASHBOARD_NAMES = ("from_ms", "to_ms")
MARGIN = timedelta(minutes=15)
"""What a dashboard shows before and after the time that it is asked for."""
STILL_GOING = "now"
"""The end of a span that goes on: Grafana's word."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class LinksOptions(Options):
    """Links in alerts and webhooks; what is left out is not linked to. A reload takes them over."""

    public_url: str | None = Field(
        None, description="Where a browser elsewhere reaches the relay's own pages, by a proxy say; needs `http.token`."
    )
    runbook: str | None = Field(
        None,
        description="What to do about an alert; `{alert}` stands for its name: `https://wiki.example/relay#{alert}`.",
    )
    dashboard: str | None = Field(
        None,
        description="A dashboard of a run's time: `https://grafana.example/d/relay?from={from_ms}&to={to_ms}`;"
        " milliseconds since 1970, and `now` as the end of a run that goes on.",
    )

    @field_validator("public_url")
    @classmethod
    def _of_pages(cls, url: str | None) -> str | None:
        if url is None:
            return None
        _check_template(url, ())
        if "?" in url or "#" in url:
            raise ValueError("must have no ?query and no #fragment")
        return url.rstrip("/")

    @field_validator("runbook")
    @classmethod
    def _of_an_alert(cls, url: str | None) -> str | None:
        return url if url is None else _check_template(url, RUNBOOK_NAMES)

    @field_validator("dashboard")
    @classmethod
    def _of_a_span(cls, url: str | None) -> str | None:
        return url if url is None else _check_template(url, DASHBOARD_NAMES)


class Links:
    """The links of the configuration in force."""

    def __init__(self, options: LinksOptions | None = None, name: str = "") -> None:
        """`name` is the configuration's, empty where it is not given."""
        self.use(options or LinksOptions(), name)

    def use(self, options: LinksOptions, name: str = "") -> None:
        """Go on with these, after a reload."""
        self._options = options
        self.name = name

    def url_of(self, about: str | date | None = None, *, part: str = "") -> str | None:
        """The page of a run (by its id), of a day (by its date), else the status page; `part` is a section of it."""
        base = self._options.public_url
        if base is None:
            return None
        page = "/" if about is None else f"/runs/{quote(str(about), safe='')}"
        return f"{base}{page}" + (f"#{quote(part)}" if part else "")

    def runbook(self, alert: str) -> str | None:
        """What to do about the alert of that name."""
        return _filled(self._options.runbook, {"alert": quote(alert, safe="")})

    def dashboard(self, begin: datetime, end: datetime | None) -> str | None:
        """What was measured from `begin` to `end`, with some time before and after; None: up to now."""
        values = {
            "from_ms": _milliseconds(begin - MARGIN),
            "to_ms": _milliseconds(end + MARGIN) if end else STILL_GOING,
        }
        return _filled(self._options.dashboard, values)


def _milliseconds(moment: datetime) -> str:
    return str(round(moment.astimezone(UTC).timestamp() * 1000))


def _filled(template: str | None, values: Mapping[str, str]) -> str | None:
    """Plain replacing, so that nothing else in an address has a meaning."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value) if template else None
    return template or None


def _check_template(url: str, names: Iterable[str]) -> str:
    """The address itself, when a browser can open it and each of its placeholders is one of `names`.

    Raises:
        ValueError: it is none, or holds a password, which a link would show.
    """
    named = " and ".join(f"{{{name}}}" for name in names)
    for found in _PLACEHOLDER.findall(url):
        if found not in names:
            raise ValueError(
                f"{{{found}}} is not known here: " + (f"there is {named}" if named else "write it as %7B…%7D")
            )
    plain = _PLACEHOLDER.sub("", url)
    if not plain.isprintable() or not plain.isascii() or set(plain) & set(' <>{}|"`\\'):
        raise ValueError("holds a character that must be written with %, such as %20 for a blank")
    try:
        parts = urlsplit(plain)
        _ = parts.port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must look like https://host/path")
    if "@" in parts.netloc:
        raise ValueError("must hold no user and no password: everybody sees a link")
    return url
