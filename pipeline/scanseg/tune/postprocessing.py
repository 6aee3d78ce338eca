"""Search for the settings behind the network, on probabilities that are computed once."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.atoms import find_columns
from scanseg.bundle import Model
from scanseg.errors import ConfigError
from scanseg.evaluate import (
    ColumnScore,
    SkeletonScore,
    class_skeleton_of_lines,
    score_columns,
    score_skeleton,
    wall_skeleton,
)
from scanseg.inference import Prediction, open_engine, predict
from scanseg.inference.sampling import Spacing
from scanseg.preprocess import Grid
from scanseg.runs.settings import RunSettings
from scanseg.train.labelled import LabelledImage
from scanseg.train.labels import IGNORED
from scanseg.train.splits import split_images
from scanseg.tune.results import write_results
from scanseg.tune.space import (
    SearchSpace,
    Values,
    nested,
    overrides_of,
    read_space,
    value_of,
    whole_numbers,
)
from scanseg.tune.study import Outcome, Report, Tuning, run_study
from scanseg.walls import trace_lines

__all__ = ["Postprocessing", "score_walls_behind", "tune_postprocessing"]

log = logging.getLogger(__name__)

# Groups of settings that cached probabilities can answer for.
GROUPS = {"atoms": "atoms.detection.", "walls": "walls."}
WALL_RADIUS_PX = 2.0
HELD_OUT = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Postprocessing:
    """What came of a search.

    Parameters
    ----------
    outcome
        The study.
    held_out
        Names of the images that were not searched on; empty with a single image.
    before, after
        F1 on them with the settings as they were and with the best; on all images where nothing
        was held out.
    """

    outcome: Outcome
    held_out: tuple[str, ...]
    before: float
    after: float


def tune_postprocessing(
    images: Sequence[LabelledImage],
    model: Model,
    *,
    output: Path,
    space: SearchSpace | None = None,
    settings: Tuning | None = None,
    overrides: Sequence[str] = (),
    held_out: float = HELD_OUT,
    earlier: Sequence[Path] = (),
    budget_s: float | None = None,
    say: Callable[[str], None] = log.info,
) -> Postprocessing:
    """Search for threshold, distances and lengths that find most of what is labelled.

    Parameters
    ----------
    images
        Labelled images, at least one.
    model
        Whose probabilities; they are kept in ``cache/``.
    output
        Gets ``study.journal``, ``trials.csv``, ``study.html`` and ``best.yaml``, settings for
        ``scanseg predict --config``. Several processes may share it.
    space
        What is searched, by the names that ``scanseg predict --set`` knows.
    settings
        How.
    overrides
        ``dotted.key=value`` settings of all trials.
    held_out
        Share of the images that are not searched on.
    earlier
        Folders of earlier studies.
    budget_s
        Seconds for the search.
    say
        Is told what happens, a sentence at a time.

    Raises
    ------
    ConfigError
        When there is no image, or a setting has no part in what follows the network.
    """
    task = model.contract.task
    if not images:
        raise ConfigError("There is no labelled image.", hint="Run scanseg check --labels on them.")
    if space is None:
        space = read_space(Path(str(files("scanseg.tune") / f"{task}.yaml")))
    _check_names(space, task)
    base = RunSettings.from_settings({}, overrides=tuple(overrides), origin="--set")
    for edge in space.edges():
        _settings(overrides, edge)
    say(f"Predicting {len(images)} images; what is cached is read.")
    output.mkdir(parents=True, exist_ok=True)
    cached = _predictions(images, model, output / "cache")
    split = split_images(images, held_out=held_out, seed=1)
    say(split.statement)
    searched = [n for n, each in enumerate(images) if each.name in split.training]
    judged = [n for n, each in enumerate(images) if each.name in split.held_out] or searched

    def score(values: Values, numbers: Sequence[int]) -> float:
        chosen = _settings(overrides, values)
        pairs = [(images[n], cached[n]) for n in numbers]
        return _score_atoms(pairs, chosen) if task == "atoms" else _score_walls(pairs, chosen)

    def objective(values: Values, report: Report, number: int) -> float:
        return score(values, searched)

    start = _as_it_is(base, space, model)
    tuning = (settings or Tuning()).model_copy(update={"prune": False})
    outcome = run_study(
        objective, space, folder=output,
        identity={
            "images": sorted(each.sha256 for each in images), "model": model.sha256,
            "settings": base.model_dump(mode="json"), "held_out": held_out,
        },
        settings=tuning, whole=whole_numbers(base, list(space.search)), start=start,
        earlier=earlier, budget_s=budget_s, say=say,
    )  # fmt: skip
    before = score({}, judged)
    after = score(outcome.best, judged) if outcome.best else float("nan")
    write_results(
        outcome, output,
        title=f"Search for settings behind {model.name}",
        measure="F1 of columns" if task == "atoms" else f"F1 of walls within {WALL_RADIUS_PX:g} px",
        best=nested(_given(overrides), outcome.best) if outcome.best else None,
        before=start,
        facts={
            "model": f"{model.name} {model.contract.version}",
            "images": f"{len(searched)} searched on, {len(split.held_out)} held out",
            "F1 on images held out" if split.held_out else "F1 on the same images":
                f"{before:.4f} before, {after:.4f} with the best settings",
        },
    )  # fmt: skip
    return Postprocessing(outcome, split.held_out, before, after)


def _check_names(space: SearchSpace, task: str) -> None:
    wrong = [name for name in space.search if not name.startswith(GROUPS[task])]
    if wrong:
        raise ConfigError(
            f"{wrong[0]} is not applied behind the network of a model for {task}.",
            hint=f"Search settings that begin with {GROUPS[task]}; those of a training are "
            "searched with a recipe.",
        )


def _given(overrides: Sequence[str]) -> dict[str, Any]:
    import yaml

    pairs = (each.partition("=") for each in overrides)
    return nested({}, {key.strip(): yaml.safe_load(text) for key, _, text in pairs})


def _settings(overrides: Sequence[str], values: Values) -> RunSettings:
    return RunSettings.from_settings(
        {}, overrides=(*overrides, *overrides_of(values)), origin="the search space"
    )


def _as_it_is(base: RunSettings, space: SearchSpace, model: Model) -> dict[str, Any]:
    """The settings that would be used; a threshold that is not given is the model's."""
    values = {name: value_of(base, name) for name in space.search}
    return {
        name: model.contract.threshold if name.endswith("threshold") and value is None else value
        for name, value in values.items()
    }


def _predictions(images: Sequence[LabelledImage], model: Model, folder: Path) -> list[Prediction]:
    """Predictions of all images; those in the folder are not computed again."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = None
    found = []
    for each in images:
        path = folder / f"{_key(each, model)}.npz"
        if not path.is_file():
            engine = engine or open_engine(model)
            _keep(predict(each.image, model, engine=engine), path)
        found.append(_kept(path, each, model))
    return found


def _key(image: LabelledImage, model: Model) -> str:
    return hashlib.sha256(f"{image.sha256} {model.sha256}".encode()).hexdigest()[:32]


def _keep(prediction: Prediction, path: Path) -> None:
    """Write what settings behind the network need; renamed, since processes share the folder."""
    spacing = prediction.spacing
    about = {
        "grid": prediction.grid.shape,
        "spacing": None if spacing is None else [spacing.spacing_px, spacing.method],
    }
    scratch = path.with_name(f".{path.stem}-{os.getpid()}.npz")
    np.savez_compressed(scratch, foreground=prediction.foreground, about=json.dumps(about))
    scratch.replace(path)


def _kept(path: Path, image: LabelledImage, model: Model) -> Prediction:
    with np.load(path, allow_pickle=False) as stored:
        foreground, about = stored["foreground"], json.loads(str(stored["about"]))
    height, width = about["grid"]
    return Prediction(
        image=image.image, model=model, grid=Grid(image.image.shape, (height, width)),
        spacing=Spacing(*about["spacing"]) if about["spacing"] else None, intensity=None,
        foreground=foreground,
    )  # fmt: skip


def _score_atoms(pairs: Sequence[tuple[LabelledImage, Prediction]], settings: RunSettings) -> float:
    import pandas as pd

    total = ColumnScore()
    for labelled, prediction in pairs:
        columns = labelled.columns
        assert columns is not None  # labels of atoms have them
        found = find_columns(prediction, config=settings.atoms.detection)
        judged = _inside(found.position_px, labelled.labelled)
        true = _inside(columns.position_px, labelled.labelled)
        total += score_columns(
            _table(found.position_px[judged]),
            _table(columns.position_px[true]).assign(visible=columns.visible[true])
            if true.any()
            else pd.DataFrame({"y_px": [], "x_px": [], "visible": []}, dtype=float).astype(
                {"visible": bool}
            ),
            shape=labelled.image.shape,
        )
    return total.f1


def _table(position_px: NDArray[np.float64]) -> Any:
    import pandas as pd

    return pd.DataFrame({"y_px": position_px[:, 0], "x_px": position_px[:, 1]})


def _inside(position_px: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether positions lie on pixels of a mask."""
    pixel = np.rint(position_px).astype(int)
    within = ((pixel >= 0) & (pixel < mask.shape)).all(axis=1)
    pixel = np.clip(pixel, 0, np.array(mask.shape) - 1)
    return np.asarray(within & mask[tuple(pixel.T)])


def _score_walls(pairs: Sequence[tuple[LabelledImage, Prediction]], settings: RunSettings) -> float:
    scans = []
    for labelled, prediction in pairs:
        assert labelled.wall_map is not None  # labels of walls have one
        scans.append((labelled.wall_map, prediction))
    return score_walls_behind(scans, settings)


def score_walls_behind(
    scans: Sequence[tuple[NDArray[np.uint8], Prediction]], settings: RunSettings
) -> float:
    """Mean over the classes of the F1 of skeletons, one to one within 2 px, over all scans.

    Parameters
    ----------
    scans
        True class map, 255 where nothing is said, and prediction.
    settings
        How probabilities become walls.
    """
    totals: dict[int, SkeletonScore] = {}
    for class_map, prediction in scans:
        truth = wall_skeleton(class_map)
        found = _found_walls(prediction, settings)
        found[class_map == IGNORED] = 0  # finds there count neither way
        for number in range(1, len(prediction.model.contract.classes)):
            score = score_skeleton(
                found == number, truth == number, radius=WALL_RADIUS_PX, ignored=truth == IGNORED
            )
            totals[number] = totals.get(number, SkeletonScore(0, 0, 0)) + score
    # A class that is neither there nor found would count as perfect, whatever the settings.
    counted = [each.f1 for each in totals.values() if each.n_truth or each.n_found]
    return float(np.mean(counted)) if counted else 1.0


def _found_walls(prediction: Prediction, settings: RunSettings) -> NDArray[np.uint8]:
    config = settings.walls
    if config.threshold is None:
        threshold = prediction.model.contract.threshold
        config = config.model_copy(update={"threshold": threshold})
    lines, _ = trace_lines(prediction.probability, prediction.image.channels(), config=config)
    return class_skeleton_of_lines(
        [line.position_px for line in lines],
        [line.class_index for line in lines],
        prediction.image.shape,
    )
