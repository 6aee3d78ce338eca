"""``scanseg --help`` comes at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from scanseg.cli import COMMANDS

HEAVY = (
    "albumentations",
    "matplotlib",
    "numba",
    "numpy",
    "openvino",
    "pandas",
    "pydantic",
    "scipy",
    "torch",
)

CALL = """
import sys
sys.argv = ["scanseg", *sys.argv[1:]]
from scanseg.cli import main
try:
    main()
except SystemExit:
    pass
print("loaded:", *[name for name in {heavy!r} if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [["--help"], [], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    code = CALL.format(heavy=HEAVY)
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "loaded:"


def test_help_of_a_command_loads_no_network_library():
    # One process for all commands: starting it takes longer than everything else here.
    heavy = ("albumentations", "dask", "matplotlib", "napari", "openvino", "optuna", "torch")
    code = "\n".join(CALL.replace("sys.argv[1:]", f"{[command, '--help']}") for command in COMMANDS)
    run = subprocess.run(
        [sys.executable, "-c", code.format(heavy=heavy)], capture_output=True, text=True, check=True
    )
    loaded = [line for line in run.stdout.splitlines() if line.startswith("loaded:")]
    assert loaded == ["loaded:"] * len(COMMANDS)
    for command in COMMANDS:
        assert f"Usage: scanseg {command}" in run.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_0_and_an_unknown_option_2(scanseg, command):
    code, stdout, stderr = scanseg(command, "--help")
    assert (code, stderr) == (0, "")
    assert re.search(rf"Usage: .*\b{command}\b", stdout)  # begins as this process was started
    code, stdout, stderr = scanseg(command, "--imagse", "a")
    assert (code, stdout) == (2, "")
    assert "No such option: --imagse" in stderr


@pytest.mark.parametrize("command", ["predict", "watch"])
def test_help_of_a_run_loads_settings_and_nothing_that_computes_or_draws(command):
    heavy = ("PIL", "h5py", "numba", "pandas", "pyarrow", "scipy", "tifffile")
    code = CALL.format(heavy=(*heavy, "scanseg.report.page", "scanseg.atoms.find"))
    run = subprocess.run(
        [sys.executable, "-c", code, command, "--help"], capture_output=True, text=True, check=True
    )
    assert "atoms.refinement.tile_px" in run.stdout
    assert run.stdout.splitlines()[-1] == "loaded:"


def test_check_loads_what_reading_needs_only(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.arange(600, dtype=np.uint16).reshape(20, 30))
    heavy = tuple(name for name in HEAVY if name not in ("numpy", "pydantic"))
    code = CALL.format(heavy=heavy)
    run = subprocess.run(
        [sys.executable, "-c", code, "check", tmp_path], capture_output=True, text=True, check=True
    )
    assert "20 x 30" in run.stdout
    assert run.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs the processor time of a child")
def test_help_is_quick():
    seconds = []
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "scanseg.cli", "--help"], stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        seconds.append(usage.ru_utime + usage.ru_stime)
    # Processor time, which is wall time on a machine that does nothing else.
    assert min(seconds) < 0.6
