"""The pages on lattices and strain, and on figures, run as they stand."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from scanseg.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "lattice-and-strain.md"
FIGURES = ROOT / "docs" / "tutorials" / "figures.md"
needs_model = pytest.mark.skipif(
    not (ROOT / "models" / "stem-atoms").exists(), reason="the model is not in this checkout"
)


def blocks(page, language):
    """The blocks of a page in a language, as one text."""
    found = re.findall(
        rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return "\n".join(found)


@needs_model
def test_the_lines_of_the_page_run(monkeypatch, tmp_path):
    lines = blocks(PAGE, "python")
    (tmp_path / "sample_data").mkdir()
    for name in re.findall(r"sample_data/(\w+\.tif)", lines):
        shutil.copy(ROOT / "sample_data" / name, tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    # Figures are drawn, and rendered by the tests of the report alone.
    monkeypatch.setattr(Figure, "savefig", lambda self, name, dpi: Path(name).touch())
    names: dict = {}
    exec(lines, names)
    assert names["rings"].usual == 6
    # Four silicon atoms are in the truth of the image: one on a site, three in divacancies.
    bright = names["groups"].atoms["substitution"] == "brighter"
    assert bright.sum() + len(names["extra"]) == 4
    assert len(list(tmp_path.glob("*.png"))) == len(re.findall("savefig", lines))


@needs_model
def test_the_figures_of_the_tutorial(monkeypatch, tmp_path):
    command = shlex.split(blocks(FIGURES, "sh"))
    (tmp_path / "sample_data").mkdir()
    for name in command:
        if name.endswith(".tif"):
            shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Figure, "savefig", lambda self, name, dpi: Path(name).touch())
    assert command[0] == "scanseg"
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (None, 0)
    names: dict = {}
    exec(blocks(FIGURES, "python"), names)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "barium_titanate.png", "graphene.png", "silicon.png", "strontium_titanate.png",
    ]  # fmt: skip
    # What the page says, beside the truth of the images.
    assert sorted(names["silicon"]["state"]) == ["", "Si-C3", "Si-C4", "Si-C4"]
    truth_pm, mean_pm, error_pm = np.array([-2.48, -7.19]), names["mean_pm"], names["error_pm"]
    assert (np.abs(mean_pm.to_numpy() - truth_pm) < 3 * error_pm.to_numpy()).all()
    pairs = names["pairs"]
    assert pairs["length_pm"].mean() == pytest.approx(135.8, abs=3 * pairs["length_pm"].sem())
    # Drawn 4.5 degrees apart; displacements of the atoms blur the lattices by more than the noise.
    assert names["boundary"]["misorientation_deg"] == pytest.approx(4.5, abs=0.1)
