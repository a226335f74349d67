"""Where a remote sink may send: https, or plain http on this machine.

Addresses can be secrets (a token in the path or the query), so nothing here repeats one in an error.
"""

import re
from base64 import b64encode
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

LEAST_SECRET = 8
"""Characters; a shorter part of an address (`hook`, `v1`) is a word, and stays readable in what is told."""


def usable_url(url: str, *, allow_plain_http: bool = False) -> str:
    """The address itself, when events may be sent there.

    Raises:
        ValueError: it is no http(s) address, or it would send events in the clear to another machine.
    """
    if not url.isprintable() or not url.isascii() or " " in url:
        raise ValueError("the URL holds blanks, control or non-ASCII characters")
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the URL must look like https://host/path")
    if "#" in url:
        raise ValueError("the URL holds a #: write it as %23, in a password too")
    if parts.scheme == "http" and not allow_plain_http and not is_loopback(parts.hostname):
        raise ValueError("plain http leaves this machine unencrypted: use https (or say allow_plain_http: true)")
    return url


def place_of(url: str) -> str:
    """The part of an address that may be shown: scheme, host and port, without user, path and query."""
    parts = _split(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def secrets_of(url: str) -> list[str]:
    """The parts of an address that must not be told: path, query and what is in them, user and password."""
    parts = _split(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    basic = b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
    pieces = [piece for piece in re.split(r"[/?&=;]", target) if len(piece) >= LEAST_SECRET]
    return [secret for secret in (url, target.strip("/"), password, basic, *pieces) if secret]


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its name or number."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("the URL's host or port cannot be read") from None
    return parts
