"""Upgrade one of three hosts of the service under load, kill another, and look for every row.

`python -m benchmarks.hosts`; a minute, or `--quick`: two hosts, twenty seconds. Needs root, for network namespaces,
and Debian's packages iproute2, nginx, pgbouncer, postgresql and redis-server.

A client opens a connection for each request, reads each drawing back once it is acknowledged, and repeats a request
that failed with the same Idempotency-Key. No acknowledged row may be missing or stored twice, each must be found when
it is read back, and only requests in progress on the killed host may fail.
"""

import argparse
import sys
from typing import NoReturn

from benchmarks.hosts.network import continue_apart, refusal


def main() -> NoReturn:
    """Run the drill where it can make its network."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two hosts, and short phases")
    parser.add_argument("--load", action="store_true", help="no drill: the processor time of each host")
    arguments = parser.parse_args()
    if reason := refusal():
        sys.exit(f"the drill cannot run here: {reason}")
    if arguments.load:
        continue_apart("benchmarks.hosts.load")
    continue_apart("benchmarks.hosts.drill", *(["2", "20"] if arguments.quick else ["3", "600"]))


if __name__ == "__main__":
    main()
