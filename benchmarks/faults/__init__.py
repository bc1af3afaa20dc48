"""Drills: fault injection that takes longer than a test may take.

`python -m benchmarks.faults` runs all drills. Each prints its results and exits with 1 if a promise is broken. Drills
use the tests' clients and databases of their own.
"""
