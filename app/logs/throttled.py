import logging
import time
from typing import Final

log = logging.getLogger("pixelwise")

PAUSE_S: Final = 60.0


class ThrottledLog:
    """Logs each cause at most once a minute."""

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}

    def is_due(self, cause: str) -> bool:
        now = time.monotonic()
        self._logged_at = {known: at for known, at in self._logged_at.items() if now - at < PAUSE_S}
        if cause in self._logged_at:
            return False
        self._logged_at[cause] = now
        return True

    def error(self, cause: str, request_id: str) -> None:
        if self.is_due(cause):
            log.error("request %s: %s; logged at most once a minute", request_id, cause)
