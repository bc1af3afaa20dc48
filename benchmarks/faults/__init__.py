"""Drills that break the service for longer than a test may take.

`python -m benchmarks.faults` runs all of them. Each prints what it did and found, and exits with 1 when a promise is
broken. They use the service and the clients of the tests, on databases of their own.
"""
