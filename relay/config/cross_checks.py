"""What no section of a configuration can know by itself: sinks, routes and addresses held against one another."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import parse_qs, urlsplit

from relay.config.links import LinksOptions
from relay.config.messages import match_hint, nearest
from relay.config.problems import Problems
from relay.config.redis_globs import matches
from relay.config.settings import HttpOptions, RedisOptions, Settings
from relay.config.yaml_tree import Path as Key
from relay.events.matching import MatchError, compile_match, field_getter
from relay.normalize.sample import FACTS, SpecimenError, UnknownFactError, from_facts
from sinks.addresses import is_loopback
from sinks.append_file import is_same
from sinks.registry import UnknownSinkError, sink_class, sink_names


def check_sinks(sinks: Mapping[Any, Any], settings: Settings | None, problems: Problems) -> None:
    """Each sink by the options of its type, and whether it would write or publish where another part does.

    `settings` is None where a section is wrong.
    """
    writers = {settings.quarantine_file: "the quarantine"} if settings is not None else {}
    for name, options in sinks.items():
        key: Key = ("sinks", name)
        if not str(name).strip():
            problems.note(key, "a sink needs a name")
        if not isinstance(options, dict):
            continue  # noted with the section
        kind = options.get("type")
        if not isinstance(kind, str):
            problems.note(key, "has no type", "one of " + ", ".join(sink_names()))
            continue
        try:
            model = sink_class(kind).Options
        except UnknownSinkError as error:
            problems.note((*key, "type"), str(error), nearest(kind, sink_names()))
            continue
        read = problems.validated(model, {k: v for k, v in options.items() if k != "type"}, key)
        if read is None:
            continue
        if (file := read.writes_to()) is not None:
            _check_target(file, key, writers, problems)
            writers[file] = f"the sink {name}"
        if settings is not None and (channel := read.publishes_to()) is not None:
            _check_channel(channel, (*key, "channel"), settings.redis.patterns, problems)


def _check_target(file: Path, key: Key, writers: Mapping[Path, str], problems: Problems) -> None:
    for other, who in writers.items():
        if is_same(file, other):
            problems.note(key, f"writes to the same file as {who}, {file}", "each needs a file of its own")


def _check_channel(channel: str, key: Key, patterns: Iterable[str], problems: Problems) -> None:
    """A sink whose messages the relay would receive itself feeds itself for ever."""
    for pattern in patterns:
        if matches(pattern, channel):
            hint = "choose another channel, or narrower patterns"
            problems.note(key, f"the relay itself subscribes to {channel} by redis.patterns: {pattern}", hint)


def check_routes(routes: Iterable[Any], sinks: Iterable[str], problems: Problems) -> None:
    """Conditions, throttles, the sinks' names, and that no two routes are called the same."""
    seen: set[object] = set()
    for key, route in _mappings("routes", routes):
        match = route.get("match")
        if _has_names(match):
            _check_match(match, (*key, "match"), problems)
        _check_throttle(route.get("throttle"), key, problems)
        _check_targets(route, ("to",), key, sinks, problems)
        name = route.get("name")
        if isinstance(name, str):
            if name in seen:
                problems.note((*key, "name"), f"another route is called {name!r}", "each needs a name of its own")
            seen.add(name)


def check_tests(tests: Iterable[Any], sinks: Iterable[str], problems: Problems) -> None:
    """That each test's facts make an event, and the sinks' names."""
    for key, test in _mappings("tests", tests):
        given = test.get("given")
        if _has_names(given):
            _check_given(given, (*key, "given"), problems)
        _check_targets(test, ("expect", "expect_at_least"), key, sinks, problems)


def _mappings(section: str, entries: Iterable[Any]) -> Iterable[tuple[Key, dict[str, Any]]]:
    """The entries of a list that are mappings; the others are noted with the section."""
    return (((section, index), entry) for index, entry in enumerate(entries) if isinstance(entry, dict))


def _has_names(conditions: Any) -> TypeGuard[dict[str, Any]]:
    """Whether it is a mapping of which all keys are texts; else that is noted with the section."""
    return isinstance(conditions, dict) and all(isinstance(name, str) for name in conditions)


def _check_targets(
    entry: Mapping[str, Any], fields: Iterable[str], key: Key, sinks: Iterable[str], problems: Problems
) -> None:
    for field in fields:
        for target in _strings(entry.get(field)):
            if target not in sinks:
                problems.note((*key, field), f"there is no sink {target!r}", nearest(target, sinks))


def _check_match(match: dict[str, Any], key: Key, problems: Problems) -> None:
    for name, wanted in match.items():
        try:
            compile_match({name: wanted})
        except MatchError as error:
            problems.note((*key, name), str(error), match_hint(error))


def _check_given(given: dict[str, Any], key: Key, problems: Problems) -> None:
    """One fact after the other, so that all mistakes are told; then all together."""
    before = len(problems.noted)
    for name, value in given.items():
        alone = {} if name in ("channel", "domain", "action") else {"channel": "tickstock:monitoring"}
        alone |= {"domain": "monitoring"} if name == "action" else {}
        _try_given(alone | {name: value}, key, problems)
    if len(problems.noted) == before:
        _try_given(given, key, problems)


def _try_given(given: dict[str, Any], key: Key, problems: Problems) -> None:
    try:
        from_facts(given, datetime.now(UTC))
    except SpecimenError as error:
        hint = nearest(error.key, FACTS) if isinstance(error, UnknownFactError) else ""
        problems.note((*key, error.key) if error.key else key, str(error), hint)


def _check_throttle(throttle: Any, key: Key, problems: Problems) -> None:
    for field in _strings(throttle.get("by")) if isinstance(throttle, dict) else ():
        try:
            field_getter(field)
        except MatchError as error:
            problems.note((*key, "throttle", "by"), str(error), match_hint(error))


def check_http(http: HttpOptions | None, links: LinksOptions | None, problems: Problems) -> None:
    """That no stranger can read the pages: neither by an address nor through a proxy."""
    if http is None or ("http", "token") in problems.unset:
        return
    if http.enabled and http.token is None and not is_loopback(http.address[0]):
        hint = "set http.token, or use 127.0.0.1"
        problems.note(("http", "listen"), f"{http.listen} can be reached from other machines", hint)
    if links is None or links.public_url is None:
        return
    if not http.enabled:
        problems.note(("links", "public_url"), "there are no pages: http.enabled is false")
    elif http.token is None:  # who comes through a proxy comes from this machine: only the token keeps strangers out
        hint = "set http.token; browsers ask for it as the password"
        problems.note(("links", "public_url"), "opens the relay's pages to other machines", hint)


def check_redis(redis: RedisOptions | None, problems: Problems) -> None:
    """The address, as far as it can be known without a Redis. It is a secret: nothing of it is shown."""
    url = redis.url.get_secret_value() if redis is not None else ""
    try:
        wrong = _wrong_with(url)
    except ValueError as error:
        wrong = str(error) if "sentinel" in str(error) else "its port is not a number from 0 to 65535"
    if wrong:
        problems.note(("redis", "url"), wrong)


def _wrong_with(url: str) -> str:
    """What is wrong with an address of Redis; empty when nothing is.

    Raises:
        ValueError: its host or port cannot be read, or a Sentinel's URL has another form.
    """
    parts = urlsplit(url)
    if "#" in url or "@" in parts.query:
        return "holds a # or ? that is not written as %23 or %3F; what is behind it would be ignored"
    if any(name.startswith("ssl_") for name in parse_qs(parts.query, keep_blank_values=True)):
        return "its ?ssl_… options are not read; write redis.tls with ca_file, cert_file, key_file or check_hostname"
    if parts.scheme.endswith("+sentinel"):
        from relay.config.sentinel_url import parse_sentinel_url  # noqa: PLC0415 - with redis-py, only for who needs it

        parse_sentinel_url(url)
        return ""
    if parts.scheme == "unix":
        return "" if parts.path else "write unix:///path/to/redis.sock"
    _ = parts.port
    return "" if re.fullmatch(r"/?\d*", parts.path) else "its path must be the number of a database, such as /0"


def _strings(value: Any) -> Iterable[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
