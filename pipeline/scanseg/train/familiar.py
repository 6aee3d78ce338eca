"""What images a model knows: ranges of statistics over its recipe's validation set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from scanseg.bundle import Model, foreground_probability, load_model
from scanseg.bundle.model import CONTRACT_FILE
from scanseg.inference import open_engine
from scanseg.train.recipe import read_recipe
from scanseg.train.task import task_of

__all__ = ["familiar_ranges", "remember_familiar"]


def familiar_ranges(
    rows: Sequence[Mapping[str, float]], percentiles: tuple[float, float]
) -> dict[str, tuple[float, float]]:
    """Range of each statistic.

    Parameters
    ----------
    rows
        Statistics of each image; nan where one could not be measured.
    percentiles
        Lower and upper end.

    Examples
    --------
    >>> familiar_ranges([{"doubt": 0.1}, {"doubt": 0.3}, {"doubt": float("nan")}], (0, 100))
    {'doubt': (0.1, 0.3)}
    """
    ranges = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows if np.isfinite(row[name])]
        if values:
            low, high = np.percentile(values, percentiles)
            ranges[name] = (round(float(low), 4), round(float(high), 4))
    return ranges


def remember_familiar(model: Model, recipe_file: Path) -> Model:
    """Measure what a trained model knows, and write it into its contract.

    For models that were exported before there were such statistics; weights stay as they are.

    Parameters
    ----------
    model
        Its folder is changed.
    recipe_file
        What it was trained from, whose validation set is drawn again.

    Returns
    -------
    model
        As it is now.
    """
    contract, engine = model.contract, open_engine(model)
    task = task_of(read_recipe(recipe_file))
    patches = task.validation_set()
    probability = [
        foreground_probability(
            engine.logits(patch.image[None]),
            temperature=contract.temperature,
            n_members=contract.members,
        )[0]
        for patch in patches
    ]
    path = model.folder / CONTRACT_FILE
    stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    ranges = task.familiar(patches, probability)
    stored["familiar"] = {name: list(each) for name, each in ranges.items()}
    partial = path.with_name(f".{path.name}")
    text = yaml.safe_dump(stored, sort_keys=False, allow_unicode=True)
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    return load_model(model.folder)
