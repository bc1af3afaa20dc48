from math import floor


def format_share(value: float, decimals: int = 1) -> str:
    """Format a share as the page does: only 1 becomes 100.0 %."""
    whole = 100 * 10**decimals
    steps = whole if value >= 1 else min(floor(value * whole + 0.5), whole - 1)
    return f"{100 * steps / whole:.{decimals}f} %"


def format_p(p_value: float) -> str:
    if p_value < 0.001:
        return "< 0.001"
    return f"{p_value:.3f}" if p_value < 0.1 else f"{p_value:.2f}"


def format_p_with_name(p_value: float) -> str:
    text = format_p(p_value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
