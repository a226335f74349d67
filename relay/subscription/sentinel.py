"""Redis Sentinel: the URL that names it, and where the master is by what the Sentinels say."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Any

import redis

from relay.config.sentinel_url import SentinelUrl
from relay.process.worker import begin

OTHERS_WAIT = 0.5
"""Seconds that the other Sentinels have to answer in, once one has: one that is cut off must not be the only voice."""


def find_master(where: SentinelUrl, pool_to: Callable[[tuple[str, int]], redis.ConnectionPool]) -> tuple[str, int]:
    """Where the master is. Blocks; `pool_to` makes the connections to a Sentinel.

    All Sentinels are asked at once. Of different answers the one of the newest failover counts (`config-epoch`): a
    Sentinel that is cut off from the others still names the old master, which it may even see alive.

    Raises:
        redis.ConnectionError: none knows; its text says why for each.
    """
    answers = _ask_all([partial(_state, where.master, pool_to(node)) for node in where.nodes])
    reasons, states = [], []
    for (host, port), answer in zip(where.nodes, answers, strict=True):
        if isinstance(answer, dict):
            states.append((answer, f"{host}:{port} considers the master down"))
        else:
            reasons.append(f"{host}:{port}: {answer or 'no answer'}")
    newest = max((_epoch(state) for state, _ in states), default=0)
    for state, down in states:
        if _epoch(state) == newest and not state["is_sdown"] and not state["is_odown"]:
            return str(state["ip"]), int(state["port"])
        reasons.append(down if _epoch(state) == newest else f"{down.partition(' ')[0]} knows only an older failover")
    raise redis.ConnectionError(f"no Sentinel knows where {where.master!r} is: {'; '.join(reasons)}")


def _ask_all(questions: list[Callable[[], dict[str, Any]]]) -> list[dict[str, Any] | BaseException | None]:
    """The answer to each question, or why there is none; None for one that came too late."""
    futures = [begin(question, "sentinel") for question in questions]
    waiting: set[Future[dict[str, Any]]] = set(futures)
    while waiting and not any(one.done() and one.exception() is None for one in futures):
        waiting = wait(waiting, return_when=FIRST_COMPLETED).not_done
    wait(waiting, timeout=OTHERS_WAIT)
    return [(one.exception() or one.result()) if one.done() else None for one in futures]


def _state(master: str, pool: redis.ConnectionPool) -> dict[str, Any]:
    with redis.Redis.from_pool(pool) as sentinel:
        found: dict[str, Any] = sentinel.sentinel_master(master)
    return found


def _epoch(state: dict[str, Any]) -> int:
    return int(state.get("config-epoch") or 0)
