"""What flows besides the daily run: streaming sessions, health, monitoring and market ticks.

Endless pure generators of steps, deterministic by seed; whoever plays them decides when to stop.
"""

import random
from collections.abc import Iterator

from tickstock_simulator.wire import At, Json, Step, symbols

ACTIVE_SYMBOLS = 70
_HEALTH = "tickstock:streaming:health"


def streaming(seed: int) -> Iterator[Step]:
    """One streaming session: health each minute, monitoring each 10 s, results in bursts at the minute."""
    dice, session = random.Random(f"streaming:{seed}"), f"stream-{seed}"  # noqa: S311 - traffic, not secrets
    data: Json = {"session_id": session, "start_time": At(0.0), "symbol_universe": "market_leaders:top_70"}
    yield _step("tickstock:streaming:session_started", "session_started", 0.0, data=data)
    second = 0
    while True:
        second += 10
        yield _monitoring(dice, float(second))
        if second % 30 == 0:
            yield _step("tickstock:producer:heartbeat", "heartbeat", float(second), producer="tickstockpl")
        if second % 60 == 0:
            yield health(float(second), ticks=round(dice.uniform(10, 64), 1), session=session)
            yield from _detections(dice, session, float(second))
            written = dice.randrange(600, 900)
            yield _step("tickstock:streaming:persistence", "persistence_stats", float(second), written=written)


def flapping_health(seed: int) -> Iterator[Step]:
    """Health that says healthy with nothing flowing, then real values, about a second apart."""
    second = 0
    while True:
        second += 1
        empty = second % 2 == 1
        yield health(
            float(second), ticks=0.0 if empty else 41.0, active=0 if empty else ACTIVE_SYMBOLS, session=f"s-{seed}"
        )


def market_ticks(seed: int, rate: float) -> Iterator[Step]:
    """Ticks, `rate` a second: symbol, price, volume, timestamp, and no name."""
    dice, names = random.Random(f"ticks:{seed}"), symbols(ACTIVE_SYMBOLS)  # noqa: S311
    prices = {name: dice.uniform(20, 500) for name in names}
    number = 0
    while True:
        name, offset = dice.choice(names), number / rate
        prices[name] *= dice.uniform(0.9995, 1.0005)
        tick = {
            "symbol": name,
            "price": round(prices[name], 2),
            "volume": dice.randrange(1, 900),
            "timestamp": At(offset),
        }
        yield Step("tickstock:market:ticks", tick, offset)
        number += 1


def health(offset: float, *, ticks: float, session: str, active: int = ACTIVE_SYMBOLS, status: str = "healthy") -> Step:
    """A `streaming_health` message; the status is a claim and need not fit the numbers."""
    return _step(
        _HEALTH,
        "streaming_health",
        offset,
        session_id=session,
        status=status,
        issues=[] if status == "healthy" else ["no data"],
        connection={"connected": True, "reconnects": 0},
        data_flow={"ticks_per_second": ticks, "lag_ms": 80},
        resources={"cpu_percent": 41.0, "memory_percent": 55.0},
        active_symbols=active,
    )


def _monitoring(dice: random.Random, offset: float) -> Step:
    kind = "METRIC_UPDATE" if int(offset) % 20 else "HEALTH_CHECK"
    metrics = {"cpu_percent": round(dice.uniform(20, 60), 1), "memory_percent": round(dice.uniform(40, 60), 1)}
    body = {"event_type": kind, "timestamp": At(offset), "metrics": metrics, "health_score": dice.randrange(85, 100)}
    return Step("tickstock:monitoring", body, offset)


def _detections(dice: random.Random, session: str, offset: float) -> Iterator[Step]:
    for name in dice.sample(symbols(ACTIVE_SYMBOLS), 6):
        found: Json = {"symbol": name, "timeframe": "1min"}
        if dice.random() < 0.5:  # a coin
            found |= {"pattern_type": "Doji", "confidence": round(dice.uniform(0.5, 0.99), 3), "parameters": {}}
            pattern = {"session_id": session, "detection": found}
            yield _step("tickstock:patterns:streaming", "pattern_detected", offset, **pattern)
        else:
            found |= {"indicator_type": "RSI", "values": {"rsi": round(dice.uniform(20, 85), 1)}}
            result = {"session_id": session, "calculation": found}
            yield _step("tickstock:indicators:streaming", "indicator_calculated", offset, **result)
    alert = {"alert_type": "RSI_OVERBOUGHT", "symbol": "NVDA", "timestamp": At(offset), "data": {"rsi": 81.0}}
    yield Step("tickstock:alerts:indicators", alert, offset)


def _step(channel: str, event: str, offset: float, **fields: object) -> Step:
    return Step(channel, {"event": event, "timestamp": At(offset), **fields}, offset)
