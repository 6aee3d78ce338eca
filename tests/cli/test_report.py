"""``scanseg report``: tables and page from what lies in the folder of a run."""

from __future__ import annotations

import pandas as pd


def test_what_was_removed_is_there_again(scanseg, tools, tmp_path):
    for number in range(2):
        tools.write_tiff(tmp_path / "in" / f"{number}.tif", tools.spots(offset=number))
    out = tmp_path / "out"
    assert scanseg("predict", tmp_path / "in", "-o", out)[0] == 0
    before = {name: (out / name).read_bytes() for name in ("atoms.csv", "images.csv")}
    for name in (*before, "report.html"):
        (out / name).unlink()
    code, stdout, stderr = scanseg("report", out)
    assert code == 0, stderr
    assert stdout == f"{out / 'report.html'}\n"
    assert (out / "report.html").exists()
    assert {name: (out / name).read_bytes() for name in before} == before
    assert set(pd.read_csv(out / "images.csv")["image"]) == {"0.tif", "1.tif"}


def test_what_is_no_run_is_2_and_stays_as_it_is(scanseg, tmp_path):
    (tmp_path / "notes").mkdir()
    for folder in (tmp_path / "notes", tmp_path / "none"):
        code, _, stderr = scanseg("report", folder)
        assert code == 2
        assert "holds no results of scanseg. Name the folder that was given to predict" in stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["notes"]
