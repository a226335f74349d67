"""YAML with the line of every key, for error messages that say where."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


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
    repeated: list[tuple[Path, int]] = field(default_factory=list)
    """Keys that are written twice in one mapping: YAML would silently take the last."""

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that is written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str) -> Document:
    """Read one YAML document.

    Raises:
        YamlError: it is not YAML.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        document = Document(None)
        if node is not None:
            _walk(node, (), document, loader)
            document.values = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(error.problem or "not YAML", mark.line + 1 if mark else 1) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(" ".join(str(error).split()) or "not YAML", 1) from None
    return document


def _walk(node: yaml.Node, path: Path, document: Document, loader: yaml.SafeLoader) -> None:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), document, loader)
    elif isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key_node, value in node.value:
            key = loader.construct_object(key_node, deep=True)
            below = (*path, key if isinstance(key, int) else str(key))
            if isinstance(key, Hashable) and key in seen and key != "<<":
                document.repeated.append((below, key_node.start_mark.line + 1))
            seen.add(key)
            document.lines[below] = key_node.start_mark.line + 1
            _walk(value, below, document, loader)
