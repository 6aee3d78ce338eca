"""Several members from one training: when they are stored, and what is made of them."""

import logging

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scanseg.bundle import load_model, self_test
from scanseg.errors import ConfigError
from scanseg.nets.ensemble import Ensemble
from scanseg.train import read_recipe, train_recipe
from scanseg.train.module import SegmentationModule, finished_snapshots, learning_rate_factor
from scanseg.train.recipe import Optimisation

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tiny_walls, tmp_path_factory):
    """Folder, model and log of a training that nothing interrupted."""
    output = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        heard = []
        patch.setattr(logging.getLogger(), "handlers", [_Ear(heard)])
        patch.setattr(logging.getLogger(), "level", logging.INFO)
        model = train_recipe(tiny_walls, output=output)
    return output, model, heard


@pytest.fixture(scope="module", params=[3, 6])
def resumed(request, tiny_walls, tmp_path_factory, killed_in_step):
    """The same, killed in this step: before a member was stored, and after it."""
    output = tmp_path_factory.mktemp("resumed")
    with killed_in_step(request.param):
        train_recipe(tiny_walls, output=output)
    assert (output / "checkpoints" / "member_0.ckpt").exists() == (request.param > 4)
    return output, train_recipe(tiny_walls, output=output, resume=True)


class _Ear(logging.Handler):
    def __init__(self, heard):
        super().__init__()
        self.heard = heard

    def emit(self, record):
        self.heard.append(record.getMessage())


def checkpoint(run, name):
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True, map_location="cpu")


def test_members_are_stored_when_the_schedule_has_run_through(trained):
    assert [checkpoint(trained[0], f"member_{n}")["global_step"] for n in (0, 1)] == [4, 8]


def test_a_member_is_the_moving_average(trained):
    stored = checkpoint(trained[0], "member_1")
    average, current = stored["state_dict"], stored["current_model_state"]
    assert set(average) == set(current)
    assert not all(torch.equal(average[name], current[name]) for name in current)
    # The last checkpoint was written after the same step.
    for name, value in checkpoint(trained[0], "last")["state_dict"].items():
        assert torch.equal(value, average[name]), name


def test_the_bundle_holds_both_members(trained):
    run, model, _ = trained
    assert model.contract.members == 2
    assert model.contract.task == "walls"
    assert model.contract.normalisation is None
    assert self_test(load_model(model.folder)).passed
    weights = load_file(model.weights_path)
    for n in (0, 1):
        for name, value in checkpoint(run, f"member_{n}")["state_dict"].items():
            stored = weights[name.replace("network.", f"members.{n}.", 1)]
            assert torch.equal(stored, value), (n, name)
    assert "2 of them, averaged" in (model.folder / "README.md").read_text()


def test_an_interrupted_training_ends_with_the_same_members(trained, resumed):
    for n in (0, 1):
        whole, again = (checkpoint(run, f"member_{n}") for run in (trained[0], resumed[0]))
        assert again["global_step"] == whole["global_step"]
        for name, value in whole["state_dict"].items():
            assert torch.equal(value, again["state_dict"][name]), (n, name)
    stored, stored_again = (load_file(run[1].weights_path) for run in (trained, resumed))
    assert set(stored) == set(stored_again)
    for name, value in stored.items():
        assert torch.equal(value, stored_again[name]), name
    assert trained[1].contract.figures == resumed[1].contract.figures


def test_the_log_tells_of_members_and_not_of_lightning(trained):
    said = "\n".join(trained[2])
    assert "stored member 0 at step 4" in said
    for news in ("litlogger", "weights_only", "GPU available", "max_steps"):
        assert news not in said


def test_training_goes_on_from_the_last_member(trained, tiny_walls, tmp_path, monkeypatch):
    run, model, _ = trained
    at_start = {}
    monkeypatch.setattr(
        SegmentationModule,
        "on_fit_start",
        lambda module: at_start.update({n: v.clone() for n, v in module.state_dict().items()}),
    )
    train_recipe(
        tiny_walls, output=tmp_path, start_from=model,
        overrides=("steps=1", "seed=5", "optimisation.snapshots=1"),
    )  # fmt: skip
    for name, value in checkpoint(run, "member_1")["state_dict"].items():
        assert torch.equal(value, at_start[name]), name


def test_patience_and_snapshots_exclude_each_other(tiny_walls):
    with pytest.raises(ConfigError, match="patience would end the training before"):
        read_recipe(tiny_walls, overrides=("validation.patience=3",))


def test_how_many_members_there_are():
    three = Optimisation(snapshots=3)
    counted = [finished_snapshots(part, three) for part in (0, 0.49, 0.5, 0.74, 0.75, 0.99, 1, 1.1)]
    assert counted == [0, 0, 1, 1, 2, 2, 3, 3]
    one = Optimisation()
    assert [finished_snapshots(part, one) for part in (0.5, 0.99, 1.0)] == [0, 0, 1]


def test_the_schedule_runs_through_once_a_member():
    settings = Optimisation(snapshots=3, warmup=0.1)
    factor = [learning_rate_factor(part, settings) for part in np.arange(0, 1.0001, 1 / 400)]
    # The first takes steps 0 to 200, the others 100 each; all rise over a tenth of their own.
    assert [int(top) for top in np.flatnonzero(np.array(factor) == 1.0)] == [20, 210, 310]
    for end in (199, 299, 400):
        assert factor[end] == pytest.approx(0.01, abs=0.001)
    assert learning_rate_factor(1.5, settings) == pytest.approx(0.01)


def test_logits_of_members_follow_each_other():
    torch.manual_seed(1)
    members = [torch.nn.Conv2d(6, 3, 1) for _ in range(2)]
    image = torch.randn(2, 6, 8, 12)
    logits = Ensemble(members)(image)
    assert logits.shape == (2, 6, 8, 12)
    for number, member in enumerate(members):
        assert torch.equal(logits[:, 3 * number : 3 * number + 3], member(image))
