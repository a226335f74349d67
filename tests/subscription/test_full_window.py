"""A socket that is readable with nothing new: its window is full. Only a message too large to peek at is taken apart.

While a part of a message is taken the connection cannot be handed over, so a SIGKILL then loses what is unread.
"""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from relay.subscription import connection
from relay.subscription.connection import SMALL, WINDOW_ATTEMPTS, Connection


class FullWindow(Connection):
    """Half a message that is all there is, again and again."""

    def __init__(self, partial: int) -> None:
        self.partial, self.taken = partial, 0
        self.wire = cast("Any", SimpleNamespace(peek=lambda: b"x" * partial, closed_with_rest=lambda: False))
        self._full_windows = 0

    async def _wait(self) -> bool:
        return True

    def _leave_if_asked(self, *, drained: bool) -> None:
        """Nobody asks."""

    def _take_partial(self) -> None:
        self.taken += 1


@pytest.mark.parametrize(("partial", "looks"), [(1, WINDOW_ATTEMPTS), (SMALL - 1, WINDOW_ATTEMPTS), (SMALL, 1)])
async def test_a_small_half_message_is_left_where_it_is_as_long_as_it_may_be_a_moment(
    monkeypatch: pytest.MonkeyPatch, partial: int, looks: int
) -> None:
    monkeypatch.setattr(connection, "WINDOW_WAIT", 0.0)
    window = FullWindow(partial)
    for _ in range(looks - 1):
        await window._wait_for_the_rest(partial)
    assert window.taken == 0
    await window._wait_for_the_rest(partial)
    assert window.taken == 1
