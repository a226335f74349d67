"""`${NAME}` and `${NAME:-default}` in a configuration's texts.

They are put in after parsing, so that a secret's characters can never become YAML.
"""

import re
from collections.abc import Mapping
from typing import Any

from relay.config.messages import QUOTE
from relay.config.problems import Problems
from relay.config.yaml_tree import Document
from relay.config.yaml_tree import Path as Key
from relay.normalize.sample import TEXTS

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:[^}$]|\$(?!\{))*))?\}")
_DIRECTORIES = frozenset(f"{kind}_DIRECTORY" for kind in ("STATE", "RUNTIME", "CACHE", "LOGS", "CONFIGURATION"))
"""systemd's variables: with colons between, where the unit names several (systemd.exec)."""
_COMMENT = re.compile(r":\s+#[^\s#]")
"""`channel: #ops`: meant as a value, but nothing is written there."""


class Variables:
    """Puts the environment's values into one document; what is not set is a problem."""

    def __init__(self, document: Document, text: str, environment: Mapping[str, str], problems: Problems) -> None:
        """`text` is what the document was read from."""
        self._document = document
        self._source = text.splitlines()
        self._environment = environment
        self._problems = problems

    def expanded(self, value: Any, key: Key = ()) -> Any:
        """The value at a key, and all that is in it."""
        if isinstance(value, dict):
            return {name: self.expanded(item, (*key, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self.expanded(item, (*key, index)) for index, item in enumerate(value)]
        if _is_as_written(key):
            value = self._document.written.get(key, value)
        if value is None and _COMMENT.search(self._source[self._document.line(key) - 1]):
            self._problems.note_unset(key, "is empty: YAML takes what begins with # for a comment", QUOTE)
        return _VARIABLE.sub(lambda match: self._value(match, key), value) if isinstance(value, str) else value

    def _value(self, match: re.Match[str], key: Key) -> str:
        name, default = match[1], match[2]
        value = self._environment.get(name)
        if value is None and default is None:
            self._problems.note_unset(key, f"the environment has no {name}", f"set it, or write ${{{name}:-default}}")
        if value is not None and name in _DIRECTORIES and ":" in value:
            self._problems.note(key, f"{name} names several directories: {value}", "write the one that is meant")
        return value if value is not None else default or ""


def _is_as_written(key: Key) -> bool:
    """Whether a scalar stands for its text there: in a route's conditions, and in what a test's event has as text."""
    match key:
        case ("routes", int(), "match", *_):
            return True
        case ("tests", int(), "given", name):
            return name in TEXTS
    return False
