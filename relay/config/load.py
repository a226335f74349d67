"""config.yaml -> Settings. Every mistake is reported at once, with its line, key and what would be right.

Environment variables (`${NAME}`, `${NAME:-default}`) are put in after parsing, so that a secret's characters can never
become YAML. What the sections may say is in `relay.config.settings` and in each sink's own options.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from relay.config import environment as connections
from relay.config.links import LinksOptions
from relay.config.messages import QUOTE, in_words, is_tag, match_hint, nearest, yaml_hint
from relay.config.redis_globs import matches
from relay.config.settings import HttpOptions, RedisOptions, Settings
from relay.config.yaml_tree import Document, YamlError, parse
from relay.config.yaml_tree import Path as Key
from relay.events.matching import MatchError, compile_match, field_getter
from relay.normalize.sample import FACTS, TEXTS, SpecimenError, UnknownFactError, from_facts
from sinks.addresses import is_loopback
from sinks.append_file import is_same
from sinks.options import Options
from sinks.registry import UnknownSinkError, sink_class, sink_names

MAX_BYTES = 4 << 20
"""A configuration that is larger is another file, or `/dev/zero`."""
NO_FILE = "name yours with --config, or copy the documented default, config.yaml of the source"
M = TypeVar("M", bound=BaseModel)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:[^}$]|\$(?!\{))*))?\}")
_DIRECTORIES = frozenset(f"{kind}_DIRECTORY" for kind in ("STATE", "RUNTIME", "CACHE", "LOGS", "CONFIGURATION"))
"""systemd's variables: with colons between, where the unit names several (systemd.exec)."""
_COMMENT = re.compile(r":\s+#[^\s#]")
"""`channel: #ops`: meant as a value, but nothing is written there."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, what, and what would be right. Line 0 is the file as a whole."""

    line: int
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        where = [f"line {self.line}"] * bool(self.line) + [self.key] * bool(self.key)
        return ": ".join([*where, f"{self.message}{hint}"])


class ConfigError(Exception):
    """The configuration cannot be used; its text lists every problem."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems, key=lambda problem: problem.line)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{path}: {count}", *(f"  {problem}" for problem in self.problems)]))

    @property
    def one_line(self) -> str:
        """The same in one line, for a journal."""
        return " ".join(f"{self.path}: {'; '.join(map(str, self.problems))}".split())


def load(path: Path, environment: Mapping[str, str] | None = None, *, only: Collection[str] | None = None) -> Settings:
    """Read and check a configuration.

    Args:
        path: the file.
        environment: what `${NAME}` stands for; the process' own unless given.
        only: the sections that are needed. Others are neither read nor checked, and are their defaults: who operates
            the relay need not have the secrets of its sinks.

    Raises:
        ConfigError: it cannot be read, or has mistakes; all of them are in it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode()
    except OSError as error:
        hint = NO_FILE if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(path, [Problem(0, "", f"cannot be read: {error.strerror}", hint)]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, [Problem(line, "", "is not UTF-8 text")]) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(path, [Problem(0, "", f"is larger than {MAX_BYTES >> 20} MiB: no configuration of ours")])
    try:
        document = parse(text)
    except YamlError as error:
        raise ConfigError(path, [Problem(error.line, "", f"not YAML: {error}", yaml_hint(str(error)))]) from None
    if only is not None and isinstance(document.values, dict):
        document = document.with_only(only)
    reader = _Reader(path, document, text, os.environ if environment is None else environment)
    if only is None:
        reader.check_environment()
    return reader.settings()


class _Reader:
    """One reading of one document; collects problems until the end."""

    def __init__(self, path: Path, document: Document, text: str, environment: Mapping[str, str]) -> None:
        self._path = path
        self._document = document
        self._source = text.splitlines()
        self._environment = environment
        self._unset: set[Key] = set()
        """Where a variable without a value stands: what else is wrong there follows from that."""
        self._problems = [
            Problem(line, _dotted(key), "is written twice", "keep one of them") for key, line in document.repeated
        ]

    def check_environment(self) -> None:
        """What it says about connections is as much a part of the configuration as the file."""
        for variable, message in connections.problems(self._environment):
            self._problems.append(Problem(0, variable, message, "from the environment"))

    def settings(self) -> Settings:
        values = {} if self._document.values is None else self._expanded(self._document.values, ())
        if not isinstance(values, dict):
            raise ConfigError(self._path, [Problem(1, "", "must be a mapping of sections such as `redis:`")])
        settings = self._validated(Settings, values, ())
        sinks = values.get("sinks")
        self._check_sinks(sinks if isinstance(sinks, dict) else {}, settings)
        for section in ("routes", "tests"):
            entries = values.get(section)
            self._check_entries(section, entries if isinstance(entries, list) else [], sinks)
        self._check_listen(_alone(HttpOptions, values.get("http")))
        self._check_links(_alone(LinksOptions, values.get("links")), _alone(HttpOptions, values.get("http")))
        self._check_redis(_alone(RedisOptions, values.get("redis")))
        if self._problems or not isinstance(settings, Settings):
            raise ConfigError(self._path, self._problems)
        return settings

    def _problem(self, key: Key, message: str, hint: str = "") -> None:
        self._problems.append(Problem(self._document.line(key), _dotted(key), message, hint))

    def _expanded(self, value: Any, key: Key) -> Any:
        if isinstance(value, dict):
            return {name: self._expanded(item, (*key, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._expanded(item, (*key, index)) for index, item in enumerate(value)]
        if _is_as_written(key):
            value = self._document.written.get(key, value)
        if value is None and _COMMENT.search(self._source[self._document.line(key) - 1]):
            self._problem(key, "is empty: YAML takes what begins with # for a comment", QUOTE)
            self._unset.add(key)
        return _VARIABLE.sub(lambda found: self._variable(found, key), value) if isinstance(value, str) else value

    def _variable(self, found: re.Match[str], key: Key) -> str:
        name, default = found[1], found[2]
        value = self._environment.get(name)
        if value is None and default is None:
            self._problem(key, f"the environment has no {name}", f"set it, or write ${{{name}:-default}}")
            self._unset.add(key)
        if value is not None and name in _DIRECTORIES and ":" in value:
            self._problem(key, f"{name} names several directories: {value}", "write the one that is meant")
        return value if value is not None else default or ""

    def _validated(self, model: type[BaseModel], values: dict[str, Any], key: Key) -> BaseModel | None:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False, include_context=False):
                where: Key = tuple(part for part in found["loc"] if not is_tag(part))
                message, hint = in_words(found, model)
                self._found((*key, *where), message, hint)
            return None

    def _found(self, key: Key, message: str, hint: str) -> None:
        """Note what pydantic found, unless it follows from a value that is not there."""
        about, colon, rest = message.partition(": ")
        if colon and (*key, about) in self._document.lines:  # a section's own check names the key
            key, message = (*key, about), rest
        if not any(unset[: len(key)] == key or key[: len(unset)] == unset for unset in self._unset):
            self._problem(key, message, hint)

    def _check_sinks(self, sinks: dict[Any, Any], settings: BaseModel | None) -> None:
        writers = {} if not isinstance(settings, Settings) else {settings.quarantine_file: "the quarantine"}
        for name, options in sinks.items():
            key: Key = ("sinks", name)
            if not str(name).strip():
                self._problem(key, "a sink needs a name")
            if not isinstance(options, dict):
                continue  # reported with the section
            kind = options.get("type")
            if not isinstance(kind, str):
                self._problem(key, "has no type", "one of " + ", ".join(sink_names()))
                continue
            try:
                model = sink_class(kind).Options
            except UnknownSinkError as error:
                self._problem((*key, "type"), str(error), nearest(kind, sink_names()))
                continue
            read = self._validated(model, {k: v for k, v in options.items() if k != "type"}, key)
            if isinstance(read, Options) and (file := read.writes_to()) is not None:
                self._check_target(file, key, writers)
                writers[file] = f"the sink {name}"
            if isinstance(read, Options) and (channel := read.publishes_to()) is not None:
                self._check_channel(channel, (*key, "channel"), settings)

    def _check_target(self, file: Path, key: Key, writers: Mapping[Path, str]) -> None:
        for other, who in writers.items():
            if is_same(file, other):
                self._problem(key, f"writes to the same file as {who}, {file}", "each needs a file of its own")

    def _check_channel(self, channel: str, key: Key, settings: BaseModel | None) -> None:
        """A sink whose messages the relay would receive itself feeds itself for ever."""
        patterns = settings.redis.patterns if isinstance(settings, Settings) else []
        for pattern in patterns:
            if matches(pattern, channel):
                hint = "choose another channel, or narrower patterns"
                self._problem(key, f"the relay itself subscribes to {channel} by redis.patterns: {pattern}", hint)

    def _check_entries(self, section: str, entries: list[Any], sinks: Any) -> None:
        """What pydantic cannot know of routes and tests: conditions, and the sinks' names."""
        names = [str(name) for name in sinks] if isinstance(sinks, dict) else []
        conditions, targets = ("match", ["to"]) if section == "routes" else ("given", ["expect", "expect_at_least"])
        seen: set[object] = set()
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                continue
            key: Key = (section, index)
            match = entry.get(conditions)
            if isinstance(match, dict) and all(isinstance(name, str) for name in match):
                check = self._check_match if section == "routes" else self._check_given
                check(match, (*key, conditions))
            self._check_throttle(entry.get("throttle"), key)
            for where, target in ((field, target) for field in targets for target in _strings(entry.get(field))):
                if target not in names:
                    self._problem((*key, where), f"there is no sink {target!r}", nearest(target, names))
            if section == "routes" and isinstance(name := entry.get("name"), str):
                if name in seen:
                    self._problem((*key, "name"), f"another route is called {name!r}", "each needs a name of its own")
                seen.add(name)

    def _check_match(self, match: dict[str, Any], key: Key) -> None:
        for name, wanted in match.items():
            try:
                compile_match({name: wanted})
            except MatchError as error:
                self._problem((*key, name), str(error), match_hint(error))

    def _check_given(self, given: dict[str, Any], key: Key) -> None:
        """One fact after the other, so that all mistakes are told; then all together."""
        before = len(self._problems)
        for name, value in given.items():
            alone = {} if name in ("channel", "domain", "action") else {"channel": "tickstock:monitoring"}
            alone |= {"domain": "monitoring"} if name == "action" else {}
            self._try_given(alone | {name: value}, key)
        if len(self._problems) == before:
            self._try_given(given, key)

    def _try_given(self, given: dict[str, Any], key: Key) -> None:
        try:
            from_facts(given, datetime.now(UTC))
        except SpecimenError as error:
            hint = nearest(error.key, FACTS) if isinstance(error, UnknownFactError) else ""
            self._problem((*key, error.key) if error.key else key, str(error), hint)

    def _check_throttle(self, throttle: Any, key: Key) -> None:
        for field in _strings(throttle.get("by")) if isinstance(throttle, dict) else ():
            try:
                field_getter(field)
            except MatchError as error:
                self._problem((*key, "throttle", "by"), str(error), match_hint(error))

    def _check_listen(self, http: HttpOptions | None) -> None:
        if http is None or ("http", "token") in self._unset:
            return
        if http.enabled and http.token is None and not is_loopback(http.address[0]):
            self._problem(
                ("http", "listen"),
                f"{http.listen} can be reached from other machines",
                "set http.token, or use 127.0.0.1",
            )

    def _check_links(self, links: LinksOptions | None, http: HttpOptions | None) -> None:
        """Who comes through a proxy comes from this machine, so only the token keeps strangers out."""
        if links is None or links.public_url is None or http is None or ("http", "token") in self._unset:
            return
        if not http.enabled:
            self._problem(("links", "public_url"), "there are no pages: http.enabled is false")
        elif http.token is None:
            hint = "set http.token; browsers ask for it as the password"
            self._problem(("links", "public_url"), "opens the relay's pages to other machines", hint)

    def _check_redis(self, redis: RedisOptions | None) -> None:
        """The address, as far as it can be known without a Redis. It is a secret: nothing of it is shown."""
        url = redis.url.get_secret_value() if redis is not None else ""
        try:
            wrong = _wrong_with(url)
        except ValueError as error:
            wrong = str(error) if "sentinel" in str(error) else "its port is not a number from 0 to 65535"
        if wrong:
            self._problem(("redis", "url"), wrong)


def _wrong_with(url: str) -> str:
    """What is wrong with an address of Redis; empty when nothing is.

    Raises:
        ValueError: its host or port cannot be read, or a Sentinel's URL has another form.
    """
    parts = urlsplit(url)
    if "#" in url or "@" in parts.query:
        return "holds a # or ? that is not written as %23 or %3F; what is behind it would be ignored"
    if parts.scheme.endswith("+sentinel"):
        from relay.config.sentinel_url import parse_sentinel_url  # noqa: PLC0415 - with redis-py, only for who needs it

        parse_sentinel_url(url)
        return ""
    if parts.scheme == "unix":
        return "" if parts.path else "write unix:///path/to/redis.sock"
    _ = parts.port
    return "" if re.fullmatch(r"/?\d*", parts.path) else "its path must be the number of a database, such as /0"


def _alone(model: type[M], section: Any) -> M | None:
    """A section by itself, so that mistakes elsewhere do not hide its own; None when it is wrong, which was told."""
    try:
        return model.model_validate({} if section is None else section)
    except ValidationError:
        return None


def _is_as_written(key: Key) -> bool:
    """Whether a scalar stands for its text there: in a route's conditions, and in what a test's event has as text."""
    match key:
        case ("routes", int(), "match", *_):
            return True
        case ("tests", int(), "given", name):
            return name in TEXTS
    return False


def _dotted(key: Key) -> str:
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _strings(value: Any) -> Iterable[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
