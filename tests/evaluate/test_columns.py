"""Found columns against true ones, with known mistakes."""

import json

import numpy as np
import pandas as pd
import pytest

from scanseg.errors import ConfigError
from scanseg.evaluate import ColumnScore, judge_columns, score_columns


def lattice(rows=8, columns=11, spacing=12.0):
    y, x = np.mgrid[:rows, :columns].reshape(2, -1) * spacing + 6.0
    return pd.DataFrame({"y_px": y, "x_px": x})


def test_offsets_and_error_bars_are_measured():
    rng = np.random.default_rng(0)
    truth = lattice(30, 40)
    found = truth + rng.normal(0, 0.2, (len(truth), 2))
    found["y_err_px"] = found["x_err_px"] = 0.1
    score = score_columns(found, truth, pixel_size_nm=(0.02, 0.01))
    # 2,400 coordinates fix an rms to 1.4 %.
    assert score.f1 == 1
    assert score.rms_px == pytest.approx(0.2, rel=0.06)
    assert score.rms_nm == pytest.approx(0.2 * np.sqrt((0.02**2 + 0.01**2) / 2), rel=0.06)
    assert score.error_over_bar == pytest.approx(2.0, rel=0.06)


def test_invisible_columns_count_neither_way():
    truth = lattice()
    truth["visible"] = truth["x_px"] < 100
    every = score_columns(truth, truth)
    seen = score_columns(truth[truth["visible"]], truth)
    for score in (every, seen):
        assert (score.precision, score.recall) == (1, 1)
    false = pd.concat([truth, pd.DataFrame({"y_px": [12.0], "x_px": [12.0]})])
    assert score_columns(false, truth).n_false == 1


def test_what_lies_outside_of_the_image_is_not_judged():
    truth = lattice()
    found = pd.concat([truth, pd.DataFrame({"y_px": [-1.0], "x_px": [40.0]})])
    assert score_columns(found, truth, shape=(96, 132)).precision == 1
    assert score_columns(found, truth).precision < 1


def test_a_radius_can_be_given_in_either_unit():
    truth = lattice()
    found = truth.assign(y_px=truth["y_px"] + 2.0)
    assert score_columns(found, truth).recall == 1  # a quarter of 12 px
    assert score_columns(found, truth, radius_px=1.9).recall == 0
    size = (0.1, 0.01)
    assert score_columns(found, truth, radius_nm=0.19, pixel_size_nm=size).recall == 0
    assert score_columns(found, truth, radius_nm=0.21, pixel_size_nm=size).recall == 1
    with pytest.raises(ConfigError, match=r"Without a pixel size, 0.21 nm .*--pixel-size-nm"):
        score_columns(found, truth, radius_nm=0.21)


def test_classes_are_compared_where_both_are_known():
    truth = lattice().assign(**{"class": "C"})
    found = lattice().assign(**{"class": "C"})
    found.loc[:10, "class"] = "Si"
    assert score_columns(found, truth).class_accuracy == pytest.approx(1 - 11 / 88)
    assert np.isnan(score_columns(found, lattice()).class_accuracy)


def test_scores_add_and_the_answer_is_json():
    truth = lattice()
    total = score_columns(truth[:44], truth) + score_columns(truth, truth)
    assert total.recall == 0.75
    assert (ColumnScore() + total).as_dict() == total.as_dict()
    nothing = json.loads(json.dumps(ColumnScore().as_dict(), allow_nan=False))
    assert (nothing["f1"], nothing["rms_px"]) == (1.0, None)


def test_confusions_of_classes_are_counted():
    truth = lattice().assign(**{"class": "C"})
    truth.loc[:9, "class"] = "Si"
    found = lattice().assign(**{"class": "C"})
    found.loc[:3, "class"] = "Si"
    score = score_columns(found, truth)
    assert score.classes == {("Si", "Si"): 4, ("Si", "C"): 6, ("C", "C"): len(truth) - 10}
    total = score + score
    assert total.classes["Si", "C"] == 12
    assert {"true": "Si", "found": "C", "n": 12} in total.as_dict()["classes"]


def test_each_column_is_judged():
    truth = lattice()
    found = truth.drop(index=[5, 6])
    found.loc[200] = [30.0, 60.0]
    judged = judge_columns(found, truth)
    assert judged.missed_index.tolist() == [5, 6]
    assert judged.found_px[judged.false_index].tolist() == [[30.0, 60.0]]
