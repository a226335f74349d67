"""YAML 1.2 (core schema) with the line of every key, for error messages that say where; `${…}` needs no quotes."""

import re
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

from relay.events.scalars import core_value

Path = tuple[str | int, ...]

MOST_VALUES = 50_000
"""Of one document, with what anchors repeat: ten times as many as a thousand routes have."""
_VARIABLE = re.compile(r"\$\{(?:[^}$\r\n]|\$(?!\{))*\}")
_STAND_IN = re.compile("\ue000(\\d+)\ue001")
"""What stands for a `${…}` while YAML is parsed: its braces would end a value in `{…}`. Private-use characters."""
_SCALAR_TAGS: dict[type, str] = {
    kind: f"tag:yaml.org,2002:{name}"
    for kind, name in ((type(None), "null"), (bool, "bool"), (int, "int"), (float, "float"), (str, "str"))
}
_TEXT, _FLOAT, _NULL = _SCALAR_TAGS[str], _SCALAR_TAGS[float], _SCALAR_TAGS[type(None)]
_WRITTEN_TAGS = frozenset(_SCALAR_TAGS[kind] for kind in (bool, int, float))
_STARTED_BEFORE = ("end of stream", "end of file", "document separator")
"""What YAML stumbles over at the very end was begun somewhere else: that line is the one to show."""


class YamlError(ValueError):
    """Not YAML; `line` is where (1 is the first)."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class Document:
    """The values, and for each path the line on which it is written."""

    values: Any
    lines: dict[Path, int] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    """The text of each number and boolean: `0123`, where the value is 123."""
    repeated: list[tuple[Path, int]] = field(default_factory=list)
    """Keys that are written twice in one mapping: YAML would silently take the last."""

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that is written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def with_only(self, sections: Collection[str]) -> "Document":
        """These top-level keys, as if the others were not written."""
        values = {key: value for key, value in self.values.items() if key in sections}
        repeated = [(key, line) for key, line in self.repeated if key[0] in sections]
        return Document(values, self.lines, self.written, repeated)


def parse(text: str) -> Document:
    """Read one YAML document.

    Raises:
        YamlError: it is not YAML.
    """
    variables: list[str] = []

    def stand_in(found: re.Match[str]) -> str:
        variables.append(found[0])
        return f"\ue000{len(variables) - 1}\ue001"

    readable = _VARIABLE.sub(stand_in, text)
    try:
        loader = _Loader(readable)
        node = loader.get_single_node()
        document = Document(None)
        if node is not None:
            _weigh(node, {})
            _restore(node, variables, set())
            _walk(node, (), document, loader)
            document.values = loader.construct_document(node)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        raise YamlError(_restored(error.problem or "not YAML", variables), _line(error)) from None
    except RecursionError:
        raise YamlError("it nests too deep, or an anchor (&) is used inside itself", 1) from None
    except yaml.reader.ReaderError as error:
        line = readable.count("\n", 0, error.position) + 1
        raise YamlError(f"the character U+{ord(readable[error.position]):04X} may not stand in it", line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(" ".join(str(error).split()) or "not YAML", 1) from None
    return document


class _Loader(yaml.SafeLoader):
    """Reads scalars by YAML 1.2's core schema, keys as text; PyYAML's own are those of 1.1, where ON is true.

    Gives up a document that has too many values as soon as it is so far: reading on would take minutes.
    """

    count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.count += 1
        if self.count > MOST_VALUES:
            raise YamlError(f"it has more than {MOST_VALUES:,} values", self.line + 1)
        return super().compose_node(parent, index)

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        """The tag of a node; of a scalar `implicit[0]` says whether it is written without quotes."""
        if kind is yaml.ScalarNode:
            return _SCALAR_TAGS[type(core_value(value))] if implicit[0] else _TEXT
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Its keys are text as written: `on`, `1.10` and `null` too."""
        node = super().compose_mapping_node(anchor)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.style is None and key.value == "<<":
                raise YamlError("<< is no key of YAML 1.2", key.start_mark.line + 1)
        node.value = [(_as_text(key), value) for key, value in node.value]
        return node


def _as_text(key: yaml.Node) -> yaml.Node:
    if not isinstance(key, yaml.ScalarNode) or key.tag not in _WRITTEN_TAGS | {_NULL}:
        return key
    return yaml.ScalarNode(_TEXT, key.value, key.start_mark, key.end_mark, key.style)


def _construct(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float | bool | None:
    value = core_value(str(loader.construct_scalar(node)))
    if isinstance(value, str) or node.tag not in (_SCALAR_TAGS[type(value)], *([_FLOAT] * (type(value) is int))):
        raise YamlError(f"{node.value!r} is not what its tag says", node.start_mark.line + 1)
    return float(value) if node.tag == _FLOAT and value is not None else value


for _tag in (_NULL, *_WRITTEN_TAGS):
    _Loader.add_constructor(_tag, _construct)


def _weigh(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values `node` stands for, each anchor counted wherever it is used.

    Raises:
        YamlError: too many; the line is that of the first thing that is too much.
    """
    if id(node) not in known:
        weight = 1
        if isinstance(node, yaml.SequenceNode):
            weight += sum(_weigh(item, known) for item in node.value)
        elif isinstance(node, yaml.MappingNode):
            weight += sum(_weigh(part, known) for pair in node.value for part in pair)
        if weight > MOST_VALUES:
            problem = f"anchors (&) that are used again and again make more than {MOST_VALUES:,} values of it"
            raise YamlError(problem, node.start_mark.line + 1)
        known[id(node)] = weight
    return known[id(node)]


def _line(error: yaml.MarkedYAMLError) -> int:
    begun_before = any(word in (error.problem or "") for word in _STARTED_BEFORE)
    marks = [error.problem_mark, error.context_mark]
    mark = next(filter(None, reversed(marks) if begun_before else marks), None)
    return mark.line + 1 if mark else 1


def _restored(text: str, variables: list[str]) -> str:
    return _STAND_IN.sub(lambda found: variables[int(found[1])] if int(found[1]) < len(variables) else found[0], text)


def _restore(node: yaml.Node, variables: list[str], seen: set[int]) -> None:
    """Put the `${…}` back into every scalar."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        node.value = _restored(node.value, variables)
        return
    for item in node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]:
        _restore(item, variables, seen)


def _walk(node: yaml.Node, path: Path, document: Document, loader: yaml.SafeLoader) -> None:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode) and node.tag in _WRITTEN_TAGS:
        document.written[path] = node.value
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), document, loader)
    elif isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key_node, value in node.value:
            key = loader.construct_object(key_node, deep=True)
            below = (*path, key if isinstance(key, int) else str(key))
            if isinstance(key, Hashable) and key in seen:
                document.repeated.append((below, key_node.start_mark.line + 1))
            if isinstance(key, Hashable):
                seen.add(key)
            document.lines[below] = key_node.start_mark.line + 1
            _walk(value, below, document, loader)
