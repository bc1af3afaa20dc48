"""Shares as the page and the command line write them."""

import math


def percent(share: float, decimals: int = 1) -> str:
    """Format a share: only 1 is 100 %."""
    parts = 100 * 10**decimals
    rounded = parts if share == 1 else min(math.floor(share * parts + 0.5), parts - 1)
    return f"{rounded / 10**decimals:.{decimals}f} %"
