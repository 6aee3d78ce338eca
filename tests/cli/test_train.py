"""``scanseg train`` hands its options over."""

from __future__ import annotations

import pytest

from scanseg.cli.train import seconds_of


def test_options_reach_the_trainer(scanseg, tmp_path, monkeypatch, spots_model):
    from scanseg import train
    from scanseg.bundle import load_model

    calls = []

    def train_recipe(path, **options):
        calls.append((path, options))
        return load_model(spots_model)

    monkeypatch.setattr(train, "train_recipe", train_recipe)
    recipe = tmp_path / "recipe.yaml"
    code, stdout, _ = scanseg(
        "train", recipe, "-o", tmp_path / "out", "--budget", "1h30m", "--resume",
        "--set", "seed=3", "--from", spots_model,
    )  # fmt: skip
    assert code == 0
    assert str(spots_model) in stdout
    ((path, options),) = calls
    assert path == recipe
    assert options.pop("start_from").name == "spots"
    assert options == {
        "output": tmp_path / "out",
        "budget_s": 5400.0,
        "resume": True,
        "overrides": ("seed=3",),
    }


@pytest.mark.parametrize("text", ["30", "half an hour", "", "1h 30m", "-3m"])
def test_a_duration_that_is_none_is_2(scanseg, tmp_path, text):
    code, _, stderr = scanseg("train", "r.yaml", "-o", tmp_path, f"--budget={text}")
    assert code == 2
    assert "30m" in stderr


def test_durations():
    assert [seconds_of(text) for text in ("90s", "1.5h", "2d1s")] == [90, 5400, 172801]
