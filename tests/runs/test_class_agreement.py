"""Classes by network and by brightness on their way through a run: tables, list, report."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from scanseg.lattice import class_by_intensity
from scanseg.runs.detection import detected_atoms


@dataclass
class TwoClasses:
    """Calls every spot heavy or light, two of them wrongly; heavy ones are twice as bright."""

    spots: object
    checksum: str = "two-classes"

    @property
    def description(self):
        return {"name": "two", "version": "1", "checksum": self.checksum}

    @property
    def colours(self):
        return {"heavy": "#ffb000", "light": "#00b0ff"}

    def prepare(self, image=None):
        pass

    def __call__(self, image):
        found = self.spots(image)
        atoms = found.tables["atoms.csv"]
        truth = np.arange(len(atoms)) % 2
        names = np.where(np.isin(np.arange(len(atoms)), (5, 6)), 1 - truth, truth)
        noise = np.random.default_rng(0).normal(1, 0.03, len(atoms))
        atoms = atoms.assign(
            amplitude=np.where(truth, 40.0, 80.0) * noise,
            **{"class": pd.Categorical.from_codes(names, list(self.colours))},
        )
        atoms = class_by_intensity(atoms)
        return replace(
            detected_atoms(image, found.maps, atoms, colours=self.colours, spacing_px=10.0),
            model="two",
        )


def test_a_run_says_how_often_the_two_agree(bench, tools):
    tools.write_tiff(bench.images / "scan.tif", tools.spots())
    bench.run(TwoClasses(tools.SpotFinder()))
    atoms = bench.table("atoms.csv")
    assert list(atoms.columns[-2:]) == ["intensity_class", "intensity_probability"]
    differs = atoms.index[atoms["class"] != atoms["intensity_class"]]
    assert differs.tolist() == [5, 6]
    assert atoms["intensity_probability"].min() > 0.99
    row = bench.table("images.csv").iloc[0]
    assert row["class_agreement"] == pytest.approx(22 / 24, abs=1e-4)
    page = (bench.output / "report.html").read_text(encoding="utf-8")
    assert "91.7% of 24 atoms" in page
