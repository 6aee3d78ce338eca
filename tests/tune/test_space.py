"""What may be searched, and how values become settings."""

import pytest
import yaml

from scanseg.errors import ConfigError
from scanseg.train import AtomRecipe
from scanseg.tune import Range, SearchSpace, read_space
from scanseg.tune.space import nested, overrides_of, value_of, whole_numbers


def _space(**search):
    return SearchSpace.from_settings({"search": search})


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"a": {"low": 2, "high": 1}}, "must be below"),
        ({"a": {"low": 0, "high": 1, "log": True}}, "begins above 0"),
        ({"a": {"low": 1, "high": 9, "log": True, "step": 1}}, "no step"),
        ({"a": [3]}, "at least two"),
        ({"a": {"low": 0, "hihg": 1}}, "high"),
        ({}, "at least 1 item"),
    ],
)
def test_what_is_no_space_is_said(search, words):
    with pytest.raises(ConfigError, match=words):
        SearchSpace.from_settings({"search": search})


def test_known_values_must_be_searched():
    with pytest.raises(ConfigError, match="b in known_good"):
        SearchSpace.from_settings(
            {"search": {"a": {"low": 0, "high": 1}}, "known_good": [{"b": 1}]}
        )


def test_a_grid_has_ends_steps_and_whole_numbers():
    assert Range(low=1e-4, high=1e-2, log=True).grid(whole=False) == [1e-4, 1e-3, 1e-2]
    assert Range(low=0, high=1, step=0.25).grid(whole=False) == [0, 0.25, 0.5, 0.75, 1]
    assert Range(low=1, high=2, points=4).grid(whole=True) == [1, 2]
    assert Range(low=1, high=9, log=True, points=1).grid(whole=False) == [3]


def test_only_values_inside_are_taken_over():
    space = _space(a={"low": 0.0, "high": 1.0}, b=["x", [8, 16]], c={"low": 0, "high": 1})
    assert space.as_parameters({"a": 2.0, "b": [8, 16], "d": 1, "c": True}) == {"b": "[8, 16]"}


def test_settings_survive_the_way_through_text():
    values = {"a.rate": 1e-7, "a.filters": [8, 16], "b": None, "c": "yes", "d": True}
    texts = overrides_of(values)
    read = {key: yaml.safe_load(text) for key, _, text in (each.partition("=") for each in texts)}
    assert read == values
    assert nested({"a": {"rate": 1}}, values)["a"] == {"rate": 1e-7, "filters": [8, 16]}


def test_whole_numbers_are_known_from_the_recipe():
    recipe = AtomRecipe(name="x")
    names = ["batch", "optimisation.learning_rate", "loss.dice"]
    assert whole_numbers(recipe, names) == {"batch"}
    assert value_of(recipe, "architecture.arguments.filters") is None  # arguments are free
    with pytest.raises(ConfigError, match=r"no setting 'loss\.dise'"):
        value_of(recipe, "loss.dise")


def test_spaces_that_ship_are_of_known_settings():
    from importlib.resources import files
    from pathlib import Path

    from scanseg.runs.settings import RunSettings

    folder = Path(str(files("scanseg.tune")))
    for name, settings in (
        ("training", AtomRecipe(name="x")), ("atoms", RunSettings()), ("walls", RunSettings()),
    ):  # fmt: skip
        space = read_space(folder / f"{name}.yaml")
        for each in space.search:
            value_of(settings, each)
