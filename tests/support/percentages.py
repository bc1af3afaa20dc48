"""Shares as the page and the command line write them."""

import math


def percent(share: float) -> str:
    """Format a share with one decimal: only 1 is 100.0 %."""
    return f"{100 if share == 1 else min(math.floor(share * 1000 + 0.5), 999) / 10:.1f} %"
