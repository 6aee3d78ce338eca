"""A few labelled images of a kind that a small network has never seen make it better at it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from scanseg.bundle import Model, load_model, self_test
from scanseg.errors import ConfigError
from scanseg.micrograph import Signal
from scanseg.train import read_recipe, train_recipe
from scanseg.train.held_out import LabelledScore
from scanseg.train.labelled_check import check_labelled
from scanseg.train.origin import left_out, origin_of
from scanseg.train.recalibrate import network_of
from scanseg.train.recall import widened
from scanseg.train.replay import Makeup, Replay
from scanseg.train.retrain import recipe_of_model, retrain
from scanseg.train.retrain_settings import Retraining
from scanseg.train.task import task_of
from scanseg.writers import write_array

pytestmark = pytest.mark.usefixtures("one_thread")


def dirty_crystal(rng, shape=(120, 136), spacing=9.0):
    """Columns, and sharp bright dirt between them that is none; (image, positions)."""
    y, x = np.meshgrid(np.arange(6, shape[0] - 4, spacing), np.arange(5, shape[1] - 4, spacing))
    lattice = np.column_stack([y.ravel(), x.ravel()]) + rng.uniform(0, 3, 2)
    position = lattice + rng.normal(0, 0.2, lattice.shape)
    dirt = lattice + spacing / 2 + rng.normal(0, 0.5, lattice.shape)
    dirt = dirt[rng.uniform(size=len(dirt)) < 0.7]
    rows, columns = np.indices(shape)

    def spots(centres, width):
        squares = (rows[..., None] - centres[:, 0]) ** 2 + (columns[..., None] - centres[:, 1]) ** 2
        return np.exp(-squares / (2 * width**2)).sum(axis=2)

    image = 60 + 60 * spots(position, 1.8) + 70 * spots(dirt, 0.8) + rng.normal(0, 4, shape)
    return image.astype(np.float32), position


def write_crystals(folder, n, seed=3):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        image, position = dirty_crystal(np.random.default_rng((seed, number)))
        path = folder / f"dirty_{number}.tif"
        write_array(image, path, pixel_size_nm=(0.02, 0.02), signal=Signal.HAADF)
        table = pd.DataFrame({"y_px": position[:, 0], "x_px": position[:, 1]})
        table.to_csv(folder / f"dirty_{number}_atoms.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def base(tiny_recipe, tmp_path_factory):
    """A small network that has seen a few hundred crystals of spots."""
    output = tmp_path_factory.mktemp("base")
    return train_recipe(
        tiny_recipe, output=output,
        overrides=("steps=80", "validation.every_steps=80", "optimisation.ema_decay=0"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return check_labelled(write_crystals(tmp_path_factory.mktemp("data"), 8), task="atoms")


@pytest.fixture(scope="module")
def retrained(base, data, tiny_recipe, tmp_path_factory):
    output = tmp_path_factory.mktemp("retrained")
    said = []
    settings = Retraining(steps=100, learning_rate=0.02, replayed=0.25, held_out=0.375, forget=1)
    recipe = read_recipe(tiny_recipe, overrides=("batch=4",))
    result = retrain(
        data.images, base, output=output, recipe=recipe, settings=settings, say=said.append
    )
    return output, result, said


def test_five_images_of_a_new_kind_make_a_model_better_at_others(retrained):
    _, result, said = retrained
    assert len(result.split.training) == 5
    assert len(result.split.held_out) == 3
    # Three pieces of dirt for four columns: who takes both for columns has a precision of 0.6.
    assert result.before.figures["precision"] < 0.75
    assert result.is_better
    assert result.after.f1 > 0.9
    assert "held out 3" in said[0]
    assert "100 steps" in said[1]


def test_the_folder_says_what_was_held_out_and_what_came_of_it(retrained):
    output, result, _ = retrained
    model = load_model(output / "tiny-retrained")
    assert self_test(model).passed
    assert json.loads((output / "split.json").read_text())["held_out"] == list(
        result.split.held_out
    )
    figures = json.loads((output / "figures.json").read_text())
    assert figures["is_better"]
    assert figures["labelled_f1"] == pytest.approx(result.after.f1, abs=1e-4)
    card = (model.folder / "README.md").read_text()
    assert "Trained further from tiny" in card
    assert "held out 3" in card
    assert not (output / ".trial").exists()


def test_a_model_that_is_not_better_does_not_replace_the_old_one(
    base, data, tiny_recipe, tmp_path, monkeypatch
):
    worse = LabelledScore({"f1": 0.1}, {each.name: 0.1 for each in data.images})
    better = LabelledScore({"f1": 0.9}, {each.name: 0.9 for each in data.images})
    scores = iter([better, worse])

    def score_labelled(*_, n_classes=None, **__):
        """Of simulated images, which have the classes of the base, nothing is forgotten."""
        return better if n_classes is None else next(scores)

    monkeypatch.setattr("scanseg.train.trial.score_labelled", score_labelled)
    result = retrain(
        data.images[:1], base, output=tmp_path, recipe=read_recipe(tiny_recipe),
        settings=Retraining(speed="threshold"),
    )  # fmt: skip
    assert not result.is_better
    assert result.model.folder == tmp_path / "tiny"
    assert load_model(result.model.folder).sha256 == base.sha256
    assert load_model(tmp_path / "not-better" / "tiny-retrained").contract.threshold > 0
    assert any("Nothing was held out" in text for text in result.remarks)


def test_every_batch_has_its_kinds_in_their_order(base, data, tiny_recipe):
    recipe = read_recipe(tiny_recipe, overrides=("batch=4",))
    task = task_of(recipe)
    view = task.view(data.images[0], base, None)
    simulated, recalled = task.patches(range(40)), task_of(widened(recipe)).patches(range(40, 80))
    settings = Retraining(replayed=0.25, recalled=0.25, noise=0.25)
    makeup = Makeup.of(settings, recipe)
    assert makeup == Makeup(recalled=1, simulated=1, noise=1, labelled=1)
    replay = Replay([view], simulated, recalled, makeup=makeup, n_examples=40, seed=1)
    for number, patches, twin in ((0, recalled, 0), (1, simulated, 0), (4, recalled, 1),
                                  (5, simulated, 1)):  # fmt: skip
        assert torch.equal(replay[number][0], patches[twin][0])
    for number in (2, 3, 6, 7):
        image, class_map = replay[number]
        assert image.shape == (1, 64, 64)
        assert bool(class_map.any()) == (number % 4 == 3)
        assert torch.equal(replay[number][0], image)


def test_small_batches_have_room_for_labels(tiny_recipe):
    recipe = read_recipe(tiny_recipe, overrides=("batch=2",))
    assert Makeup.of(Retraining(replayed=0.5), recipe).labelled == 1


def test_noise_has_the_counts_of_the_image_and_no_columns(base, data, tiny_recipe):
    view = task_of(read_recipe(tiny_recipe)).view(data.images[0], base, None)
    for seed in range(8):
        image, class_map = view.noise(np.random.default_rng(seed))
        assert not class_map.any()
        field = image[0] - image[0].mean()
        assert field.std() > 0.3
        # Columns at 8 px of the grid, and noise of 1.8 px at most: nothing repeats after 7 to 9.
        # 64^2 / 4 independent values leave 0.03 to chance; a crop of the crystal has 0.4.
        for lag in (7, 8, 9):
            repeat = (field[lag:] * field[:-lag]).mean() / field.var()
            assert abs(repeat) < 0.15


def test_a_budget_of_no_time_is_refused(base, data, tiny_recipe, tmp_path):
    with pytest.raises(ConfigError, match="too few"):
        retrain(
            data.images[:2], base, output=tmp_path, recipe=read_recipe(tiny_recipe), budget_s=0.01
        )


def test_a_recipe_that_is_not_at_hand_is_said(base, tiny_recipe):
    recipe, said = recipe_of_model(base)
    assert "tiny.yaml" in said
    assert recipe.architecture == base.contract.architecture
    given, said = recipe_of_model(base, tiny_recipe)
    assert said == ""
    assert given.patch_px == 64


def test_the_decoder_alone_is_trained_on_kept_features(base, data, tiny_recipe, tmp_path):
    recipe = read_recipe(tiny_recipe, overrides=("batch=4",))
    settings = Retraining(speed="head", steps=60, learning_rate=0.02, crops=16, forget=1)
    result = retrain(data.images, base, output=tmp_path, recipe=recipe, settings=settings)
    assert result.is_better
    old, new = (network_of(each).state_dict() for each in (base, result.model))
    changed = {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"up", "head"}
    assert "The decoder: 60 steps" in (result.model.folder / "README.md").read_text()
    assert (tmp_path / "logs" / "member_0" / "metrics.csv").read_text().count("\n") == 61


def test_in_folds_every_image_is_judged_by_a_training_that_had_not_seen_it(
    base, data, tiny_recipe, tmp_path
):
    said = []
    result = retrain(
        data.images[:4], base, output=tmp_path, recipe=read_recipe(tiny_recipe),
        settings=Retraining(speed="threshold", folds=2), say=said.append,
    )  # fmt: skip
    assert len(result.split.training) == 4
    assert set(result.after.f1_of_image) == set(result.split.training)
    stored = json.loads((tmp_path / "split.json").read_text())["folds"]
    mean, low, high = stored["f1_after"]
    assert low <= mean <= high
    assert mean == pytest.approx(np.mean(list(result.after.f1_of_image.values())))
    assert sum("Fold" in text for text in said) == 2


def test_a_model_that_was_trained_further_goes_back_to_where_it_came_from(retrained, base, data):
    output, result, _ = retrained
    origin = result.model.contract.origin
    assert origin.sha256 == base.sha256
    assert set(origin.images) == set(result.split.training)
    found, said = origin_of(result.model)
    assert found.sha256 == base.sha256
    assert found.folder == output / "tiny"
    assert "starts from tiny again" in said
    assert origin_of(base) == (base, "")
    assert left_out(result.model, data.images) == ""
    assert "was trained on 5 images" in left_out(result.model, [])
    lost = Model(output, result.model.contract)
    with pytest.raises(ConfigError, match="neither shipped nor beside"):
        origin_of(lost)


def test_a_new_class_is_learned_and_the_old_one_kept(base, tiny_recipe, tmp_path):
    folder = write_crystals(tmp_path / "data", 3)
    for path in folder.glob("*.csv"):
        table = pd.read_csv(path)
        table["class"] = np.where(np.arange(len(table)) % 2, "atom", "dopant")
        table.to_csv(path, index=False)
    images = check_labelled(folder, task="atoms", class_names=("background", "atom", "dopant"))
    assert not images.errors
    recipe, _ = recipe_of_model(base, tiny_recipe, new_classes=("dopant",))
    settings = Retraining(speed="head", steps=20, crops=8, forget=1)
    result = retrain(images.images, base, output=tmp_path / "out", recipe=recipe, settings=settings)
    folder = tmp_path / "out"
    model = next(folder.rglob("tiny-retrained"))
    assert load_model(model).contract.class_names == ("background", "atom", "dopant")
    assert 0 <= result.after.figures["class_accuracy"] <= 1
    with pytest.raises(ConfigError, match="has a class atom already"):
        recipe_of_model(base, tiny_recipe, new_classes=("atom",))
