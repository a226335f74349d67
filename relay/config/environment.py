"""What the environment says about connections: proxies and certificates. Read here alone, and checked like config.yaml.

HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in small letters first; SSL_CERT_FILE and SSL_CERT_DIR. This machine is
never asked by way of a proxy. No `.netrc` is read.
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import SplitResult, unquote, urlsplit

from sinks.addresses import is_loopback

DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
_EXCEPTION = re.compile(r"(?:\*?\.)?([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?(?::(\d{1,5}))?", re.ASCII)
_IPV6_EXCEPTION = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?")


class Problem(NamedTuple):
    """A variable that cannot be used, and why; no secret."""

    variable: str
    message: str


class EnvironmentProblem(ValueError):  # noqa: N818 - it is the problems
    """The environment cannot be used."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{one.variable} {one.message}" for one in problems))


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it."""

    variable: str
    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Its address as it may be shown: without user and password."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Exception:
    """An entry of NO_PROXY: a name and all below it, or a network; of one port or of all."""

    name: str = ""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None

    def covers(self, host: str, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is None:
            return self.name in ("*", host) or host.endswith(f".{self.name}")
        try:
            return ip_address(host) in self.network
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Environment:
    """What was read."""

    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    """By the scheme of what is asked."""
    exceptions: tuple[_Exception, ...] = ()
    ca_file: Path | None = None
    ca_directory: str | None = None
    """One directory, or several with colons between."""

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> Self:
        """Read the process' environment, or `variables`.

        Raises:
            EnvironmentProblem: something in it cannot be used.
        """
        given = os.environ if variables is None else variables
        if found := problems(given):
            raise EnvironmentProblem(found)
        file = given.get("SSL_CERT_FILE")
        return cls(
            proxies={scheme: _proxy(*named) for scheme in DEFAULT_PORTS if (named := _named_proxy(given, scheme))},
            exceptions=tuple(_exception(entry) for entry in _entries(given)),
            ca_file=Path(file) if file else None,
            ca_directory=given.get("SSL_CERT_DIR") or None,
        )

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy that `url` is asked by way of; None: none."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        proxy = self.proxies.get(parts.scheme)
        if proxy is None or is_loopback(host):
            return None
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        return None if any(one.covers(host, port) for one in self.exceptions) else proxy

    def tls(self, default: str | None = None) -> ssl.SSLContext:
        """A context that trusts what the environment names; else the authorities in `default`, else the system's.

        Raises:
            OSError: the file has gone, or holds no certificate.
        """
        if self.ca_file is None and self.ca_directory is None:
            return ssl.create_default_context(cafile=default)
        return ssl.create_default_context(cafile=self.ca_file, capath=self.ca_directory)


def problems(variables: Mapping[str, str]) -> list[Problem]:
    """Everything in the environment that cannot be used; with the variable's name, without its secrets."""
    found: dict[Problem, None] = {}
    for scheme in DEFAULT_PORTS:
        if (named := _named_proxy(variables, scheme)) is not None:
            found |= dict.fromkeys(_proxy_problems(*named))
    if any(_named_proxy(variables, scheme) for scheme in DEFAULT_PORTS):
        found |= dict.fromkeys(_no_proxy_problems(variables))
    return [*found, *_certificate_problems(variables)]


def _variable(variables: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    return next(((name, variables[name].strip()) for name in names if variables.get(name, "").strip()), None)


def _named_proxy(variables: Mapping[str, str], scheme: str) -> tuple[str, str] | None:
    """Variable and value."""
    own = f"{scheme}_proxy"
    return _variable(variables, own, own.upper(), "all_proxy", "ALL_PROXY")


def _split(value: str) -> SplitResult:
    return urlsplit(value if "://" in value else f"http://{value}")


def _proxy(variable: str, value: str) -> Proxy:
    parts = _split(value)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(variable, parts.scheme, parts.hostname or "", port, username, password)


def _proxy_problems(variable: str, value: str) -> Iterator[Problem]:
    try:
        parts = _split(value)
        port = parts.port
    except ValueError:
        wrong = "holds a # or ? that is not written as %23 or %3F" if re.search("[#?]", value) else ""
        yield Problem(variable, wrong or "names a proxy whose host or port cannot be read")
        return
    if parts.scheme not in DEFAULT_PORTS:
        yield Problem(variable, f"names a proxy by {parts.scheme}://: only http:// and https:// are supported")
    elif parts.fragment or parts.query or value.endswith(("#", "?")):
        yield Problem(variable, "holds a # or ? that is not written as %23 or %3F")
    elif parts.path not in ("", "/"):
        yield Problem(variable, "must end behind the proxy's port; write / in a password as %2F")
    elif port == 0 or not _is_host(parts.hostname or ""):
        yield Problem(variable, "names a proxy whose host or port cannot be read")
    elif not re.fullmatch(r"[!-~]*", value, re.ASCII):
        yield Problem(variable, "holds blanks, control or non-ASCII characters")


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _HOST.fullmatch(host) is not None
    try:
        return ip_address(host) is not None
    except ValueError:
        return False


def _entries(variables: Mapping[str, str]) -> list[str]:
    named = _variable(variables, "no_proxy", "NO_PROXY")
    return [entry for entry in re.split(r"[\s,]+", named[1]) if entry] if named else []


def _no_proxy_problems(variables: Mapping[str, str]) -> Iterator[Problem]:
    variable = "no_proxy" if variables.get("no_proxy", "").strip() else "NO_PROXY"
    for entry in _entries(variables):
        try:
            _exception(entry)
        except ValueError:
            shown = re.sub(r"[^!-~]|.*@", "?", entry)
            yield Problem(variable, f"holds {shown!r}: write names, addresses or networks such as 10.0.0.0/8")


def _exception(entry: str) -> _Exception:
    """An entry of NO_PROXY.

    Raises:
        ValueError: it is none.
    """
    if entry == "*":
        return _Exception("*")
    if bracketed := _IPV6_EXCEPTION.fullmatch(entry):
        return _Exception(network=ip_network(bracketed[1]), port=_port(bracketed[2]))
    if "/" in entry or entry.count(":") > 1:
        return _Exception(network=ip_network(entry.replace("[", "").replace("]", ""), strict=False))
    found = _EXCEPTION.fullmatch(entry)
    if found is None:
        raise ValueError("no name, address or network")
    try:
        return _Exception(network=ip_network(found[1]), port=_port(found[2]))
    except ValueError:
        return _Exception(found[1].lower(), port=_port(found[2]))


def _port(text: str | None) -> int | None:
    return int(text) if text else None


def _certificate_problems(variables: Mapping[str, str]) -> Iterator[Problem]:
    if file := variables.get("SSL_CERT_FILE"):
        try:
            ssl.create_default_context(cafile=file)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError, and says that there is no certificate
            yield Problem("SSL_CERT_FILE", f"names {file}: {why_unusable(error)}")
    for directory in filter(None, variables.get("SSL_CERT_DIR", "").split(":")):
        if not Path(directory).is_dir():
            yield Problem("SSL_CERT_DIR", f"names {directory}: no such directory")


def why_unusable(error: Exception) -> str:
    """Why a file with authorities cannot be used, in words of people: OpenSSL's are its own."""
    if isinstance(error, ssl.SSLError):
        return "it holds no certificate in PEM form"
    return f"it cannot be read: {getattr(error, 'strerror', None) or error}"
