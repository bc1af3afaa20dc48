"""Troubles that last: said in the log when they begin and once a minute after that, not once for every request."""

import logging
import time
from typing import Final

log = logging.getLogger("pixelwise")

# Between two lines about the same cause.
SILENCE_S: Final = 60.0


class Troubles:
    """What was said lately."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    def tell(self, cause: str, request_id: str) -> None:
        """Log the cause, and one request that met it, unless the same was said within the last minute."""
        now = time.monotonic()
        self._told_at = {told: at for told, at in self._told_at.items() if now - at < SILENCE_S}
        if cause not in self._told_at:
            self._told_at[cause] = now
            log.error("request %s: %s; said once a minute, however many requests it concerns", request_id, cause)
