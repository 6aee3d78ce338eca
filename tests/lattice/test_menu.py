"""What the package offers, and what importing it costs."""

import subprocess
import sys

import scanseg.lattice


def test_importing_loads_no_heavy_part():
    heavy = ("pandas", "scipy", "numba", "matplotlib", "torch")
    code = f"import sys, scanseg.lattice; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_every_name_of_the_menu_exists():
    for name in scanseg.lattice.__all__:
        assert getattr(scanseg.lattice, name).__module__.startswith("scanseg.lattice.")
    assert set(dir(scanseg.lattice)) == set(scanseg.lattice.__all__)
