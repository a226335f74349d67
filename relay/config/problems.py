"""What is wrong with a configuration: each mistake with its line, its key and what would be right."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from relay.config.messages import in_words, is_tag
from relay.config.yaml_tree import Document
from relay.config.yaml_tree import Path as Key

M = TypeVar("M", bound=BaseModel)


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

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems, key=lambda problem: problem.line)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{path}: {count}", *(f"  {problem}" for problem in self.problems)]))

    @property
    def one_line(self) -> str:
        """The same in one line, for a journal."""
        return " ".join(f"{self.path}: {'; '.join(map(str, self.problems))}".split())


class Problems:
    """Those of one document, collected until all of it is read."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.unset: set[Key] = set()
        """Where a value is missing, which is noted: what else is wrong there follows from that."""
        self.noted = [
            Problem(line, _dotted(key), "is written twice", "keep one of them") for key, line in document.repeated
        ]

    def note(self, key: Key, message: str, hint: str = "") -> None:
        """One mistake at a key."""
        self.noted.append(Problem(self._document.line(key), _dotted(key), message, hint))

    def note_unset(self, key: Key, message: str, hint: str) -> None:
        """A value that is missing."""
        self.note(key, message, hint)
        self.unset.add(key)

    def validated(self, model: type[M], values: dict[str, Any], key: Key) -> M | None:
        """The section at a key; None when it has mistakes, which are noted."""
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False, include_context=False):
                where = self._below(key, each["loc"])
                message, hint = in_words(each, where, model)
                self._note_unless_unset((*key, *where), message, hint)
            return None

    def _below(self, key: Key, location: Key) -> Key:
        """A location of pydantic's as a path in the document: without what only names a branch of a union."""
        where: Key = ()
        for part in location:
            if not is_tag(part) or (*key, *where, part) in self._document.lines:
                where = (*where, part)
        return where

    def _note_unless_unset(self, key: Key, message: str, hint: str) -> None:
        """What pydantic says, unless it follows from a value that is not there."""
        about, colon, rest = message.partition(": ")
        if colon and (*key, about) in self._document.lines:  # a section's own check names the key
            key = (*key, about)
            message = rest
        if not any(unset[: len(key)] == key or key[: len(unset)] == unset for unset in self.unset):
            self.note(key, message, hint)


def _dotted(key: Key) -> str:
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text
