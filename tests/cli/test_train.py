"""``scanseg train`` hands its options over."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scanseg.cli.train import seconds_of
from scanseg.writers import write_array


def test_options_reach_the_trainer(scanseg, tmp_path, monkeypatch, spots_model):
    from scanseg import train
    from scanseg.bundle import load_model

    calls = []

    def train_recipe(path, **options):
        calls.append((path, options))
        return load_model(spots_model)

    monkeypatch.setattr(train, "train_recipe", train_recipe)
    recipe = tmp_path / "recipe.yaml"
    code, stdout, _ = scanseg(
        "train", recipe, "-o", tmp_path / "out", "--budget", "1h30m", "--resume",
        "--set", "seed=3", "--from", spots_model,
    )  # fmt: skip
    assert code == 0
    assert str(spots_model) in stdout
    ((path, options),) = calls
    assert path == recipe
    assert options.pop("start_from").name == "spots"
    assert callable(options.pop("say"))
    assert options == {
        "output": tmp_path / "out",
        "budget_s": 5400.0,
        "resume": True,
        "overrides": ("seed=3",),
    }


@pytest.mark.parametrize("text", ["30", "half an hour", "", "1h 30m", "-3m"])
def test_a_duration_that_is_none_is_2(scanseg, tmp_path, text):
    code, _, stderr = scanseg("train", "r.yaml", "-o", tmp_path, f"--budget={text}")
    assert code == 2
    assert "30m" in stderr


def test_durations():
    assert [seconds_of(text) for text in ("90s", "1.5h", "2d1s")] == [90, 5400, 172801]


def test_programs_are_told_every_step_and_what_came_of_it(
    scanseg, tmp_path, monkeypatch, spots_model
):
    from scanseg.bundle import load_model
    from scanseg.train import retrain as module
    from scanseg.train.held_out import LabelledScore
    from scanseg.train.splits import Split

    def retrain(images, base, *, say, on_step, **_):
        say("Split by image.")
        on_step(0, 1, 40, 0.25)
        score = [LabelledScore({"f1": f1}, {"b.tif": f1}) for f1 in (0.5, 0.75)]
        split = Split(("a.tif",), ("b.tif",), "image")
        return module.Retrained(base, True, split, *score, (0.9, 0.9), 40, ("Look.",))

    monkeypatch.setattr(module, "retrain", retrain)
    data = tmp_path / "data"
    data.mkdir()
    for name in "ab":
        image = np.random.default_rng(ord(name)).normal(100, 5, (40, 52)).astype(np.float32)
        write_array(image, data / f"{name}.tif", pixel_size_nm=(0.02, 0.03))
        (data / f"{name}_atoms.csv").write_text("y_px,x_px\n10,12\n20,30\n")
    code, stdout, _ = scanseg(
        "train", data, "-o", tmp_path / "out", "--from", spots_model, "--events", "jsonl"
    )
    assert code == 0
    events = [json.loads(line) for line in stdout.splitlines()]
    assert {"event": "step", "member": 0, "step": 1, "n_steps": 40, "loss": 0.25} in events
    assert any(each.get("text") == "Split by image." for each in events)
    assert events[-1]["figures"] == [["f1", 0.5, 0.75]]
    assert events[-1]["held_out"] == ["b.tif"]
    assert events[-1]["folder"] == str(load_model(spots_model).folder)


def test_a_preview_needs_no_folder(scanseg, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: x\npatch_px: 48\nnative_scale: [1, 1]\n")
    sheet = tmp_path / "sheet.png"
    code, stdout, _ = scanseg("train", recipe, "--preview", sheet)
    assert code == 0
    assert str(sheet) in stdout
    assert sheet.stat().st_size > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "sheet.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [((), "--output"), (("--preview", "sheet.jpg"), "ends in .png")],
)
def test_what_a_training_needs(scanseg, tmp_path, options, words):
    code, _, stderr = scanseg("train", tmp_path / "recipe.yaml", *options)
    assert code == 2
    assert words in stderr
