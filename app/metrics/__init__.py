"""What the service counts and measures, for `GET /metrics`."""
