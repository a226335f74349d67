"""Small state that outlives a restart: named strings on a shelf.

The store keeps shelves on disk (`relay.store`); `MemoryShelf` serves where nothing need be kept.
"""

from collections.abc import Mapping
from typing import Protocol


class Shelf(Protocol):
    """Strings by key. What is put is on disk with the next commit of the store, together with what was accepted."""

    def get(self, key: str) -> str | None:
        """The value last put under `key`."""
        ...

    def put(self, key: str, value: str | None) -> None:
        """Keep `value`; None forgets it."""
        ...

    def items(self) -> Mapping[str, str]:
        """Everything on this shelf."""
        ...


class MemoryShelf:
    """A shelf that forgets with the process."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """The value last put under `key`."""
        return self._values.get(key)

    def put(self, key: str, value: str | None) -> None:
        """Keep `value`; None forgets it."""
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def items(self) -> Mapping[str, str]:
        """Everything on this shelf."""
        return dict(self._values)
