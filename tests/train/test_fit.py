"""A few steps of a small network on the CPU: what moves, what stops it, what goes on."""

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scanseg.bundle import load_model, self_test
from scanseg.errors import BundleError, ConfigError
from scanseg.train import read_recipe, train_recipe
from scanseg.train.atom_patches import SimulatedAtoms
from scanseg.train.export import measured_halo_px
from scanseg.train.loaders import NumbersFrom
from scanseg.train.module import SegmentationModule
from scanseg.train.task import task_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tiny_recipe, tmp_path_factory):
    """Folder and model of a training that nothing interrupted."""
    output = tmp_path_factory.mktemp("trained")
    return output, train_recipe(tiny_recipe, output=output)


@pytest.fixture(scope="module")
def resumed(tiny_recipe, tmp_path_factory, killed_in_step):
    """The same after its process was killed in step 7; step 4 was the last one stored."""
    output = tmp_path_factory.mktemp("resumed")
    with killed_in_step(7):
        train_recipe(tiny_recipe, output=output)
    assert checkpoint(output)["global_step"] == 4
    return output, train_recipe(tiny_recipe, output=output, resume=True)


def checkpoint(run, name="last"):
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True, map_location="cpu")


def logged(run):
    with (run / "metrics.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def new_weights(recipe):
    torch.manual_seed(recipe.seed)
    return SegmentationModule(recipe, []).state_dict()


def test_every_weight_moves(trained, tiny_recipe):
    before = new_weights(read_recipe(tiny_recipe))
    after = checkpoint(trained[0])["current_model_state"]
    assert set(after) == set(before)
    still = [name for name in before if torch.equal(before[name], after[name])]
    assert not still


def test_a_training_leaves_a_model_that_works(trained):
    run, model = trained
    assert model.folder == run / "tiny"
    opened = load_model(model.folder)
    assert self_test(opened).passed
    assert opened.contract.sampling.spacing_px == 8
    assert 0.2 <= opened.contract.threshold <= 0.7
    card = (model.folder / "README.md").read_text()
    assert "20 patches of 64² pixels (10 steps of\n2)" in card
    assert {path.name for path in run.iterdir()} >= {"curves.png", "reliability.png", "metrics.csv"}


def test_the_last_step_is_validated_although_no_interval_ends_there(trained):
    steps = [int(row["step"]) for row in logged(trained[0]) if row["validation_f1"]]
    assert steps == [3, 7, 9]  # numbered from 0


def test_a_training_shorter_than_the_interval_ends_in_a_model(tiny_recipe, tmp_path):
    model = train_recipe(tiny_recipe, output=tmp_path, overrides=("steps=1",))
    assert checkpoint(tmp_path, "best")["global_step"] == 1
    assert model.weights_path.exists()


def test_an_interrupted_training_ends_with_the_same_weights(trained, resumed):
    whole, again = checkpoint(trained[0]), checkpoint(resumed[0])
    assert again["global_step"] == whole["global_step"] == 10
    # What is trained, its moving average, and what is stored: bit by bit.
    for key in ("current_model_state", "state_dict"):
        for name, value in whole[key].items():
            assert torch.equal(value, again[key][name]), (key, name)
    stored, stored_again = (load_file(model.weights_path) for _, model in (trained, resumed))
    for name, value in stored.items():
        assert torch.equal(value, stored_again[name]), name


def test_the_curves_of_an_interrupted_training_are_whole(trained, resumed):
    names = ("step", "validation_loss", "validation_f1")
    whole, again = (
        [[row[name] for name in names] for row in logged(run) if row["validation_f1"]]
        for run, _ in (trained, resumed)
    )
    assert again == whole


@pytest.mark.parametrize(("steps", "done"), [(12, 2), (12, 6), (12, 10), (12, 12)])
def test_the_sampler_gives_what_is_left_and_counts_all(steps, done):
    sampler = NumbersFrom(done, steps)
    assert list(sampler) == list(range(done, steps))
    assert len(sampler) == steps


def test_a_finished_training_can_be_resumed(trained, tiny_recipe):
    run, model = trained
    weights = load_file(model.weights_path)
    again = train_recipe(tiny_recipe, output=run, resume=True)
    assert all(torch.equal(load_file(again.weights_path)[name], weights[name]) for name in weights)
    assert "(10 steps" in (again.folder / "README.md").read_text()


def test_training_starts_from_the_weights_of_a_model(trained, tiny_recipe, tmp_path, monkeypatch):
    _, model = trained
    stored = {f"network.{name}": value for name, value in load_file(model.weights_path).items()}
    at_start = {}

    def note(module):
        at_start.update({name: value.clone() for name, value in module.state_dict().items()})

    monkeypatch.setattr(SegmentationModule, "on_fit_start", note)
    train_recipe(
        tiny_recipe, output=tmp_path, start_from=model, overrides=("steps=2", "seed=5")
    )  # fmt: skip
    assert set(at_start) == set(stored)
    for name, value in stored.items():
        assert torch.equal(value, at_start[name]), name
    after = checkpoint(tmp_path)["current_model_state"]
    assert not [name for name in stored if torch.equal(stored[name], after[name])]


def test_weights_of_another_network_are_refused(trained, tiny_recipe, tmp_path):
    with pytest.raises(BundleError, match="do not fit"):
        train_recipe(
            tiny_recipe, output=tmp_path, start_from=trained[1],
            overrides=("architecture.arguments.filters=[8, 8]",),
        )  # fmt: skip


TWO_KINDS = (
    'classes=[{name: background, colour: "#000000"}, {name: heavy, colour: "#ff0000"}, '
    '{name: light, colour: "#00ff00"}]',
    "labels.truth=sublattice",
)


def test_a_model_is_trained_on_for_more_classes(trained, tiny_recipe, tmp_path, monkeypatch):
    _, model = trained
    at_start = {}

    def note(module):
        at_start.update({k: v.clone() for k, v in module.network.state_dict().items()})

    monkeypatch.setattr(SegmentationModule, "on_fit_start", note)
    grown = train_recipe(
        tiny_recipe, output=tmp_path, start_from=model, overrides=("steps=2", "seed=5", *TWO_KINDS)
    )
    for name, value in load_file(model.weights_path).items():
        if at_start[name].shape == value.shape:
            assert torch.equal(value, at_start[name]), name
        else:  # the last layer: what it knew, and the new class like the one it had
            assert torch.equal(value, at_start[name][:2]), name
            assert torch.equal(value[1], at_start[name][2]), name
    assert grown.contract.class_names == ("background", "heavy", "light")
    figures = grown.contract.figures
    assert {"validation_class_accuracy", "validation_f1_heavy", "validation_f1_light"} <= set(
        figures
    )


def test_fewer_classes_than_a_model_has_are_refused(trained, tiny_recipe, tmp_path):
    _, model = trained
    grown = train_recipe(
        tiny_recipe, output=tmp_path / "a", start_from=model, overrides=("steps=1", *TWO_KINDS)
    )
    with pytest.raises(ConfigError, match=r"asks for 2 classes .* has 3"):
        train_recipe(tiny_recipe, output=tmp_path / "b", start_from=grown)


def test_time_ends_a_training(tiny_recipe, tmp_path, monkeypatch):
    # Each look at the clock costs a quarter of a second, so 3 s are over after a few steps.
    now = iter(np.arange(0.0, 1e6, 0.25))
    monkeypatch.setattr("scanseg.train.module.time.monotonic", lambda: float(next(now)))
    train_recipe(tiny_recipe, output=tmp_path, budget_s=3.0, overrides=("steps=1000",))
    assert 1 <= checkpoint(tmp_path)["global_step"] <= 6
    assert logged(tmp_path)[-1]["validation_f1"]
    assert float(logged(tmp_path)[-1]["progress"]) >= 1


def test_time_is_counted_over_all_parts(tiny_recipe):
    module = SegmentationModule(read_recipe(tiny_recipe), [], budget_s=100.0)
    module.on_load_checkpoint({"spent_s": 60.0})
    module.on_train_start()
    stored = {}
    module.on_save_checkpoint(stored)
    # A few milliseconds pass between the two.
    assert stored["spent_s"] == pytest.approx(60, abs=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget_s": 0.0}, "no time"),
        ({"resume": True}, "no checkpoint"),
        ({"overrides": ("augmentation.blurr=0.5",)}, "blurr"),
        ({"overrides": ("architecture.name=compactunet",)}, "did you mean 'compact-unet'"),
    ],
)
def test_what_cannot_be_trained_is_said(tiny_recipe, tmp_path, options, words):
    with pytest.raises(ConfigError, match=words):
        train_recipe(tiny_recipe, output=tmp_path, **options)


def test_a_training_is_not_overwritten(trained, tiny_recipe):
    with pytest.raises(ConfigError, match="earlier training"):
        train_recipe(tiny_recipe, output=trained[0])


def test_patches_depend_on_their_number_only(tiny_recipe):
    recipe = read_recipe(tiny_recipe, overrides=("scene.disorder=1", "native_scale=[0.6, 1.2]"))
    patches, others = (SimulatedAtoms(recipe, range(8)) for _ in range(2))
    first = [patches[number] for number in range(8)]
    for number in (5, 2, 5):
        image, class_map = others[number]
        assert torch.equal(image, first[number][0])
        assert torch.equal(class_map, first[number][1])
        assert image.shape == (1, 64, 64)
        assert class_map.shape == (64, 64)
    assert not torch.equal(first[0][0], first[1][0])
    assert {int(value) for _, class_map in first for value in class_map.unique()} <= {0, 1, 255}


@pytest.mark.parametrize("n_images", [1, 2, 3])
@pytest.mark.parametrize(("kernel_px", "halo_px"), [(1, 0), (9, 8)])
def test_the_halo_is_what_the_network_sees(tiny_recipe, n_images, kernel_px, halo_px):
    recipe = read_recipe(tiny_recipe, overrides=(f"validation.n_images={n_images}",))
    patches = task_of(recipe).validation_set()
    # A kernel of 9 px sees four pixels beyond a cut; halos come in steps of 8.
    network = torch.nn.Conv2d(1, 2, kernel_px, padding=kernel_px // 2)
    assert measured_halo_px(network, patches, 1.0) == halo_px


def test_each_validation_is_told_and_may_end_the_training(tiny_recipe, tmp_path):
    told = []

    class EnoughError(Exception):
        pass

    def tell(step, f1):
        told.append((step, f1))
        if len(told) == 2:
            raise EnoughError

    with pytest.raises(EnoughError):
        train_recipe(tiny_recipe, output=tmp_path, on_validation=tell)
    assert [step for step, _ in told] == [4, 8]
    assert all(0 <= f1 <= 1 for _, f1 in told)
