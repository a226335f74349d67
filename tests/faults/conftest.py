"""The table that the fault suite prints at its end: what was broken, and what came of it."""

from collections.abc import Callable, Iterator

import pytest

Report = Callable[..., None]
_ROWS: list[tuple[str, ...]] = []
_HEAD = ("fault", "injections", "messages", "lost", "duplicated", "recovered after")


@pytest.fixture
def report() -> Report:
    """Adds one line to the table."""

    def add(
        fault: str,
        *,
        injections: int,
        messages: int,
        lost: int = 0,
        duplicated: int = 0,
        seconds: float | None = None,
        remark: str = "",
    ) -> None:
        recovered = f"{'-' if seconds is None else f'{seconds:.1f} s'}  {remark}".rstrip()
        _ROWS.append((fault, str(injections), f"{messages:,}", str(lost), str(duplicated), recovered))

    return add


@pytest.fixture(scope="session", autouse=True)
def table() -> Iterator[None]:
    """Print it when all is done."""
    yield
    widths = [max(len(row[column]) for row in (_HEAD, *_ROWS)) for column in range(len(_HEAD))]
    print()  # noqa: T201 - the table is this suite's product
    for row in (_HEAD, *_ROWS):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))  # noqa: T201
