"""Small state that outlives a restart: named strings on a shelf.

`StoredShelf` is kept by the store (`relay.store.store`); `MemoryShelf` serves where nothing need be kept.
"""

from collections.abc import Callable, Mapping
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


class StoredShelf(MemoryShelf):
    """A shelf of the store: read from memory, written with the next commit, or `at_once`."""

    def __init__(
        self, name: str, read: Callable[[str], dict[str, str]], stage: Callable[[str, str, str | None], None]
    ) -> None:
        """`read` gives what a shelf holds, `stage` has a value put there."""
        self.name = name
        self._read = read
        self._stage = stage
        self._values = read(name)

    def put(self, key: str, value: str | None) -> None:
        """Keep `value`; None forgets it."""
        if self._values.get(key) != value:
            super().put(key, value)
            self._stage(self.name, key, value)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)

    def reload(self) -> None:
        """Read what another process (the command line) may have put there; what is staged must be committed before."""
        self._values = self._read(self.name)
