"""Limits of the database, on both engines."""

from typing import Final

# Long reads at once, each in a thread.
SCAN_PLACES: Final = 3
EXPORT_PLACES: Final = 2
REVIEW_PLACES: Final = 1
SCANNERS: Final = SCAN_PLACES + EXPORT_PLACES + REVIEW_PLACES

BUSY_TIMEOUT_S: Final = 5.0

# Longer than the engines' own limits, whose errors say more.
ANSWER_TIMEOUT_S: Final = 10.0
SCAN_TIMEOUT_S: Final = 130.0

QUEUE_SIZE: Final = 1000

CLOSE_TIMEOUT_S: Final = 1.5
