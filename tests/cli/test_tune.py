"""``scanseg tune``: what it is given, and what it says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml

pytest.importorskip("optuna")


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe whose trainings are not done: their score is the weight of the Dice loss."""

    def train(path, *, output, overrides, start_from, on_validation):
        dice = next(float(each.split("=")[1]) for each in overrides if "loss.dice" in each)
        if dice > 0.9:
            raise RuntimeError("the loop is broken")
        return SimpleNamespace(contract=SimpleNamespace(figures={"validation_f1": dice}))

    monkeypatch.setattr("scanseg.train.train_recipe", train)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "steps": 3}))
    return path


def _space(tmp_path, **search):
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump({"search": search}))
    return path


def test_a_recipe_is_tuned_and_the_best_named(scanseg, recipe, tmp_path):
    space = _space(tmp_path, **{"loss.dice": [0.1, 0.5]})
    out = tmp_path / "out"
    code, stdout, _ = scanseg("tune", recipe, "-o", out, "--space", space, "--search", "grid")
    assert code == 0
    assert "best 0.5000" in stdout
    assert yaml.safe_load((out / "best.yaml").read_text())["loss"]["dice"] == 0.5
    assert {path.name for path in out.iterdir()} >= {"study.html", "trials.csv", "study.journal"}


def test_mistakes_are_usage_errors(scanseg, recipe, tmp_path):
    code, _, stderr = scanseg("tune", tmp_path, "-o", tmp_path / "out")
    assert code == 2
    assert "no model was given" in stderr
    code, _, stderr = scanseg("tune", recipe, "-o", tmp_path / "out", "--search", "magic")
    assert code == 2
    assert "search" in stderr
    space = _space(tmp_path, **{"loss.dise": [0.1, 0.5]})
    code, _, stderr = scanseg("tune", recipe, "-o", tmp_path / "out", "--space", space)
    assert code == 2
    assert "dice" in stderr
    code, _, stderr = scanseg("tune", recipe, "-o", tmp_path / "out", "--like", tmp_path / "none")
    assert code == 2
    assert "holds no study" in stderr


def test_a_mistake_of_ours_is_not_taken_for_a_bad_trial(scanseg, recipe, tmp_path):
    space = _space(tmp_path, **{"loss.dice": [0.95, 1.0]})
    code, _, stderr = scanseg("tune", recipe, "-o", tmp_path / "out", "--space", space)
    assert code == 1
    assert "the loop is broken" in stderr
