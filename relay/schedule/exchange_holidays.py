"""When the New York Stock Exchange is closed or closes early, as the package `holidays` knows it.

Where that package is broken, every weekday counts as a trading day, and `trouble` says why.

The package is asked in a process of its own, once for a decade of dates: it imports every country's calendar to know
one exchange's ten dates a year, which are a tenth of a second and 12 MB that a daemon would carry for ever.
"""

import json
import subprocess
import sys
from datetime import date
from functools import cache

DECADE = 10
_PATIENCE = 5.0
"""Seconds; much shorter than the service manager's watchdog, which waits for the first look at everything."""


def closings(year: int) -> frozenset[date]:
    """The weekdays of the decade of `year` on which the exchange stays closed."""
    return _decade(year // DECADE)[0]


def early_closings(year: int) -> frozenset[date]:
    """The days of the decade of `year` on which it closes early."""
    return _decade(year // DECADE)[1]


def trouble() -> str:
    """Why there is no calendar; empty when there is one, as far as it was asked for."""
    return next(iter(_troubles.values()), "")


_troubles: dict[int, str] = {}
Decade = tuple[frozenset[date], frozenset[date]]


@cache
def _decade(number: int) -> Decade:
    first = number * DECADE
    ask = [sys.executable, "-P", "-m", __name__, str(first)]
    try:
        return _read(subprocess.check_output(ask, stderr=subprocess.DEVNULL, timeout=_PATIENCE))
    except (OSError, subprocess.SubprocessError, ValueError):  # no second process here: then at the price
        return _without_process(first)


def _without_process(first_year: int) -> Decade:
    try:
        return _read(_look_up(first_year))
    except Exception as error:  # noqa: BLE001 - a broken package of others raises anything
        _troubles[first_year] = f"{type(error).__name__} in the package holidays"
        return frozenset(), frozenset()


def _read(output: bytes | str) -> Decade:
    closed, early = json.loads(output)
    return frozenset(map(date.fromisoformat, closed)), frozenset(map(date.fromisoformat, early))


def _look_up(first_year: int) -> str:
    from holidays import financial_holidays  # noqa: PLC0415 - see above

    years = range(first_year, first_year + DECADE)
    days = (financial_holidays("NYSE", years=years, categories=(which,)) for which in ("public", "half_day"))
    return json.dumps([[str(day) for day in found] for found in days])


if __name__ == "__main__":
    sys.stdout.write(_look_up(int(sys.argv[1])))
