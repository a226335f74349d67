"""config.yaml -> Settings. Every mistake is reported at once, with its line, key and what would be right.

Environment variables (`${NAME}`, `${NAME:-default}`) are put in after parsing, so that a secret's characters can never
become YAML. What the sections may say is in `relay.settings` and in each sink's own options.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from relay.matching import FIELDS, MatchError, compile_match, field_getter
from relay.settings import Settings
from relay.yaml_tree import Document, YamlError, parse
from relay.yaml_tree import Path as Key
from sinks.registry import UnknownSinkError, sink_class, sink_names

LOOPBACK = ("127.", "localhost", "::1")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, what, and what would be right."""

    line: int
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return (
            f"line {self.line}: {self.key}: {self.message}{hint}" if self.key else f"line {self.line}: {self.message}"
        )


class ConfigError(Exception):
    """The configuration cannot be used; its text lists every problem."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{path}: {count}", *(f"  {problem}" for problem in self.problems)]))


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check a configuration.

    Raises:
        ConfigError: it cannot be read, or has mistakes; all of them are in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(path, [Problem(1, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, [Problem(line, "", "is not UTF-8 text")]) from None
    try:
        document = parse(text)
    except YamlError as error:
        raise ConfigError(path, [Problem(error.line, "", f"not YAML: {error}")]) from None
    return _Reader(path, document, os.environ if environment is None else environment).settings()


class _Reader:
    """One reading of one document; collects problems until the end."""

    def __init__(self, path: Path, document: Document, environment: Mapping[str, str]) -> None:
        self._path = path
        self._document = document
        self._environment = environment
        self._problems = [
            Problem(line, _dotted(key), "is written twice", "keep one of them") for key, line in document.repeated
        ]

    def settings(self) -> Settings:
        values = {} if self._document.values is None else self._expanded(self._document.values, ())
        if not isinstance(values, dict):
            raise ConfigError(self._path, [Problem(1, "", "must be a mapping of sections such as `redis:`")])
        settings = self._validated(Settings, values, ())
        sinks = values.get("sinks")
        self._check_sinks(sinks if isinstance(sinks, dict) else {})
        for section in ("routes", "tests"):
            entries = values.get(section)
            self._check_entries(section, entries if isinstance(entries, list) else [], sinks)
        if isinstance(settings, Settings):
            self._check_listen(settings)
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
        return _VARIABLE.sub(lambda found: self._variable(found, key), value) if isinstance(value, str) else value

    def _variable(self, found: re.Match[str], key: Key) -> str:
        name, default = found[1], found[2]
        value = self._environment.get(name)
        if value is None and default is None:
            self._problem(key, f"the environment has no {name}", f"set it, or write ${{{name}:-default}}")
        return value if value is not None else default or ""

    def _validated(self, model: type[BaseModel], values: dict[str, Any], key: Key) -> BaseModel | None:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False, include_context=False):
                where = tuple(part for part in found["loc"] if not _is_tag(part))
                hint = ""
                if found["type"] == "extra_forbidden":
                    hint = _nearest(str(where[-1]), _fields(model, where[:-1]))
                self._problem((*key, *where), _plain(found["type"], found["msg"]), hint)
            return None

    def _check_sinks(self, sinks: dict[Any, Any]) -> None:
        for name, options in sinks.items():
            key: Key = ("sinks", name)
            if not isinstance(options, dict):
                continue  # reported with the section
            kind = options.get("type")
            if not isinstance(kind, str):
                self._problem(key, "has no type", "one of " + ", ".join(sink_names()))
                continue
            try:
                model = sink_class(kind).Options
            except UnknownSinkError as error:
                self._problem((*key, "type"), str(error), _nearest(kind, sink_names()))
                continue
            self._validated(model, {k: v for k, v in options.items() if k != "type"}, key)

    def _check_entries(self, section: str, entries: list[Any], sinks: Any) -> None:
        """What pydantic cannot know of routes and tests: conditions, and the sinks' names."""
        names = [str(name) for name in sinks] if isinstance(sinks, dict) else []
        conditions, targets = ("match", "to") if section == "routes" else ("given", "expect")
        seen: set[object] = set()
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                continue
            key: Key = (section, index)
            match = entry.get(conditions)
            if section == "routes" and isinstance(match, dict):
                self._check_match(match, (*key, conditions))
            self._check_throttle(entry.get("throttle"), key)
            for target in _strings(entry.get(targets)):
                if target not in names:
                    self._problem((*key, targets), f"there is no sink {target!r}", _nearest(target, names))
            if section == "routes" and (name := entry.get("name")) in seen:
                self._problem((*key, "name"), f"another route is called {name!r}")
            seen.add(entry.get("name"))

    def _check_match(self, match: dict[str, Any], key: Key) -> None:
        for name, wanted in match.items():
            try:
                compile_match({name: wanted})
            except MatchError as error:
                self._problem((*key, name), str(error), _nearest(error.key, FIELDS))

    def _check_throttle(self, throttle: Any, key: Key) -> None:
        for field in _strings(throttle.get("by")) if isinstance(throttle, dict) else ():
            try:
                field_getter(field)
            except MatchError as error:
                self._problem((*key, "throttle", "by"), str(error), _nearest(field, FIELDS))

    def _check_listen(self, settings: Settings) -> None:
        http = settings.http
        if http.enabled and http.token is None and not http.address[0].startswith(LOOPBACK):
            self._problem(
                ("http", "listen"),
                f"{http.listen} can be reached from other machines",
                "set http.token, or use 127.0.0.1",
            )


def _dotted(key: Key) -> str:
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _strings(value: Any) -> Iterable[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else "one of " + ", ".join(known) if known else ""


def _is_tag(part: str | int) -> bool:
    """Whether pydantic put this part into a location itself, for a branch of a union."""
    return isinstance(part, str) and ("[" in part or part in ("str", "int", "float", "bool", "function-before"))


def _plain(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not known here"
    return message.removeprefix("Value error, ").replace("Input should be", "should be")


def _fields(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys that are known at `path` below `model`."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _models_in(field.annotation) if field else []
        if not inner:
            return []
        model = inner[0]
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
