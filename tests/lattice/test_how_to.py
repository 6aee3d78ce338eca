"""The page on lattices and strain runs as it stands."""

import re
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "lattice-and-strain.md"


@pytest.mark.skipif(
    not (ROOT / "models" / "stem-atoms").exists(), reason="the model is not in this checkout"
)
def test_the_lines_of_the_page_run(monkeypatch, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = "\n".join(blocks)
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
