"""Settings behind the network, on probabilities in which the best ones are known."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from scanseg.errors import ConfigError
from scanseg.inference import Prediction
from scanseg.inference.sampling import Spacing
from scanseg.micrograph import Micrograph, Signal
from scanseg.preprocess import Grid
from scanseg.runs.settings import load_settings
from scanseg.train.labelled import LabelledColumns, LabelledImage
from scanseg.train.labelled_files import LabelFiles
from scanseg.tune import SearchSpace, Tuning, tune_postprocessing

SHAPE = (72, 108)


def _labelled(name, signal, **truth):
    rng = np.random.default_rng(len(name))
    image = Micrograph(rng.normal(size=SHAPE).astype(np.float32), (0.02, 0.02), signal)
    path = Path(name)
    return LabelledImage(
        LabelFiles(name, path, path, "points"), image, name, np.ones(SHAPE, bool), **truth
    )


def _stub(monkeypatch, foreground, spacing=None):
    """Predict these probabilities; returns the names of the images that were predicted."""
    asked = []

    def predict(image, model, engine):
        asked.append(image)
        bytes_ = np.rint(255 * foreground).astype(np.uint8)
        return Prediction(
            image=image, model=model, grid=Grid(SHAPE, SHAPE), spacing=spacing, intensity=None,
            foreground=bytes_,
        )  # fmt: skip

    monkeypatch.setattr("scanseg.tune.postprocessing.predict", predict)
    monkeypatch.setattr("scanseg.tune.postprocessing.open_engine", lambda model: None)
    return asked


@pytest.fixture
def columns(monkeypatch):
    """Columns that the network is 0.5 sure of, and specks between them that it is 0.3 sure of."""
    y, x = np.mgrid[6:70:12, 6:104:12].reshape(2, -1)
    true, specks = np.stack([y, x], 1).astype(float), np.stack([y + 6, x + 6], 1).astype(float)
    rows, across = np.indices(SHAPE)
    foreground = np.zeros(SHAPE)
    for position, level in ((true, 0.5), (specks, 0.3)):
        for a, b in position:
            foreground[np.hypot(rows - a, across - b) <= 2] = level
    asked = _stub(monkeypatch, foreground[None], Spacing(9.0, "lattice"))
    n = len(true)
    truth = LabelledColumns(true, np.ones(n, np.int64), np.ones(n, bool))
    images = [_labelled(f"{name}.tif", Signal.HAADF, columns=truth) for name in "abc"]
    return images, asked


def test_the_threshold_between_columns_and_specks_is_found(columns, model, tmp_path):
    images, _ = columns
    result = tune_postprocessing(
        images, model, output=tmp_path, settings=Tuning(trials=15, random_first=6),
        overrides=("atoms.detection.threshold=0.2",),
    )  # fmt: skip
    # With 0.2 each speck is a column too: half of what is found is wrong.
    assert result.outcome.reference == pytest.approx(2 / 3, abs=0.05)
    assert (result.outcome.score, result.after) == (1, 1)
    assert result.before == pytest.approx(2 / 3, abs=0.05)
    assert len(result.held_out) == 1
    # What is written is what predict takes.
    chosen = load_settings(tmp_path / "best.yaml", ()).atoms.detection.threshold
    assert 0.29 < chosen < 0.51
    text = yaml.safe_load((tmp_path / "best.yaml").read_text())
    assert set(text["atoms"]["detection"]) == {"threshold", "closest_of_spacing"}


def test_probabilities_are_computed_once(columns, model, tmp_path):
    images, asked = columns
    for trials in (3, 6):
        tune_postprocessing(images, model, output=tmp_path, settings=Tuning(trials=trials))
    assert len(asked) == 3
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_settings_before_the_network_are_refused(columns, model, tmp_path):
    space = SearchSpace.from_settings({"search": {"inference.augment": ["none", "flips"]}})
    with pytest.raises(ConfigError, match="not applied behind the network"):
        tune_postprocessing(columns[0], model, output=tmp_path, space=space)
    space = SearchSpace.from_settings({"search": {"atoms.detection.threshhold": [0.2, 0.4]}})
    with pytest.raises(ConfigError, match="did you mean 'threshold'"):
        tune_postprocessing(columns[0], model, output=tmp_path, space=space)
    with pytest.raises(ConfigError, match="no labelled image"):
        tune_postprocessing([], model, output=tmp_path)


def test_short_false_walls_are_told_from_long_true_ones(monkeypatch, wall_model, tmp_path):
    foreground = np.zeros((2, *SHAPE))
    foreground[0, 20:23, 5:100] = 0.9
    for x in range(10, 100, 22):  # 12 px long each
        foreground[0, 50:53, x : x + 12] = 0.8
    _stub(monkeypatch, foreground)
    truth = np.zeros(SHAPE, np.uint8)
    truth[20:23, 5:100] = 1
    images = [_labelled(f"{name}.tif", Signal.PFM_AMPLITUDE, wall_map=truth) for name in "ab"]
    space = SearchSpace.from_settings({"search": {"walls.shortest_px": [4.0, 30.0]}})
    result = tune_postprocessing(
        images, wall_model, output=tmp_path, space=space, settings=Tuning(trials=2, search="grid"),
        overrides=("walls.phase_weight=0", "walls.spur_px=2"),
    )  # fmt: skip
    assert result.outcome.best == {"walls.shortest_px": 30.0}
    assert result.outcome.score > 0.95 > result.before
