"""Runs killed at random moments end, when started again, with the files of an undisturbed run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "interrupted_runs.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_and_resumed_runs_equal_the_undisturbed_one():
    # A process of its own: forking one that has threads, as pytest's may have, is not safe.
    command = [sys.executable, BENCHMARK, "--kills", "2", "--images", "6", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("2 of 2 ")


def test_the_comparison_sees_what_is_left_and_what_is_changed(tmp_path):
    spec = importlib.util.spec_from_file_location("interrupted_runs", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    benchmark.write_images(tmp_path / "in", 4, np.random.default_rng(1))
    for name in ("one", "two"):
        benchmark.run(tmp_path / "in", tmp_path / name / "out")
    first, second = (benchmark.contents(tmp_path / name / "out") for name in ("one", "two"))
    assert first == second
    assert "day1/scan_001.tif/atoms.csv" in first
    (tmp_path / "two" / "out" / ".scanseg-partial").mkdir()
    (tmp_path / "two" / "out" / "movie.tif" / "atoms.csv").write_bytes(b"")
    second = benchmark.contents(tmp_path / "two" / "out")
    assert {name for name in second if second[name] != first.get(name, "missing")} == {
        ".scanseg-partial",
        "movie.tif/atoms.csv",
    }
