"""What the control socket serves, and the record of what operators do: each is one event `relay:operator:<command>`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import structlog

from relay.events import Announcement
from relay.lifecycle.reload import Reloads
from relay.process.control import Verb
from relay.process.operations import Operation, operation_of
from relay.store.shelf import StoredShelf

log = structlog.get_logger(__name__)


class Verbs:
    """The verbs of one daemon."""

    def __init__(
        self,
        reloads: Reloads,
        shelf: StoredShelf,
        look: Callable[[], None],
        announce: Callable[[list[Announcement], datetime], None],
        now: Callable[[], datetime],
    ) -> None:
        """On `shelf` commands leave what they did while no relay ran; `look` reads what they changed in the store."""
        self._reloads = reloads
        self.look = look
        self._shelf = shelf
        self._announce = announce
        self._now = now

    def served(self) -> dict[str, Verb]:
        """By name."""
        return {"reload": self._reload, "check": self._check, "operation": self._operation}

    def left(self) -> list[Announcement]:
        """What commands have left in the store meanwhile; it is taken from there."""
        self._shelf.reload()
        found = []
        for key, text in sorted(self._shelf.items().items()):
            self._shelf.put(key, None)
            try:
                found.append(operation_of(msgspec.json.decode(text)).announcement())
            except (ValueError, msgspec.DecodeError) as error:
                log.warning("an operator's command could not be recorded", error=str(error))
        return found

    async def _reload(self, request: Mapping[str, Any]) -> dict[str, Any]:
        verdict = await self._reloads.request()
        answer = "; ".join(verdict.mistakes) or "the new configuration is in force"
        who = request.get("who")
        operation = Operation(
            command="reload",
            who=who if isinstance(who, str) and who.strip() else f"uid {request['uid']}",
            uid=request["uid"],
            answer=answer,
            ok=not verdict.mistakes,
        )
        self._announce([operation.announcement()], self._now())
        return verdict.facts()

    async def _check(self, _: Mapping[str, Any]) -> dict[str, Any]:
        report = await self._reloads.examine()
        return report.facts() | {"exit_code": report.exit_code}

    async def _operation(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            operation = operation_of(request.get("operation"), request["uid"])
        except ValueError as error:
            return {"ok": False, "exit_code": 2, "error": str(error)}
        self.look()  # what the command has put in the store is in force when it ends
        self._announce([operation.announcement()], self._now())
        return {"ok": True, "exit_code": 0}
