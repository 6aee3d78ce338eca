"""Trials that are trainings: what they get, what is kept, what ends them."""

from types import SimpleNamespace

import pytest
import yaml

from scanseg.errors import ConfigError
from scanseg.train import read_recipe
from scanseg.tune import SearchSpace, Tuning, tune_recipe

RECIPE = {
    "name": "tiny", "steps": 4, "batch": 2, "workers": 0, "patch_px": 64,
    "architecture": {"name": "compact-unet", "arguments": {"filters": [8, 8]}},
    "validation": {"n_images": 2, "every_steps": 2},
    "optimisation": {"precision": "32-true", "ema_decay": 0.0},
}  # fmt: skip
SPACE = SearchSpace.from_settings(
    {
        "search": {
            "optimisation.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
            "batch": {"low": 2, "high": 6},
            "architecture.arguments.filters": [[8, 8], [8, 12]],
        }
    }
)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


@pytest.fixture
def trained(monkeypatch):
    """Trainings that were asked for; none is done: the best learning rate is 0.01."""
    import numpy as np

    calls = []

    def train(path, *, output, overrides, start_from, on_validation):
        settings = read_recipe(path, overrides=overrides)
        calls.append(settings)
        (output / "checkpoints").mkdir(parents=True)
        f1 = 1 - 0.2 * abs(np.log10(settings.optimisation.learning_rate) + 2)
        for step in (2, 4):
            on_validation(step, f1 * step / 4)
        return SimpleNamespace(contract=SimpleNamespace(figures={"validation_f1": f1}))

    monkeypatch.setattr("scanseg.train.train_recipe", train)
    return calls


def test_the_best_recipe_is_written_whole(recipe, trained, tmp_path):
    out = tmp_path / "out"
    outcome = tune_recipe(
        recipe, output=out, space=SPACE, settings=Tuning(trials=20, search="gp"),
        overrides=("steps=6",),
    )  # fmt: skip
    assert len(trained) == 20
    assert all(settings.steps == 6 for settings in trained)
    assert {settings.batch for settings in trained} <= {2, 3, 4, 5, 6}
    # As it is: the default learning rate, and the filters of the recipe.
    assert trained[0].optimisation.learning_rate == 2e-3
    assert trained[0].architecture.arguments["filters"] == [8, 8]
    assert outcome.reference == pytest.approx(1 - 0.2 * 0.699, abs=1e-3)
    best = read_recipe(out / "best.yaml")
    assert best.optimisation.learning_rate == outcome.best["optimisation.learning_rate"]
    # Within a factor of 1.8 of the best; 20 random values would be within 1.2 at best.
    assert abs(best.optimisation.learning_rate - 0.01) < 0.008
    assert (best.steps, best.patch_px) == (6, 64)
    assert not list(out.glob("trials/*/checkpoints"))
    assert (out / "study.html").exists()


def test_mistakes_in_the_space_end_it_before_the_first_training(recipe, trained, tmp_path):
    for search, words in (
        ({"optimisation.learningrate": [1e-3, 1e-2]}, "did you mean 'learning_rate'"),
        ({"batch": {"low": 0, "high": 4}}, "greater than 0"),
        ({"loss.dice": ["much", "little"]}, r"loss\.dice"),
    ):
        space = SearchSpace.from_settings({"search": search})
        with pytest.raises(ConfigError, match=words):
            tune_recipe(recipe, output=tmp_path / "out", space=space)
    assert not trained
    assert not (tmp_path / "out").exists()


def test_a_short_real_search(recipe, tmp_path):
    space = SearchSpace.from_settings({"search": {"loss.dice": [0.0, 0.3]}})
    outcome = tune_recipe(
        recipe, output=tmp_path / "out", space=space, settings=Tuning(trials=2, search="grid")
    )
    assert 0 <= outcome.score <= 1
    assert [len(trial.intermediate_values) for trial in outcome.study.trials] == [2, 2]
    assert (tmp_path / "out" / "trials" / "0001" / "tiny" / "model.yaml").exists()
