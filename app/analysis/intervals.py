from math import sqrt
from typing import Final, NamedTuple

# The 97.5 % quantile of the standard normal distribution.
_Z: Final = 1.959963984540054


class Interval(NamedTuple):
    low: float
    high: float


def wilson_interval(successes: int, trials: int) -> Interval | None:
    """Return the 95 % Wilson score interval of a share (Wilson 1927), or None without trials."""
    if not trials:
        return None
    failures = trials - successes
    centre = successes + _Z**2 / 2
    margin = _Z * sqrt(successes * failures / trials + _Z**2 / 4)
    low, high = (end / (trials + _Z**2) for end in (centre - margin, centre + margin))
    return Interval(low if successes else 0.0, high if failures else 1.0)
