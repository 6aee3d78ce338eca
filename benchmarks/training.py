"""What a step of training takes: the share of the data loader, and against AtomAI's trainer.

    bash benchmarks/make_atomai_environment.sh
    python benchmarks/training.py [--steps 30]

The loader: seconds of processor time that simulating a batch takes beside those of training on it.
With a process that simulates on a core of its own, a step waits for the difference where that is
positive; what it did wait for is measured as well, and is only meaningful on idle cores.

The trainers: the same network from random weights, the same batches ready made, one thread each,
medians of processor time a step. scanseg with all that its recipe asks for: bfloat16 where the
processor has it, channels last, moving average, clipping, cross-entropy and Dice. AtomAI 0.8.1 with
its own loop, Adam and cross-entropy, without its validation after every batch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

import scanseg.nets.compact_unet
from scanseg.train.loaders import training_loader, validation_loader
from scanseg.train.module import SegmentationModule
from scanseg.train.precision import trainer_precision
from scanseg.train.recipe import AtomRecipe, WallRecipe, read_recipe
from scanseg.train.task import task_of
from scanseg.train.trainer import quiet_lightning, recipe_trainer

from pytorch_lightning.callbacks import Callback  # isort: skip - module.py prepared it

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build"
RECIPES = ("stem-atoms", "pfm-walls")
UNTIMED = 5
SHARE, FASTER = 0.10, 1.5


class StepTimes(Callback):
    """Waiting and training of each step, by the wall and by the processor."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float]] = []
        self._ended = self._began = (time.perf_counter(), time.process_time())

    def on_train_batch_start(self, *_: Any) -> None:
        """The batch is there."""
        self._began = (time.perf_counter(), time.process_time())

    def on_train_batch_end(self, *_: Any) -> None:
        """The step is taken."""
        now = (time.perf_counter(), time.process_time())
        self.rows.append((self._began[0] - self._ended[0], now[0] - self._began[0],
                          now[1] - self._began[1]))  # fmt: skip
        self._ended = (time.perf_counter(), time.process_time())

    def median(self) -> tuple[float, float, float]:
        """Wait, wall and processor time of a step, in seconds."""
        wait, wall, cpu = np.median(self.rows[UNTIMED:], axis=0)
        return float(wait), float(wall), float(cpu)


def main() -> None:
    """Print both."""
    options = _options()
    torch.set_num_threads(1)
    print(f"load of the machine {os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} cores")
    for name in RECIPES:
        print_loader(name, options)
    print_trainers(options)


def print_loader(name: str, options: argparse.Namespace) -> None:
    """Cost of a batch and of a step on it; the wait with a process that simulates."""
    recipe = _recipe(name, options, workers=1)
    examples = task_of(recipe).patches(range(10**6))
    examples[0]  # compiles
    n_batches = max(4 * recipe.uses if isinstance(recipe, WallRecipe) else 4, options.steps // 4)
    since = time.process_time()
    for number in range(n_batches * recipe.batch):
        examples[number]
    batch_s = (time.process_time() - since) / n_batches
    wait_s, wall_s, step_s = step_times(recipe, examples)
    ideal = max(batch_s - step_s, 0.0) / max(batch_s, step_s)
    print(
        f"{name}: a batch takes {batch_s:.3f} s of CPU to draw, a step {step_s:.3f} s; on a core "
        f"each the loader's share is {ideal:.1%} (goal {SHARE:.0%}); waited here "
        f"{wait_s / (wait_s + wall_s):.1%}"
    )


def print_trainers(options: argparse.Namespace) -> None:
    """One network, the same batches, both trainers."""
    recipe = _recipe("stem-atoms", options, workers=0)
    assert isinstance(recipe, AtomRecipe)
    patches = task_of(recipe).patches(range(8 * recipe.batch))
    images, labels = (
        torch.stack([patches[n][part] for n in range(8 * recipe.batch)]) for part in (0, 1)
    )
    dataset = torch.utils.data.TensorDataset(
        images.repeat(options.steps // 8 + 2, 1, 1, 1), labels.repeat(options.steps // 8 + 2, 1, 1)
    )
    _, wall_s, cpu_s = step_times(recipe, dataset)
    with tempfile.TemporaryDirectory() as work:
        batches = Path(work) / "batches.npz"
        # Its loss knows no pixels that are left out: they count as background.
        np.savez(batches, images=images.numpy(), labels=np.where(labels == 255, 0, labels))
        # Two classes are one map to it: its head is half as large, all else is equal.
        arguments = {"n_channels": 1, "n_classes": 1, **recipe.architecture.arguments}
        command = [
            options.atomai, "-W", "ignore", HERE / "atomai_training_side.py",
            scanseg.nets.compact_unet.__file__, json.dumps(arguments), batches, options.steps,
            UNTIMED,
        ]  # fmt: skip
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        output = subprocess.run(
            [str(part) for part in command], env=os.environ | threads, cwd=work, check=True,
            stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip
    other = json.loads(output.splitlines()[-1])
    print(
        f"compact U-Net, {recipe.batch} patches of {recipe.patch_px}², one thread, CPU s a step: "
        f"scanseg {cpu_s:.3f} ({trainer_precision(recipe.optimisation)}), "
        f"AtomAI {other['cpu_s']:.3f}: {other['cpu_s'] / cpu_s:.2f} times faster "
        f"(goal {FASTER:g}); wall {wall_s:.3f} and {other['wall_s']:.3f} s"
    )


def step_times(recipe: AtomRecipe | WallRecipe, examples: Any) -> tuple[float, float, float]:
    """Wait, wall and processor time of a step of the trainer of ``scanseg train``."""
    times = StepTimes()
    patches = task_of(recipe).validation_set()
    module = SegmentationModule(recipe, patches)
    with tempfile.TemporaryDirectory() as work, quiet_lightning():
        trainer = recipe_trainer(recipe, Path(work), [times])
        trainer.fit(module, training_loader(recipe, examples), validation_loader(recipe, patches))
    return times.median()


def _recipe(name: str, options: argparse.Namespace, *, workers: int) -> AtomRecipe | WallRecipe:
    overrides = (f"steps={options.steps}", f"workers={workers}", "validation.n_images=2")
    return read_recipe(Path(str(files("scanseg.configs") / f"{name}.yaml")), overrides=overrides)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--atomai", type=Path, default=BUILD / "atomai-env" / "bin" / "python")
    parser.add_argument("--steps", type=int, default=30)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
