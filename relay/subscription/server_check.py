"""Is the server that we are subscribed to still the one that gets what is published?

A subscription can live on at a server that nobody publishes to any more: after a failover, at a replica whose link is
down, at an address that the name has left. So it is asked now and then where a new connection would lead, by connecting
once more as at the start. The subscribed socket is not touched.
"""

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum

from relay.network.resolver import Resolver
from relay.process.worker import Worker
from relay.subscription.connect import Address, ConnectError, Connector, Server

MOVED_CHECKS = 2
"""Checks in a row that a name must not lead to our server before it counts as moved."""
MOST_CHECKS = 32
"""The same for a name that has led away and back again, as one does that stands for several servers in turn."""


class ServerState(StrEnum):
    """What a check has shown."""

    RIGHT = "right"
    ISOLATED = "isolated"
    """It is the right server, but does not get what is published."""
    MOVED = "moved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """The state, and in words why it is not `RIGHT`; or that a server which is would refuse a new login."""

    state: ServerState
    reason: str = ""


class ServerCheck:
    """Checks; decides nothing about the connection."""

    def __init__(self, connector: Connector, *, timeout: float) -> None:
        """`timeout` is for a name's lookup, in seconds."""
        self._connector = connector
        self._timeout = timeout
        self._worker = Worker("server_check")
        self._server = Server(None)
        self._absent = 0
        self._checks_needed = 1 if connector.by_sentinel else MOVED_CHECKS

    def connected(self, server: Server) -> None:
        """From now on the checks are about this server."""
        self._server = server
        self._absent = 0

    async def check(self) -> Finding:
        """Check once; takes as long as connecting."""
        refused = ""
        try:
            found = await self._worker.run(self._connector.check)
        except ConnectError as error:
            if error.kind is None:
                return Finding(ServerState.UNKNOWN, str(error))
            found = Server(None, target=error.target)  # one is there, but lets us ask nothing: whose address is it?
            refused = str(error)
        try:
            same = await self._is_ours(found)
        except OSError as error:
            return Finding(ServerState.UNKNOWN, f"its name cannot be resolved: {error}")
        return self._ours(found, refused) if same else self._another(found)

    def _ours(self, found: Server, refused: str) -> Finding:
        if self._absent:  # a name that leads elsewhere and back again stands for several servers
            self._checks_needed = min(MOST_CHECKS, self._checks_needed * 2)
            self._absent = 0
        if found.address is not None and found.address == self._server.address and not self._server.run_id:
            self._server = replace(self._server, run_id=found.run_id)  # of an adopted connection it was not known
        is_itself = found.address == self._server.address or found.run_id == self._server.run_id != ""
        if is_itself and found.problem:
            return Finding(ServerState.ISOLATED, found.problem)
        return Finding(ServerState.RIGHT, refused)

    def _another(self, found: Server) -> Finding:
        self._absent += 1
        place = found.address or found.target
        where = f"{place[0]}:{place[1]}" if place else "another server"
        reason = f"{'Sentinel' if self._connector.by_sentinel else 'the address in redis.url'} leads to {where} now"
        return Finding(ServerState.MOVED if self._absent >= self._checks_needed else ServerState.UNKNOWN, reason)

    async def _is_ours(self, found: Server) -> bool:
        """Whether that server is ours; by its process where both are known, else by the address.

        Raises:
            OSError: the name cannot be looked up.
        """
        ours = self._server
        both_known = bool(found.run_id and ours.run_id)
        if both_known and found.run_id == ours.run_id:
            return True
        if found.address is not None and found.address == ours.address:
            return not both_known
        if ours.address is None or found.target is None:
            return not both_known
        return ours.address in await _addresses(self._connector.resolver, found.target, self._timeout)


async def _addresses(resolver: Resolver, target: Address, seconds: float) -> set[Address]:
    """All addresses of a name.

    Raises:
        OSError: there are none, or nobody answers in time.
    """
    try:
        found = await asyncio.wait_for(resolver.addresses(target[0]), seconds)
    except TimeoutError:
        raise OSError(f"no answer within {seconds:g} s") from None
    return {(address, target[1]) for address in found}
