"""`tickstock-relay schema`: what may be written, and what is written, as JSON Schema."""

import json
from typing import Any

import click

_FROM_ENVIRONMENT = {"type": "string", "pattern": r"\$\{[A-Za-z_]"}


@click.command()
@click.argument("what", type=click.Choice(["config", "event"]))
def command(what: str) -> None:
    """Print the JSON Schema of config.yaml, or of an archived event: for editors, and for readers of the archive."""
    click.echo(json.dumps(_config() if what == "config" else _event(), indent=2))


def _config() -> dict[str, Any]:
    """The sections' schema, with each sink's own options by its type."""
    from relay.config.settings import Settings
    from sinks.registry import sink_class, sink_names

    schema = Settings.model_json_schema()
    kinds = []
    for name in sink_names():
        options = sink_class(name).Options.model_json_schema(ref_template=f"#/$defs/sink_{name}_{{model}}")
        for inner, definition in options.pop("$defs", {}).items():
            schema["$defs"][f"sink_{name}_{inner}"] = definition
        options["properties"] = {"type": {"const": name}, **options.get("properties", {})}
        options["required"] = ["type", *options.get("required", [])]
        kinds.append(options)
    schema["properties"]["sinks"]["additionalProperties"] = {"oneOf": kinds}
    for part in (schema, *schema["$defs"].values(), *kinds):
        _as_written(part)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _as_written(part: dict[str, Any]) -> None:
    """What a file may say beyond what the value is: `${NAME}` for anything, `x_file` for a secret, nothing at all."""
    properties: dict[str, dict[str, Any]] = part.get("properties", {})
    for name, value in list(properties.items()):
        if name == "type" and "const" in value:
            continue
        described = {key: value[key] for key in ("description", "default") if key in value}
        bare = {key: inner for key, inner in value.items() if key not in described}
        nothing = [] if name in part.get("required", ()) else [{"type": "null"}]
        properties[name] = {"anyOf": [bare, _FROM_ENVIRONMENT, *nothing]} | described
        if '"password"' in json.dumps(bare):
            properties[f"{name}_file"] = {"type": "string", "description": f"A file that holds `{name}`."}
            part["required"] = [other for other in part.get("required", ()) if other != name]


def _any_object(_: type) -> dict[str, Any]:
    """The payload is whatever the publisher put there, but an object."""
    return {"type": "object"}


def _event() -> dict[str, Any]:
    """The written form of an event."""
    import msgspec

    from relay.events import Record

    schema = msgspec.json.schema(Record, schema_hook=_any_object)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
