"""The benchmark over HTTP: it runs, and counts the rows behind the answers."""

import os
import sys
from dataclasses import replace

from benchmarks.http import Cell, compared, row
from tests.support.project_copy import PROJECT, need, run
from training.mnist import Digits

CELL = Cell(
    round=0,
    connections=8,
    server="pixelwise",
    per_second=50.0,
    ratio=1.0,
    p50_ms=1.0,
    p99_ms=2.0,
    cpu_ms=1.0,
    switches=3.0,
    not_2xx=0,
    socket_errors=0,
    stored=100,
    new_rows=100,
    cut_off=8,
    resident_mib=100.0,
    others_cores=0.0,
    stolen_cores=0.0,
    sync_ms=0.1,
)


def test_benchmark_measures_a_service_whose_answers_all_have_rows(mnist_test: Digits) -> None:
    need("wrk", "wrk")
    arguments = ("--against", "constant", "--rounds", "1", "--seconds", "1", "--connections", "2")
    folder = os.environ["PIXELWISE_MNIST_DIR"]
    ended = run(PROJECT, sys.executable, "-m", "benchmarks.http", *arguments, PIXELWISE_MNIST_DIR=folder)
    assert ended.returncode == 0, ended.stderr
    rows = [line.split(" | ") for line in ended.stdout.splitlines() if line.startswith("| 2 |")]
    assert [(cells[1], cells[-2]) for cells in rows] == [("constant", "-"), ("pixelwise", "yes")]
    assert all(float(cells[2].split()[0]) > 0 for cells in rows)


def test_answers_without_rows_are_reported() -> None:
    missing = replace(CELL, new_rows=97)
    # Requests that were cut off by the end of the load may have been stored.
    cut_off = replace(CELL, new_rows=108)
    too_many = replace(CELL, new_rows=109)
    assert row([CELL, cut_off])[-2] == "yes"
    assert row([CELL, missing, too_many])[-2] == "no (-3, +9)"
    assert row([replace(CELL, new_rows=None)])[-2] == "-"


def test_ratios_refer_to_the_first_server() -> None:
    other = replace(CELL, server="mlserver", per_second=25.0)
    assert [cell.ratio for cell in compared([CELL, other])] == [1.0, 0.5]
    assert [str(cell.ratio) for cell in compared([replace(CELL, per_second=0.0), other])] == ["nan", "nan"]
