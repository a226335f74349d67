"""config.yaml -> Settings. Every mistake is reported at once, with its line, key and what would be right.

What the sections may say is in `relay.config.settings` and in each sink's own options; what none of them can know by
itself is in `relay.config.cross_checks`.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from relay.config import environment as connections
from relay.config.cross_checks import check_http, check_redis, check_routes, check_sinks, check_tests
from relay.config.links import LinksOptions
from relay.config.messages import yaml_hint
from relay.config.problems import ConfigError, Problem, Problems
from relay.config.settings import HttpOptions, RedisOptions, Settings
from relay.config.variables import Variables
from relay.config.yaml_tree import Document, YamlError, parse

__all__ = ["ConfigError", "load"]

MAX_BYTES = 4 << 20
"""A configuration that is larger is another file, or `/dev/zero`."""
NO_FILE = "name yours with --config, or copy the documented default, config.yaml of the source"
M = TypeVar("M", bound=BaseModel)


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
    text = _text_of(path)
    try:
        document = parse(text)
    except YamlError as error:
        raise ConfigError(path, [Problem(error.line, "", f"not YAML: {error}", yaml_hint(str(error)))]) from None
    if only is not None and isinstance(document.values, dict):
        document = document.with_only(only)
    environment = os.environ if environment is None else environment
    problems = Problems(document)
    if only is None:  # what it says about connections is as much a part of the configuration as the file
        for variable, message in connections.problems(environment):
            problems.noted.append(Problem(0, variable, message, "from the environment"))
    values = Variables(document, text, environment, problems).expanded(_values_of(document))
    if not isinstance(values, dict):
        raise ConfigError(path, [Problem(1, "", "must be a mapping of sections such as `redis:`")])
    settings = problems.validated(Settings, values, ())
    _cross_check(values, settings, problems)
    if problems.noted or settings is None:
        raise ConfigError(path, problems.noted)
    return settings


def _text_of(path: Path) -> str:
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
    return text


def _values_of(document: Document) -> Any:
    """An empty file is a configuration of defaults."""
    return {} if document.values is None else document.values


def _cross_check(values: Mapping[str, Any], settings: Settings | None, problems: Problems) -> None:
    """Each check with what it needs, so that mistakes elsewhere do not hide what it has to say."""
    sinks = _as(dict, values.get("sinks"))
    names = [str(name) for name in sinks]
    check_sinks(sinks, settings, problems)
    check_routes(_as(list, values.get("routes")), names, problems)
    check_tests(_as(list, values.get("tests")), names, problems)
    check_http(_alone(HttpOptions, values.get("http")), _alone(LinksOptions, values.get("links")), problems)
    check_redis(_alone(RedisOptions, values.get("redis")), problems)


def _as(kind: type[Any], section: Any) -> Any:
    """The section, or an empty one where it is of another type, which was noted."""
    return section if isinstance(section, kind) else kind()


def _alone(model: type[M], section: Any) -> M | None:
    """A section by itself; None when it is wrong, which was noted."""
    try:
        return model.model_validate({} if section is None else section)
    except ValidationError:
        return None
