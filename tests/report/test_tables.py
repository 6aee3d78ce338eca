"""Tables: readable, exact enough, quick."""

from __future__ import annotations

import io
import time

import numpy as np
import pandas as pd
import pytest

from scanseg.report import (
    ATOM_TABLES,
    TableFormat,
    append_table,
    join_tables,
    tables,
    write_rows,
    write_table,
)

ATOMS = ATOM_TABLES["atoms.csv"]


def _atoms(n):
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "atom": np.arange(n),
            "y_px": rng.uniform(0, 4096, n),
            "x_px": rng.uniform(0, 4096, n),
            "y_nm": np.full(n, np.nan),
            "x_nm": np.full(n, np.nan),
            "class": pd.Categorical(rng.choice(["heavy, bright", "light"], n)),
            "probability": rng.uniform(0, 1, n).astype(np.float32),
            "y_err_px": rng.uniform(0.01, 0.1, n),
            "x_err_px": rng.uniform(0.01, 0.1, n),
            "amplitude": rng.uniform(1e-12, 1e-11, n),  # amperes, as a DC detector gives them
            "sigma_px": rng.uniform(1, 3, n),
            "background": rng.uniform(0, 10, n),
            "at_edge": rng.uniform(0, 1, n) > 0.9,
            "fit_ok": rng.uniform(0, 1, n) > 0.1,
        }
    )


def _read(buffer):
    buffer.seek(0)
    return pd.read_csv(buffer)


def test_numbers_survive_to_the_digits_that_matter():
    atoms, buffer = _atoms(300), io.BytesIO()
    append_table(buffer, atoms, format=ATOMS, image='a "quoted", name.tif', frame=4, header=True)
    table = _read(buffer)
    assert tuple(table.columns) == ("image", "frame", *ATOMS.columns)
    assert set(table["image"]) == {'a "quoted", name.tif'}
    assert set(table["frame"]) == {4}
    assert table["class"].tolist() == atoms["class"].tolist()
    assert table["fit_ok"].tolist() == atoms["fit_ok"].tolist()
    # Half of the last digit of 1e-4 px.
    np.testing.assert_allclose(table["y_px"], atoms["y_px"], atol=0.51e-4)
    # The shortest text that gives the float32 back: 24 bits, twice rounded.
    np.testing.assert_allclose(table["amplitude"], atoms["amplitude"], rtol=1.2e-7)
    assert table["y_nm"].isna().all()


def test_a_long_table_is_written_in_parts(monkeypatch):
    atoms, whole, parts = _atoms(50), io.BytesIO(), io.BytesIO()
    append_table(whole, atoms, format=ATOMS, image="a.tif", frame=0, header=True)
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 7)
    append_table(parts, atoms, format=ATOMS, image="a.tif", frame=0, header=True)
    assert parts.getvalue() == whole.getvalue()


def test_a_missing_column_and_no_atom_are_no_problem():
    buffer = io.BytesIO()
    append_table(buffer, _atoms(0), format=ATOMS, image="a", frame=0, header=True)
    append_table(
        buffer, _atoms(3).drop(columns="at_edge"), format=ATOMS, image="b", frame=0, header=False
    )
    table = _read(buffer)
    assert table["image"].tolist() == ["b"] * 3
    assert table["at_edge"].isna().all()


def test_a_million_rows_take_seconds():
    atoms = _atoms(200_000)
    started = time.process_time()
    append_table(io.BytesIO(), atoms, format=ATOMS, image="a", frame=0, header=True)
    # 0.25 s on a free core; to_csv takes 4 s. Minutes for a million rows would be 12 s here.
    assert time.process_time() - started < 3


def test_tables_are_joined_under_one_header(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"image,atom\n{name},0\n{name},1\n")
    join_tables([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    assert (tmp_path / "all").read_text() == "image,atom\na,0\na,1\nb,0\nb,1\n"


def test_small_tables_leave_unknown_cells_empty(tmp_path):
    rows = [{"image": "a,b", "warnings": ["one", "two"], "seconds": 1 / 3}, {"image": "c"}]
    write_rows(tmp_path / "t.csv", rows, columns=["image", "warnings", "seconds"])
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["image"].tolist() == ["a,b", "c"]
    assert table["warnings"][0] == "one; two"
    assert table["seconds"][0] == pytest.approx(1 / 3, rel=1e-5)
    assert table.loc[1, ["warnings", "seconds"]].isna().all()


def test_a_table_of_several_images_is_written_as_it_is(tmp_path):
    table = pd.DataFrame(
        {
            "frame": [0, 1],
            "image": ["a, b.tif", "c.tif"],
            "y_px": [1.23456, np.nan],
            "time_s": [None, None],
            "branch": pd.array([3, None], dtype="Int64"),
            "pinned": [True, False],
        }
    )
    write_table(tmp_path / "t.csv", table, format=TableFormat({"y_px": 2}))
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "frame,image,y_px,time_s,branch,pinned",
        '0,"a, b.tif",1.23,,3,true',
        '1,"c.tif",,,,false',
    ]
