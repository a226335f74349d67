"""The project's own sources as trees, for tests of what the code may look like."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path


def trees(paths: Iterable[Path], *words: str) -> Iterator[tuple[Path, ast.Module]]:
    """Those that have one of the words, parsed: that takes 5 ms a file, and looking for words next to nothing."""
    for path in paths:
        text = path.read_text(encoding="utf-8")
        if any(word in text for word in words):
            yield path, ast.parse(text)
