"""Fixtures of the client's tests."""

from __future__ import annotations

import pytest
import tenacity

import relay.tickstockpl.client


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits between tries."""
    monkeypatch.setattr(relay.tickstockpl.client, "RETRY_WAIT", tenacity.wait_none())
