"""Ways to train: each against what it should be, killed and resumed to the same weights."""

import csv
import importlib.util
import logging
import os
import subprocess
import sys
from itertools import chain

import pytest
import torch

from scanseg.bundle import load_model, self_test
from scanseg.errors import ConfigError, MachineError, TrainingFailed
from scanseg.train import fit, precision, read_recipe, train_recipe
from scanseg.train.loaders import NumbersFrom
from scanseg.train.module import SegmentationModule, learning_rate_factor
from scanseg.train.recipe import Optimisation

pytestmark = pytest.mark.usefixtures("one_thread")

SWA = (
    "optimisation.average=swa", "optimisation.swa_start=0.5", "optimisation.optimiser=sgd",
    "optimisation.accumulate=2", "optimisation.schedule=constant", "steps=6", "batch=2",
    "validation.every_steps=2",
)  # fmt: skip


@pytest.fixture
def weights_only(monkeypatch):
    """Leave the bundle out: it takes longer than these trainings."""
    monkeypatch.setattr(fit, "export_bundle", lambda *_, **__: None)
    monkeypatch.setattr(fit, "load_model", lambda _: None)


@pytest.fixture
def told(monkeypatch):
    """What is logged."""
    heard = []

    class Ear(logging.Handler):
        def emit(self, record):
            heard.append(record.getMessage())

    monkeypatch.setattr(logging.getLogger("scanseg"), "handlers", [Ear()])
    return heard


def checkpoint(run, name="last"):
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True, map_location="cpu")


def assert_same(one, other):
    for key in ("state_dict", "current_model_state"):
        for name, value in one.get(key, {}).items():
            assert torch.equal(value, other[key][name]), (key, name)


def note_weights(monkeypatch):
    """The weights after each batch, by the number of steps that are done."""
    noted = {}

    def note(module, *_):
        noted[module.global_step] = {n: w.detach().clone() for n, w in module.named_parameters()}

    monkeypatch.setattr(SegmentationModule, "on_train_batch_end", note)
    return noted


@pytest.mark.usefixtures("weights_only")
def test_the_mean_of_the_end_is_kept(tiny_recipe, tmp_path, monkeypatch):
    noted = note_weights(monkeypatch)
    train_recipe(tiny_recipe, output=tmp_path, overrides=SWA)
    stored = checkpoint(tmp_path)
    assert stored["global_step"] == 6
    assert sorted(noted) == [0, 1, 2, 3, 4, 5, 6]  # 0 after the first of the two batches of step 1
    for name in noted[6]:
        mean = torch.stack([noted[step][name] for step in (3, 4, 5, 6)]).mean(0)
        # A running mean of four in float32.
        torch.testing.assert_close(stored["state_dict"][name], mean, rtol=1e-5, atol=1e-6)
        assert torch.equal(stored["current_model_state"][name], noted[6][name])


@pytest.mark.usefixtures("weights_only")
def test_accumulated_gradients_and_the_mean_of_the_end_survive_a_kill(
    tiny_recipe, tmp_path, killed_in_step
):
    whole, again = tmp_path / "whole", tmp_path / "again"
    train_recipe(tiny_recipe, output=whole, overrides=SWA)
    with killed_in_step(6):
        train_recipe(tiny_recipe, output=again, overrides=SWA)
    assert checkpoint(again)["global_step"] == 4
    train_recipe(tiny_recipe, output=again, overrides=SWA, resume=True)
    assert_same(checkpoint(whole), checkpoint(again))


@pytest.mark.usefixtures("weights_only")
def test_a_step_of_two_batches_is_that_of_both(tiny_recipe, tmp_path, monkeypatch):
    """Without normalisation by the batch, two batches of one are a batch of two."""
    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", lambda _, image: image)
    plain = ("optimisation.optimiser=sgd", "optimisation.learning_rate=0.001", "loss.dice=0")
    plain += ("scene.visible_snr=0", "mirrored_border=0", "augmentation={}", "steps=2")
    outcomes = []
    for batch, accumulate in ((2, 1), (1, 2)):
        noted = note_weights(monkeypatch)
        settings = (f"batch={batch}", f"optimisation.accumulate={accumulate}")
        train_recipe(
            tiny_recipe, output=tmp_path / str(batch), overrides=plain + settings
        )  # fmt: skip
        outcomes.append(noted[2])
    start = SegmentationModule(read_recipe(tiny_recipe), [])  # only for the names
    for name, _ in start.named_parameters():
        torch.testing.assert_close(outcomes[0][name], outcomes[1][name], rtol=1e-3, atol=1e-6)


@pytest.mark.usefixtures("weights_only")
def test_a_seed_is_a_training(tiny_recipe, tmp_path):
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        train_recipe(tiny_recipe, output=tmp_path / name, overrides=(f"seed={seed}", "steps=3"))
    one, same, other = (checkpoint(tmp_path / name) for name in ("one", "same", "other"))
    assert_same(one, same)
    first = "network.stem.0.0.weight"
    assert not torch.equal(one["state_dict"][first], other["state_dict"][first])


def break_loss(monkeypatch, *steps):
    """The loss of these steps, counted from 1, is no number."""
    loss = SegmentationModule.loss_of

    def broken(module, image, class_map):
        factor = float("nan") if module.global_step + 1 in steps else 1.0
        return loss(module, image, class_map) * factor

    monkeypatch.setattr(SegmentationModule, "loss_of", broken)


@pytest.mark.usefixtures("weights_only")
def test_a_loss_that_is_no_number_sets_back(
    tiny_recipe, tmp_path, monkeypatch, told, killed_in_step
):
    break_loss(monkeypatch, 6)
    noted = note_weights(monkeypatch)
    whole, again = tmp_path / "whole", tmp_path / "again"
    train_recipe(tiny_recipe, output=whole)
    # The step is left out, then all is as it was after step 4.
    for name, value in noted[4].items():
        assert torch.equal(noted[6][name], value), name
        assert not torch.equal(noted[7][name], value), name
    assert any("back to the weights of step 4" in text and "1/2" in text for text in told)
    stored = checkpoint(whole)
    assert stored["global_step"] == 10
    assert stored["setbacks"] == 1
    assert all(value.isfinite().all() for value in stored["state_dict"].values())
    with killed_in_step(7):
        train_recipe(tiny_recipe, output=again)
    train_recipe(tiny_recipe, output=again, resume=True)
    assert_same(stored, checkpoint(again))


@pytest.mark.usefixtures("weights_only")
def test_a_set_back_halves_the_learning_rate(tiny_recipe, tmp_path, monkeypatch):
    break_loss(monkeypatch, 2)
    rates = []
    monkeypatch.setattr(
        SegmentationModule,
        "on_train_batch_end",
        lambda module, *_: rates.append(module.trainer.optimizers[0].param_groups[0]["lr"]),
    )
    constant = ("optimisation.schedule=constant", "optimisation.warmup=0", "steps=3")
    train_recipe(tiny_recipe, output=tmp_path, overrides=constant)
    assert rates == [0.01, 0.01, 0.005]


@pytest.mark.usefixtures("weights_only")
def test_a_loss_that_stays_no_number_ends_the_training(tiny_recipe, tmp_path, monkeypatch):
    break_loss(monkeypatch, *range(3, 11))
    with pytest.raises(TrainingFailed, match=r"step 6.*halved 3 times.*32-true"):
        train_recipe(tiny_recipe, output=tmp_path)


@pytest.mark.usefixtures("weights_only")
def test_broken_weights_are_not_stored(tiny_recipe, tmp_path, monkeypatch):
    def spoil(module, *_):
        if module.global_step == 4 and not module.setbacks:
            next(module.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(SegmentationModule, "on_train_batch_end", spoil)
    train_recipe(tiny_recipe, output=tmp_path, overrides=("steps=4",))
    stored = checkpoint(tmp_path)
    assert stored["setbacks"] == 1
    for key in ("state_dict", "current_model_state"):
        assert all(value.isfinite().all() for value in stored[key].values())


def test_members_of_several_seeds(tiny_recipe, tmp_path, killed_in_step):
    single = tmp_path / "single"
    few = ("steps=4", "validation.every_steps=2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "export_bundle", lambda *_, **__: None)
        patch.setattr(fit, "load_model", lambda _: None)
        train_recipe(tiny_recipe, output=single, overrides=(*few, "seed=2"))
        with pytest.raises(ConfigError, match="holds no checkpoint"):
            train_recipe(tiny_recipe, output=tmp_path / "pair", overrides=few, resume=True)
    pair = tmp_path / "pair"
    both = (*few, "members=2")
    said = []
    model = train_recipe(tiny_recipe, output=pair, overrides=both, say=said.append)
    assert model.contract.members == 2
    assert (model.contract.seed, model.folder) == (1, pair / "tiny")
    assert_same(checkpoint(single), checkpoint(pair / "seed_2"))
    assert "Member 2 of 2, seed 2:" in said
    card = (model.folder / "README.md").read_text()
    assert "16 patches of 64² pixels (4 steps of\n2, for each of 2 seeds)" in card


@pytest.mark.usefixtures("weights_only")
def test_a_kill_between_seeds_loses_none(tiny_recipe, tmp_path, killed_in_step):
    both = ("steps=2", "members=2", "validation.every_steps=1")
    train_recipe(tiny_recipe, output=tmp_path / "whole", overrides=both)
    train_recipe(
        tiny_recipe, output=tmp_path / "again", overrides=("steps=2", "members=2", both[2])
    )
    for path in (tmp_path / "again" / "seed_2" / "checkpoints").iterdir():
        path.unlink()
    train_recipe(tiny_recipe, output=tmp_path / "again", overrides=both, resume=True)
    for seed in ("seed_1", "seed_2"):
        assert_same(checkpoint(tmp_path / "whole" / seed), checkpoint(tmp_path / "again" / seed))


@pytest.mark.usefixtures("weights_only")
def test_a_requeued_job_goes_on_unasked(tiny_recipe, tmp_path, monkeypatch, killed_in_step):
    whole, again = tmp_path / "whole", tmp_path / "again"
    train_recipe(tiny_recipe, output=whole, overrides=("steps=5",))
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    for step in (3, 5):  # before the first validation, and after it
        with killed_in_step(step):
            train_recipe(tiny_recipe, output=again, overrides=("steps=5",))
    train_recipe(tiny_recipe, output=again, overrides=("steps=5",))
    assert_same(checkpoint(whole), checkpoint(again))


def test_the_cost_is_said(tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "export_bundle", lambda *_, **__: None)
    monkeypatch.setattr(fit, "load_model", lambda _: None)
    monkeypatch.setattr("scanseg.train.progress.TIMED_BATCHES", 2)
    said = []
    train_recipe(tiny_recipe, output=tmp_path, say=said.append)
    assert "A step takes" in said[1]
    assert "3 steps take about" in said[1]  # after 7 of 10
    assert said[0].startswith("Step 4 of 10: validation loss")
    assert said[0].endswith("left.")
    assert said[-1].startswith("Step 10 of 10")


@pytest.mark.usefixtures("weights_only")
def test_tensorboard_is_an_extra(tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match=r"pip install \"scanseg\[tensorboard\]\""):
        train_recipe(tiny_recipe, output=tmp_path, overrides=("tensorboard=true",))


@pytest.mark.usefixtures("weights_only")
def test_tensorboard_gets_the_curves(tiny_recipe, tmp_path):
    pytest.importorskip("tensorboard")
    train_recipe(tiny_recipe, output=tmp_path, overrides=("tensorboard=true", "steps=1"))
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    assert (tmp_path / "metrics.csv").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("optimisation={average: swa, snapshots: 2}", "average swa"),
        ("devices=3", "multiple of the 3 devices"),
        ("{seed: 19999, members: 2}", "must differ"),
    ],
)
def test_what_excludes_each_other(tiny_recipe, setting, words):
    overrides = (setting,) if "=" in setting else ("seed=19999", "members=2")
    with pytest.raises(ConfigError, match=words):
        read_recipe(tiny_recipe, overrides=overrides)


@pytest.mark.parametrize(
    ("schedule", "middle", "end"),
    [("linear", 0.505, 0.01), ("polynomial", 0.01 + 0.99 * 0.5**0.9, 0.01), ("steps", 1.0, 0.01)],
)
def test_schedules(schedule, middle, end):
    settings = Optimisation(warmup=0.0, schedule=schedule)
    factors = [learning_rate_factor(part, settings) for part in (0.0, 0.5, 1.0)]
    assert factors == pytest.approx([1.0, middle, end])


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "nadam", "radam", "rmsprop", "sgd"])
def test_optimisers(tiny_recipe, optimiser):
    recipe = read_recipe(tiny_recipe, overrides=(f"optimisation.optimiser={optimiser}",))
    made = SegmentationModule(recipe, []).configure_optimizers()
    assert type(made).__name__.lower() == optimiser
    assert made.param_groups[0]["weight_decay"] == 1e-4
    if optimiser in ("rmsprop", "sgd"):
        assert made.param_groups[0]["momentum"] == 0.9


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU decides")
def test_bfloat16_where_the_processor_has_it(tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(precision, "CPU_INFO", info)
    found = [precision.trainer_precision(Optimisation())]
    for features in ("flags: avx512f avx512_bf16", "Features: asimd bf16", "flags: avx512f f16c"):
        info.write_text(features)
        found.append(precision.trainer_precision(Optimisation()))
    assert found == ["32-true", "bf16-mixed", "bf16-mixed", "32-true"]
    assert precision.trainer_precision(Optimisation(precision="16-mixed")) == "16-mixed"


@pytest.mark.parametrize("done", [0, 12, 36])
def test_processes_share_every_batch(done):
    shares = [NumbersFrom(done, 48, batch=12, rank=rank, world=3) for rank in range(3)]
    each = [list(share) for share in shares]
    assert [len(share) for share in shares] == [16, 16, 16]
    assert sorted(chain(*each)) == list(range(done, 48))
    for number in range((48 - done) // 12):  # four of each batch
        batch = sorted(chain(*(share[4 * number : 4 * number + 4] for share in each)))
        assert batch == list(range(done + 12 * number, done + 12 * number + 12))


def test_two_processes_train_together(tiny_recipe, tmp_path):
    """In processes of their own, as Lightning starts them; imports take most of the time."""
    settings = ("devices=2", "steps=3", "validation.every_steps=2")
    command = [sys.executable, "-m", "scanseg.cli", "train", tiny_recipe, "-o", tmp_path / "out"]
    command += [part for setting in settings for part in ("--set", setting)]
    run = subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("Step 3 of 3") == run.stdout.count("is trained") == 1
    assert checkpoint(tmp_path / "out")["global_step"] == 3
    assert self_test(load_model(tmp_path / "out" / "tiny")).passed
    with (tmp_path / "out" / "metrics.csv").open(newline="") as lines:
        validated = [row["step"] for row in csv.DictReader(lines) if row["validation_f1"]]
    assert validated == ["1", "2"]
