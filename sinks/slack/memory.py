"""What the sink remembers of the messages that it has posted: places and what was told, never the trouble itself.

It outlives restarts and upgrades: small JSON texts in the sink's own state.
"""

import msgspec

from relay.events import SEVERITIES, Severity
from sinks.base import SinkState

MAX_ENDED = 100
"""Incidents that are over and still remembered, should their last state be delivered once more."""
_ENDED = "ended"


class Reply(msgspec.Struct):
    """A reply that is edited later: where it stands, and a digest of what it says."""

    ts: str = ""
    digest: str = ""


class Posted(msgspec.Struct, omit_defaults=True):
    """An incident that was told. Without `ts` (an incoming webhook) its message cannot be edited."""

    began: str = ""
    """Of which incident under this id; empty for a run without trouble."""
    channel: str = ""
    ts: str = ""
    digest: str = ""
    """Of the message as it stands."""
    number: int = 0
    """Of the newest state that was shown."""
    note: int = 0
    """Of the newest line of the story that stands in the message or its thread."""
    worse: int = 0
    """Of the newest state that was told as worse."""
    severity: str = ""
    """The highest that was told in the channel; empty: nothing was."""
    count: int = 0
    """Errors that were told."""
    mentioned: list[str] = []
    """The entries of `mentions` that were called."""
    replies: dict[str, Reply] = {}
    """By kind of errors."""
    is_over: bool = False
    """Whether its end was told."""
    link: str | None = None
    """Its address for people; empty: Slack was asked in vain."""
    is_fixed: bool = False
    """Slack allows no more edits; it goes on in the thread."""

    @property
    def level(self) -> Severity:
        """The highest severity that was told."""
        return SEVERITIES.get(self.severity, Severity.DEBUG)


class Memory:
    """The posted incidents by id."""

    def __init__(self, state: SinkState) -> None:
        """They are kept in `state`."""
        self._state = state

    def recall(self, incident: str, began: str) -> Posted:
        """What was posted of the incident; of another one with the same id, which began at another time, nothing."""
        text = self._state.get(_key(incident))
        try:
            posted = Posted() if text is None else msgspec.json.decode(text, type=Posted)
        except msgspec.MsgspecError:
            posted = Posted()
        if posted.began and began and posted.began != began:
            posted = Posted()
        posted.began = posted.began or began
        return posted

    def keep(self, incident: str, posted: Posted) -> None:
        """Remember it over restarts."""
        self._state.put(_key(incident), msgspec.json.encode(posted).decode())

    def ended(self, incident: str) -> None:
        """It is over: the oldest that ended is forgotten where there are many."""
        ended = [one for one in self._all_ended() if one != incident] + [incident]
        for old in ended[:-MAX_ENDED]:
            self._state.put(_key(old), None)
        self._state.put(_ENDED, msgspec.json.encode(ended[-MAX_ENDED:]).decode())

    def _all_ended(self) -> list[str]:
        try:
            return msgspec.json.decode(self._state.get(_ENDED) or "[]", type=list[str])
        except msgspec.MsgspecError:
            return []


def _key(incident: str) -> str:
    return f"incident:{incident}"
