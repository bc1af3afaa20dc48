"""Free TCP ports, each given once, however many processes ask."""

import random
import socket
from pathlib import Path

# UDP sockets on the ports that were given. They are bound until this process ends, so nobody is given them again.
_RESERVATIONS: list[socket.socket] = []


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses and that no client is given."""
    while True:
        port = random.randrange(10_000, _first_client_port())
        reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reservation.bind(("127.0.0.1", port))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            reservation.close()
            continue
        _RESERVATIONS.append(reservation)
        return port


def _first_client_port() -> int:
    """The first of the ports that the kernel gives to clients; they would be free now and taken a moment later."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except FileNotFoundError:
        return 32768
