from pathlib import Path

import pytest

from scanseg.errors import ConfigError
from scanseg.train import AtomRecipe, WallRecipe, read_recipe
from scanseg.train.module import learning_rate_factor
from scanseg.train.recipe import Optimisation
from scanseg.train.task import task_of

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_that_ship_are_valid(path):
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe.classes[0].name == "background"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stepps": 5}, "'stepps' is unknown, did you mean 'steps'"),
        ({"optimisation": {"learningrate": 1}}, "did you mean 'learning_rate'"),
        ({"scene": {"signal": "HAADF"}}, "scene.signal"),
        ({"steps": 0}, "steps: .*greater than 0"),
        ({"augmentation": {"blur": 1.5}}, "augmentation.blur"),
        ({"native_scale": [1.3, 0.5]}, "lower number comes first"),
        ({"seed": 20_000}, "must differ"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_is_wrong_is_said(settings, words):
    with pytest.raises(ConfigError, match=words):
        AtomRecipe.from_settings({"name": "x", **settings})


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("nam: x\nbatch: many\n")
    with pytest.raises(ConfigError) as caught:
        read_recipe(path)
    for words in ("recipe.yaml", "name", "did you mean 'name'", "batch"):
        assert words in str(caught.value)


def test_overrides(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: x\nloss: {dice: 0.5}\n")
    recipe = read_recipe(path, overrides=("loss.focal=1", "scene.spacing_px=[8, 9]"))
    assert (recipe.loss.dice, recipe.loss.focal, recipe.scene.spacing_px) == (0.5, 1.0, (8.0, 9.0))


def test_the_learning_rate_rises_and_falls():
    settings = Optimisation(warmup=0.1)
    assert learning_rate_factor(0.0, settings) == pytest.approx(0.01)
    assert learning_rate_factor(0.05, settings) == pytest.approx(0.5)
    assert learning_rate_factor(0.1, settings) == pytest.approx(1.0)
    assert learning_rate_factor(0.55, settings) == pytest.approx(0.505)  # half of the cosine
    for late in (1.0, 1.2):
        assert learning_rate_factor(late, settings) == pytest.approx(0.01)
    constant = Optimisation(warmup=0.0, schedule="constant")
    assert {learning_rate_factor(part, constant) for part in (0.0, 0.5, 1.0)} == {1.0}


def test_the_task_chooses_the_recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    for text, kind in (("name: x", AtomRecipe), ("name: x\ntask: walls", WallRecipe)):
        path.write_text(text)
        recipe = read_recipe(path)
        assert type(recipe) is kind
        # Six planes of a scan, one of an image.
        assert len(task_of(recipe).channels) == (6 if kind is WallRecipe else 1)
    path.write_text("name: x\ntask: grains")
    with pytest.raises(ConfigError, match=r"no task 'grains'.*Known are atoms and walls"):
        read_recipe(path)
