from math import floor


def format_share(value: float) -> str:
    """Format a share as the page does: only 1 becomes 100.0 %."""
    thousandths = 1000 if value >= 1 else min(floor(value * 1000 + 0.5), 999)
    return f"{thousandths / 10:.1f} %"
