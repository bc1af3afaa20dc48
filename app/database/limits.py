"""Time limits and thread counts that both engines share."""

from typing import Final

# Statistics over everything and exports: few at once, so that they leave a core to the requests.
SCANNERS: Final = 2

BUSY_TIMEOUT_S: Final = 5.0

# Whoever waits longer for the database is told that it does not answer. Longer than a lock, a statement and a new
# connection may take, since what the database itself has to say is more precise; and a scan may take longer.
ANSWER_WITHIN_S: Final = 10.0
SCAN_WITHIN_S: Final = 130.0
