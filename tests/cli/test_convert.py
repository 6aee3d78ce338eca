"""``scanseg convert`` over what ``predict`` has written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.writers import write

SHAPE = (110, 150)
PIXEL_NM = (0.02, 0.02)


def render(number):
    """A square lattice, a little further to the right in each frame."""
    y, x = np.indices(SHAPE, dtype=float)
    x = x - 0.3 * number
    image = np.zeros(SHAPE, np.float32)
    for row in np.arange(8, 104, 12.0):
        for column in np.arange(8, 144, 12.0):
            image += 100 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 12)
    return image


@pytest.fixture
def run(scanseg, tmp_path):
    """A run over a movie and an image."""
    like = Micrograph(render(0), pixel_size_nm=PIXEL_NM, signal=Signal.HAADF)
    (tmp_path / "in" / "day1").mkdir(parents=True)
    write(Stack(render, 4, like), tmp_path / "in" / "movie.tif")
    write(like, tmp_path / "in" / "day1" / "one.tif")
    out = tmp_path / "run"
    code, _, stderr = scanseg("predict", tmp_path / "in", "-o", out)
    assert code == 0, stderr
    return out


def test_every_format(scanseg, run, tmp_path):
    from ase.io import read

    atoms = pd.read_csv(run / "atoms.csv")
    n_atoms = len(atoms)
    for format, files in (
        ("extxyz", {"day1_one.tif.extxyz", "movie.tif.extxyz"}),
        ("xyz", {"day1_one.tif.xyz", "movie.tif.xyz"}),
        ("cif", {"day1_one.tif.cif", *(f"movie.tif_{n:05d}.cif" for n in range(4))}),
        ("parquet", {"atoms.parquet"}),
        ("atomap", {"day1_one.tif.hdf5", *(f"movie.tif_{n:05d}.hdf5" for n in range(4))}),
    ):
        out = tmp_path / format
        code, stdout, stderr = scanseg("convert", run, "-o", out, "-f", format)
        assert code == 0, stderr
        assert stdout.startswith(f"{n_atoms} atoms: ")
        assert {path.name for path in out.iterdir()} == files
    movie = read(tmp_path / "extxyz" / "movie.tif.extxyz", index=":")
    assert [structure.info["frame"] for structure in movie] == [0, 1, 2, 3]
    own = atoms[(atoms["image"] == "movie.tif") & (atoms["frame"] == 2)]
    np.testing.assert_allclose(movie[2].arrays["x_px"], own["x_px"], atol=1e-6)
    # 0.02 nm a pixel.
    np.testing.assert_allclose(movie[2].positions[:, 0], (own["x_px"] + 0.5) * 0.2, atol=1e-5)
    found = pd.read_parquet(tmp_path / "parquet" / "atoms.parquet")
    pd.testing.assert_series_equal(found["x_px"], atoms["x_px"])


def test_elements_of_classes(scanseg, run, tmp_path):
    from ase.io import read

    out = tmp_path / "xyz"
    arguments = ("convert", run, "-o", out, "-f", "extxyz", "--images", "movie.tif")
    code, _, stderr = scanseg(*arguments, "--element", "column=Sr")
    assert code == 0, stderr
    assert set(read(out / "movie.tif.extxyz").get_chemical_symbols()) == {"Sr"}
    for element, says in (("column", "names no element"), ("colum=Sr", "The classes are column"),
                          ("column=Qq", "no element 'Qq'")):  # fmt: skip
        code, _, stderr = scanseg(*arguments, "--element", element)
        assert code == 2
        assert says in stderr
    assert scanseg("convert", run, "-o", run, "-f", "parquet")[0] == 2
