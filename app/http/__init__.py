"""The HTTP API: routes, and what every request passes through."""
