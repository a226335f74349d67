# ruff: noqa: INP001 - a script beside the pages that it writes
"""Writes docs/config.md and docs/metrics.md from the code: `python -m docs.generate`. A test holds them current."""

import asyncio
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from relay.config.settings import Settings
from relay.daemon import Daemon
from relay.lanes.build import SinkEnvironment, make_sink
from sinks.options import parse_duration, parse_size
from sinks.registry import sink_class
from sinks.socketio.emits import markdown as emits
from tests.support.missed_run_table import markdown

HERE = Path(__file__).parent
SINKS: dict[str, dict[str, Any]] = {
    "prometheus": {},
    "jsonl": {"directory": "archive"},
    "slack": {"token": "xoxb-0", "channel": "#ops"},
    "socketio": {},
    "webhook": {"url": "https://app.example/hook"},
}
"""The sinks that come with the relay, with the least that each must be told."""
UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
GENERATED_TABLE = "<!-- Written by `python -m docs.generate` from docs/missed-run.in.md and the table of the tests. -->"
GENERATED_EMITS = "<!-- Written by `python -m docs.generate` from docs/web-app.in.md and the sink's table. -->"
GENERATED = "<!-- Written by `python -m docs.generate` from the code; change it there. -->"


def config_page() -> str:
    """Every key of config.yaml."""
    lines = [
        "# Configuration reference",
        "",
        GENERATED,
        "",
        "Every key that `config.yaml` may have. The commented default at the top level is the place to begin;",
        "`tickstock-relay check` tells mistakes with their line, `tickstock-relay schema config` prints JSON Schema.",
        "",
        "A duration is `30s`, `5m`, `1h30m` or `400d`, a size `512KB`, `64MB` or `1GB` (powers of two). `${NAME}` and",
        "`${NAME:-default}` come from the environment. Every *secret* `x` may be given as `x_file: PATH` instead. A",
        "key with nothing behind it is its default.",
        "",
        "The file is YAML 1.2 (core schema): `yes`, `no`, `on`, `off`, `16:10`, `1_000` are text, `0123` is 123, all",
        "keys are text, there are no merge keys (`<<`): write the merged keys out. In `match` a value, quoted or not,",
        "equals a JSON string by its text as written and a JSON number or boolean by value: `1.10` takes",
        '`"1.10"` and `1.1`, `TRUE` takes `"TRUE"` and `true`, `ON` only `"ON"`. `null` takes `null` and what is',
        "absent. The texts in a `given` of `tests` are as written, too; its payload has YAML's values.",
        *_model(Settings, "", "Top level"),
    ]
    for name in SINKS:
        options = sink_class(name).Options
        lines += _model(options, "", f"A sink of type `{name}`", intro=f"Below `sinks.<name>`, with `type: {name}`.")
    return "\n".join(lines).rstrip() + "\n"


def metrics_page() -> str:
    """Every metric that `/metrics` may show."""
    lines = [
        "# Metrics",
        "",
        GENERATED,
        "",
        "What the relay serves at `/metrics`. The names are an interface: they are kept. Counts begin at zero with",
        "each start; what is about runs is on disk and survives it.",
    ]
    for title, rows in asyncio.run(_tables()).items():
        lines += ["", f"## {title}", "", "| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in sorted(rows)]
    return "\n".join(lines) + "\n"


def missed_run_page() -> str:
    """When the day's run counts as started, and when it is reported missing; the table is the test's own."""
    text = (HERE / "missed-run.in.md").read_text(encoding="utf-8")
    return text.replace("<!-- TABLE -->", "\n".join(markdown())).replace("<!-- GENERATED -->", GENERATED_TABLE)


def web_app_page() -> str:
    """What the web app needs; the table of emits is the sink's own."""
    text = (HERE / "web-app.in.md").read_text(encoding="utf-8")
    return text.replace("<!-- TABLE -->", "\n".join(emits())).replace("<!-- GENERATED -->", GENERATED_EMITS)


def _model(model: type[BaseModel], path: str, title: str, intro: str = "") -> Iterator[str]:
    """The section of one model, and those of the models in it."""
    yield from ("", f"## {title}", "", intro or _cell(model.__doc__ or ""), "")
    yield from ("| key | type | default | meaning |", "| --- | --- | --- | --- |")
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        found = _models_in(field.annotation)
        inner += [(f"{path}{key}{_below(field.annotation)}", other) for other in found]
        kind = _type(field.annotation, field.metadata)
        yield f"| `{key}` | {kind} | {_default(field)} | {_cell(field.description)} |"
    for below, other in inner:
        yield from _model(other, f"{below}.", f"`{below}`")


def _below(annotation: Any) -> str:
    """What stands between a key and the keys of the models in it."""
    text = str(annotation)
    return "[]" if text.startswith("list[") else ".<name>" if text.startswith("dict[") else ""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _type(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """The type in a user's words."""
    readers = [each.func for each in metadata if isinstance(each, BeforeValidator)]
    if parse_duration in readers or parse_size in readers:
        return "duration" if parse_duration in readers else "size"
    origin, inner = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _type(inner[0], annotation.__metadata__)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in inner)
    if origin in (Union, UnionType):
        return " or ".join(_type(each) for each in inner if each is not type(None))
    if origin in (list, tuple):
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return f"mapping of names to {_type(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    names = {str: "text", int: "number", float: "number", bool: "true or false", SecretStr: "secret", Path: "path"}
    return names.get(annotation) or ("options" if annotation is Any else _choices(annotation))


def _choices(annotation: Any) -> str:
    """The values of an enumeration; the type's own name otherwise."""
    values = [f"`{member.value}`" for member in annotation] if hasattr(annotation, "__members__") else []
    return " or ".join(values) or annotation.__name__


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or value == () or isinstance(value, BaseModel):
        return ""
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`"
    kind = _type(field.annotation, field.metadata)
    if kind == "duration":
        return f"`{_span(value)}`"
    if kind == "size":
        return f"`{_size(value)}`"
    if isinstance(value, dict) and any(isinstance(each, BaseModel) for each in value.values()):
        return "; ".join(f"`{name}: {_given(each)}`" for name, each in value.items())
    return f"`{_cell(json.dumps(value, default=str)).strip(chr(34))}`"


def _given(model: BaseModel) -> str:
    """The part of a model that was given, in braces."""
    given = model.model_dump(exclude_unset=True)
    return "{" + ", ".join(f"{name}: {value}" for name, value in given.items()) + "}"


def _span(seconds: float) -> str:
    if seconds != int(seconds) or seconds == 0:
        return f"{seconds * 1000:g}ms" if seconds else "0s"
    text, left = "", int(seconds)
    for size, unit in UNITS:
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text


def _size(count: int) -> str:
    for shift, unit in ((30, "GB"), (20, "MB"), (10, "KB")):
        if count >= 1 << shift and count % (1 << shift) == 0:
            return f"{count >> shift}{unit}"
    return str(count)


async def _tables() -> dict[str, list[tuple[str, ...]]]:
    """The rows of the daemon's own families, and those of the sinks'; in a loop, as a daemon is made in one."""
    with tempfile.TemporaryDirectory() as directory:
        parts = Daemon(Settings(state_dir=Path(directory)), Path(directory) / "config.yaml").parts
        around = SinkEnvironment(
            clock=parts.clock, store=parts.store, outbox=parts.outbox, muted=lambda _: None, user_agent="docs"
        )
        sinks = [make_sink(name, {"type": name, **options}, around) for name, options in SINKS.items()]
        own = [row for registry in parts.registries for row in _families(registry)]
        theirs = [row for sink in sinks for row in _families(sink.context.registry)]
        parts.store.close()
    return {"Of the relay, of runs and of the watchdog": own, "Of the sink `prometheus`": theirs}


def _families(registry: CollectorRegistry) -> Iterator[tuple[str, ...]]:
    """Name, type, labels and meaning of each family."""
    for collector in registry._collector_to_names:  # noqa: SLF001 - the library tells label names nowhere else
        for family in collector.collect():
            source = collector if isinstance(collector, MetricWrapperBase) else family
            labels = ", ".join(f"`{label}`" for label in getattr(source, "_labelnames", ()))
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            yield f"`{family.name}{suffix}`", family.type, labels, _cell(family.documentation)


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


PAGES = {
    "config.md": config_page,
    "metrics.md": metrics_page,
    "missed-run.md": missed_run_page,
    "web-app.md": web_app_page,
}


if __name__ == "__main__":
    for page, text in PAGES.items():
        (HERE / page).write_text(text(), encoding="utf-8")
