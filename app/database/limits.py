"""Time limits, queue sizes and thread counts that both engines share."""

from typing import Final

# Two, so that a core is left for the requests.
SCANNERS: Final = 2

BUSY_TIMEOUT_S: Final = 5.0

# Longer than the limits for a lock, a statement and a new connection, whose errors are more precise.
ANSWER_TIMEOUT_S: Final = 10.0
SCAN_TIMEOUT_S: Final = 130.0

# A write takes less than a millisecond, so the last in the queue waits about a second.
QUEUE_SIZE: Final = 1000
# A scan of a million rows takes one or two seconds.
SCAN_QUEUE_SIZE: Final = 20

# A stop may take two seconds after the last request.
CLOSE_TIMEOUT_S: Final = 1.5
