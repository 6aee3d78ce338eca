"""scanseg against the ResHedNet of AtomAI 0.8.1 on domain walls.

    bash benchmarks/make_atomai_environment.sh
    python benchmarks/versus_atomai_walls.py [--minutes 20] [--model pfm-walls]

Both are trained on the same simulated scans, numbers 0, 1, ... of the recipe's stream, each on one
core and for the same time; side by side where there are two cores. AtomAI gets its scans ready
made, scanseg simulates its own within its time. AtomAI's network takes one channel: the amplitude,
and is asked in training for the walls that the amplitude shows. The clock of either runs while it
trains, not while it starts or stores its network.

The same held-out scans are then given to both. All maps of probability are thinned and scored
alike. scanseg also gets the amplitude alone, which tells the gain of its network from that of the
channels.

Times of prediction are those of whole processes on the same cores, from a folder of files to
results on disk, each after a warm-up on one scan; without the start they are what each further scan
takes. scanseg also traces and measures the walls and domains, and writes tables, overlays and a
report; AtomAI's loop ends with the pixels of the skeleton and their classes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import scanseg
from processes import Cost
from scanseg.evaluate import WallScan, WallScores, WallScoring, score_walls, wall_skeleton
from scanseg.inference import open_engine
from scanseg.micrograph import FloatImage, Micrograph
from scanseg.simulate.files import write_pfm
from scanseg.simulate.pfm import PfmScene, SimulatedPfm, simulate_pfm
from scanseg.train.recipe import WallRecipe, read_recipe
from versus_atomai import run

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build"
RECIPE = Path(str(files("scanseg.configs") / "pfm-walls.yaml"))
# Training draws from seeds (1, number, 0), validation from (20000, number).
HELD_OUT_SEED = 32
COMPLETE = {"amplitude": 0.0, "phase": 0.0, "topography": 0.0}
AMPLITUDE_ONLY = {"amplitude": 0.0, "phase": 1.0, "topography": 1.0}
NAMES = ("background", "ferroelectric", "ferroelastic")
THRESHOLDS = (0.4, 0.5)  # of AtomAI's workflow and of its predictor
SCORING = WallScoring(radii_px=(2.0,), radii_nm=(), n_thresholds=19)
FASTER = 20.0


def main() -> None:
    """Make what is missing, train both, score both, time both."""
    options = _options()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    recipe = read_recipe(RECIPE)
    assert isinstance(recipe, WallRecipe)
    write_training(work / "train.npz", recipe, options.scans)
    write_held_out(work / "held-out", recipe.scene, options.test)
    write_held_out(work / "one", recipe.scene, 1)
    train_both(work, options)
    costs = {}
    for filters in options.filters:
        costs[f"AtomAI {filters}"] = time_atomai(work, options, filters, members=1)
    compare(work, options)
    costs = {"scanseg": time_scanseg(work, options), **costs}
    if options.members > 1:
        filters = options.filters[0]
        name = f"AtomAI {filters}, {options.members} networks"
        costs[name] = time_atomai(work, options, filters, members=options.members)
    print_times(options, costs)


def write_training(path: Path, recipe: WallRecipe, n_scans: int) -> None:
    """Scans 0, 1, ... of the recipe's stream as AtomAI takes them: amplitudes and labels."""
    if path.exists():
        return
    amplitudes, labels = [], []
    shape = (recipe.patch_px, recipe.patch_px)
    scene = recipe.scene.model_copy(update={"missing": AMPLITUDE_ONLY})
    for number in range(n_scans):
        rng = np.random.default_rng((recipe.seed, number, 0))
        simulated = simulate_pfm(rng, shape=shape, config=scene)
        amplitudes.append(simulated.amplitude_pm)
        # Its convention: classes from 0, the background last; 255 stays.
        order = np.array([2, 0, 1, *[255] * 253], np.uint8)
        labels.append(order[simulated.class_map])
    np.savez(path, amplitude=np.array(amplitudes), labels=np.array(labels))


def held_out(scene: PfmScene, index: int, missing: dict[str, float]) -> SimulatedPfm:
    """A scan of 256²; the same for every choice of what is missing, but for its truth."""
    rng = np.random.default_rng((HELD_OUT_SEED, index))
    return simulate_pfm(rng, config=scene.model_copy(update={"missing": missing}))


def write_held_out(folder: Path, scene: PfmScene, n_scans: int) -> None:
    """Files with all three channels; the truth is beside the folder, for it is no image."""
    truth = folder.with_name(f"{folder.name}-truth.npz")
    if truth.exists() and len(list(folder.glob("*.tif"))) == n_scans:
        return
    shutil.rmtree(folder, ignore_errors=True)
    scratch = folder.with_name("scratch")
    folder.mkdir()
    scratch.mkdir(exist_ok=True)
    maps = {}
    for index in range(n_scans):
        name = f"{index:03}"
        every = held_out(scene, index, COMPLETE)
        write_pfm(every, scratch / name, config=scene)
        (scratch / f"{name}.tif").rename(folder / f"{name}.tif")
        maps[f"{name}/complete"] = every.class_map
        maps[f"{name}/amplitude"] = held_out(scene, index, AMPLITUDE_ONLY).class_map
    shutil.rmtree(scratch)
    np.savez(truth, **maps)


def train_both(work: Path, options: argparse.Namespace) -> None:
    """Each on a core of its own, unless there is only one; what is trained already is kept."""
    seconds = 60.0 * options.minutes
    cores = sorted(os.sched_getaffinity(0))
    commands = {}
    if not (work / "scanseg" / "pfm-walls").exists():
        shutil.rmtree(work / "scanseg", ignore_errors=True)
        settings = ["steps=1000000", "workers=0", "optimisation.snapshots=1"]
        settings += ["validation.n_images=64", "validation.every_steps=2000"]
        commands["scanseg"] = [
            options.scanseg, "train", "-v", RECIPE, "-o", work / "scanseg",
            "--budget", f"{seconds:g}s",
            *[part for setting in settings for part in ("--set", setting)],
        ]  # fmt: skip
    for filters in options.filters:
        if not _atomai_model(work, filters).with_suffix(".tar").exists():
            side = [options.atomai, "-W", "ignore", HERE / "atomai_walls_side.py", "train"]
            model = _atomai_model(work, filters)
            commands[f"AtomAI {filters}"] = [*side, work / "train.npz", model, seconds, filters]
    waiting = list(commands.items())
    while waiting:
        started = [
            (name, start(command, core, work / f"{name.replace(' ', '-')}.log"))
            for core, (name, command) in zip(cores, waiting, strict=False)
        ]
        waiting = waiting[len(started) :]
        for name, process in started:
            _, status, usage = os.wait4(process.pid, 0)
            log = (work / f"{name.replace(' ', '-')}.log").read_text()
            if status != 0:
                sys.exit(f"{name} failed:\n{log[-2000:]}")
            steps = [line for line in log.splitlines() if " step" in line]
            print(f"{name}: {usage.ru_utime + usage.ru_stime:.0f} s of CPU; {''.join(steps[-1:])}")


def start(command: list[object], core: int, log: Path) -> subprocess.Popen[bytes]:
    """Start a command on one core with one thread."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # the command inherits it
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], env=os.environ | threads, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    os.sched_setaffinity(0, mine)
    return process


def compare(work: Path, options: argparse.Namespace) -> None:
    """Print F1 at 2 px of all, against all walls and against those that the amplitude shows."""
    with np.load(work / "held-out-truth.npz") as stored:
        truth = dict(stored)
    rows: dict[str, list[WallScores]] = {}
    for filters in options.filters:
        maps = read_atomai(work / f"atomai-{filters}-held-out.npz")
        for threshold in THRESHOLDS:
            name = f"AtomAI ResHedNet {filters}, from {threshold:g}"
            rows[name] = score_maps(maps, truth, threshold)
    models = {"scanseg trained here": work / "scanseg" / "pfm-walls"}
    if options.model:
        models[f"scanseg {options.model}"] = options.model
    for name, folder in models.items():
        model = scanseg.load_model(folder)
        for given in ("amplitude", "all channels"):
            maps = dict(scanseg_maps(model, work / "held-out", only_amplitude=given == "amplitude"))
            rows[f"{name}, {given}"] = score_maps(maps, truth, model.contract.threshold)
    columns = "".join(f"{name:>15}" for name in (*NAMES[1:], "any", "any, ODS"))
    for which, title in enumerate(("all walls", "walls that the amplitude shows")):
        print(f"\n{'F1 at 2 px, ' + title:44}{columns}{'precision':>11}{'recall':>8}")
        for name, scores in rows.items():
            each = scores[which]
            classes = "".join(f"{found.at_px[2.0].f1:15.4f}" for found in each.classes)
            every, curve = each.every.at_px[2.0], each.every.curve
            assert curve is not None
            print(
                f"  {name:42}{classes}{every.f1:15.4f}{curve.ods:15.4f}{every.precision:11.4f}"
                f"{every.recall:8.4f}"
            )


def score_maps(
    maps: dict[str, FloatImage], truth: dict[str, NDArray[np.uint8]], threshold: float
) -> list[WallScores]:
    """Maps (3, height, width), background first, against both truths."""
    scores = []
    for which in ("complete", "amplitude"):
        scans = []
        for name, probability in maps.items():
            kind = probability[1:].argmax(0) + 1
            mask = probability[1:].sum(0) >= threshold
            found = wall_skeleton(np.where(mask, kind, 0).astype(np.uint8))
            scans.append(WallScan(found, truth[f"{name}/{which}"], probability=probability))
        scores.append(score_walls(scans, class_names=NAMES, config=SCORING))
    return scores


def scanseg_maps(
    model: scanseg.bundle.Model, folder: Path, *, only_amplitude: bool
) -> Iterator[tuple[str, FloatImage]]:
    """Probability of each scan of a folder, by its name."""
    engine = open_engine(model)
    for path in sorted(folder.glob("*.tif")):
        image = scanseg.read(path)
        assert isinstance(image, Micrograph)
        if only_amplitude:
            image = replace(image, companions={})
        yield path.stem, scanseg.predict(image, model, engine=engine).probability


def read_atomai(path: Path) -> dict[str, FloatImage]:
    """Its probabilities by the name of the scan, background first."""
    with np.load(path) as stored:
        return {
            key.partition("/")[0]: np.moveaxis(stored[key], -1, 0)[[2, 0, 1]].astype(np.float32)
            / 255
            for key in stored
            if key.endswith("/probability")
        }


def time_scanseg(work: Path, options: argparse.Namespace) -> tuple[Cost, Cost]:
    """``scanseg predict`` on one scan and on all; the first run of all is the warm-up."""
    model = options.model or work / "scanseg" / "pfm-walls"
    costs = []
    for folder in ("one", "one", "held-out"):
        out = work / "out-scanseg"
        shutil.rmtree(out, ignore_errors=True)
        command = [options.scanseg, "predict", "-m", model, work / folder, "-o", out]
        costs.append(run([str(part) for part in command], options.cores))
    return costs[1], costs[2]


def time_atomai(
    work: Path, options: argparse.Namespace, filters: int, *, members: int
) -> tuple[Cost, Cost]:
    """AtomAI's loop on one scan and on all; the first run of all is the warm-up."""
    side = [options.atomai, "-W", "ignore", HERE / "atomai_walls_side.py", "predict"]
    costs = []
    for folder in ("one", "one", "held-out"):
        out = work / (f"atomai-{filters}-{folder}.npz" if members == 1 else "scratch.npz")
        model = _atomai_model(work, filters)
        command = [*side, model, work / folder, out, THRESHOLDS[0], members]
        costs.append(run([str(part) for part in command], options.cores))
    return costs[1], costs[2]


def print_times(options: argparse.Namespace, costs: dict[str, tuple[Cost, Cost]]) -> None:
    """Seconds with and without the start, and how many times scanseg is faster."""
    n = options.test
    cores = min(options.cores, len(os.sched_getaffinity(0)))
    print(
        f"\n{f'{n} scans of 256², {cores} cores':30}{'one s':>8}{'all s':>9}{'a further':>11}"
        f"{'CPU s':>9}{'MB':>7}{'x':>8}{'x without start':>17}"
    )
    own_one, own = costs["scanseg"]
    for name, (one, every) in costs.items():
        further = (every.wall_s - one.wall_s) / max(n - 1, 1)
        own_further = (own.wall_s - own_one.wall_s) / max(n - 1, 1)
        print(
            f"  {name:28}{one.wall_s:8.2f}{every.wall_s:9.2f}{further:11.4f}{every.cpu_s:9.1f}"
            f"{every.peak_bytes / 2**20:7.0f}{every.wall_s / own.wall_s:8.1f}"
            f"{further / own_further:17.1f}"
        )
    print(f"  goal: {FASTER:g} times faster")


def _atomai_model(work: Path, filters: int) -> Path:
    return work / f"atomai-reshednet-{filters}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=BUILD / "versus-atomai-walls")
    parser.add_argument("--atomai", type=Path, default=BUILD / "atomai-env" / "bin" / "python")
    parser.add_argument("--scanseg", type=Path, default=Path(sys.executable).parent / "scanseg")
    parser.add_argument("--model", help="also score this model, and time it instead")
    parser.add_argument("--minutes", type=float, default=20.0, help="training of each")
    parser.add_argument("--scans", type=int, default=1500, help="scans for AtomAI to train on")
    parser.add_argument("--test", type=int, default=50, help="held-out scans of 256²")
    parser.add_argument("--cores", type=int, default=2, help="for the prediction")
    parser.add_argument(
        "--filters", type=int, nargs="+", default=[64], help="64 as published, 16 is faster"
    )
    parser.add_argument(
        "--members", type=int, default=1, help="also time an ensemble, as its workflow has it"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
