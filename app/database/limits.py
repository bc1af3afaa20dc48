"""Limits that both engines share."""

from typing import Final

SCANNERS: Final = 2

BUSY_TIMEOUT_S: Final = 5.0

# Longer than the engines' own limits, whose errors say more.
ANSWER_TIMEOUT_S: Final = 10.0
SCAN_TIMEOUT_S: Final = 130.0

QUEUE_SIZE: Final = 1000
SCAN_QUEUE_SIZE: Final = 20

CLOSE_TIMEOUT_S: Final = 1.5
