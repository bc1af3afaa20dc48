"""Limits that both engines share."""

from typing import Final, NamedTuple


class LaneLimits(NamedTuple):
    """How many expensive requests run, and how many wait for how long."""

    places: int
    places_per_client: int
    queue_size: int
    queue_size_per_client: int
    wait_s: float


# One address cannot take all places, but a whole class behind it may queue.
SCANS: Final = LaneLimits(places=3, places_per_client=2, queue_size=256, queue_size_per_client=128, wait_s=10.0)
EXPORTS: Final = LaneLimits(places=2, places_per_client=2, queue_size=4, queue_size_per_client=4, wait_s=5.0)
REVIEWS: Final = LaneLimits(places=1, places_per_client=1, queue_size=32, queue_size_per_client=32, wait_s=10.0)
# Small and large ones each have a lane.
IMAGES: Final = LaneLimits(places=1, places_per_client=1, queue_size=30, queue_size_per_client=30, wait_s=10.0)
# A drawing waits for one batch at most.
BATCHES: Final = LaneLimits(places=1, places_per_client=1, queue_size=16, queue_size_per_client=16, wait_s=5.0)

SCANNERS: Final = SCANS.places + EXPORTS.places + REVIEWS.places

BUSY_TIMEOUT_S: Final = 5.0

# Longer than the engines' own limits, whose errors say more.
ANSWER_TIMEOUT_S: Final = 10.0
SCAN_TIMEOUT_S: Final = 130.0

QUEUE_SIZE: Final = 1000

CLOSE_TIMEOUT_S: Final = 1.5
