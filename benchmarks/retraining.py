"""Five labelled images make a model better at their kind, and no worse at what it knew.

    build/abtem-env/bin/python benchmarks/retraining.py make [--scene graphene]
    python benchmarks/retraining.py score [DATA] [--budget 5m] [--speed all]

``make`` simulates with abTEM (see ``independent_simulation.py``) ten windows of 512² pixels, each
turned and magnified in its own way. ``score`` draws their counts at a low dose, gives five of them
with their labels to ``scanseg train``, and compares what ``scanseg predict`` finds with the old and
the new model on the other five, and on the images of ``simulated_set.py``. Another DATA has two
folders, ``labelled`` and ``new``, each with images and labels beside them as ``scanseg train``
takes them. The error is 1 - F1; the goal is half of it, and 0.01 of F1 on the simulated set.

At this dose a fit of a column is less certain than the network, which sees its neighbours too, so
both are printed: positions as they are fitted, and as the network gives them (fits that move
farther than 0.05 of the spacing are not trusted).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import independent_simulation as independent

BUILD = Path(__file__).resolve().parent.parent / "build" / "retraining"
SHAPE = (512, 512)
N_LABELLED, N_NEW = 5, 5
MAGNIFICATION = (0.85, 1.15)
SNR = 5.0  # of the median column
RNG_SEED = 23


def main() -> None:
    """Make the images, or see what they do to a model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="what", required=True)
    making = commands.add_parser("make")
    making.add_argument("--scene", default="graphene", choices=list(independent.SCENES))
    scoring = commands.add_parser("score")
    scoring.add_argument("data", type=Path, nargs="?", help="with the folders labelled and new")
    scoring.add_argument("--scene", default="graphene")
    scoring.add_argument("--model", default="stem-atoms")
    scoring.add_argument("--budget", help="5m; none where --set steps=... says how long")
    scoring.add_argument("--speed", default="all")
    scoring.add_argument("--set", action="append", default=[], help="as in scanseg train")
    scoring.add_argument("--n", type=int, default=30, help="images a dose of simulated_set.py")
    scoring.add_argument("--output", type=Path, help="keeps the runs; a new folder of build/")
    options = parser.parse_args()
    # Every window is larger than those of the other benchmark, whose functions ask for this.
    independent.SHAPE = SHAPE
    if options.what == "make":
        make(options.scene)
    else:
        score(options)


def make(name: str) -> None:
    """Simulate one scan of the cell, and cut ten windows out of its repetition."""
    folder = BUILD / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    scene = independent.SCENES[name]
    atoms = scene.atoms()
    cell = np.array([atoms.cell[0, 0], atoms.cell[1, 1]])
    columns = independent._columns(atoms)
    scanned = next(iter(independent._scan(atoms, scene).values()))
    for number in range(N_LABELLED + N_NEW):
        rng = np.random.default_rng((RNG_SEED, number))
        turned = replace(
            scene,
            angle_deg=float(rng.uniform(0, 360)),
            pixel_a=scene.pixel_a * float(rng.uniform(*MAGNIFICATION)),
        )
        image, position_px = independent._window(scanned, columns, cell, turned, rng)
        path = folder / f"{number}.npz"
        np.savez(path, image=image, position_px=position_px, pixel_nm=turned.pixel_a / 10)
        print(f"{path}: {len(position_px)} columns", flush=True)


def draw(name: str, data: Path) -> None:
    """Draw the counts of every window, and write them with their labels."""
    import pandas as pd

    from scanseg.micrograph import Signal
    from scanseg.writers import write_array

    paths = sorted((BUILD / name.replace(" ", "-")).glob("*.npz"))
    if not paths:
        raise SystemExit(f"There are no images of {name}: run retraining.py make first.")
    for number, path in enumerate(paths):
        folder = data / ("labelled" if number < N_LABELLED else "new")
        folder.mkdir(parents=True, exist_ok=True)
        with np.load(path) as stored:
            image, position_px = stored["image"], stored["position_px"]
            pixel_nm = float(stored["pixel_nm"])
        truth = independent.describe(image, position_px)
        electrons = independent._electrons_per_px(truth, SNR)
        rng = np.random.default_rng((RNG_SEED, number, 1))
        counts = rng.poisson(image * electrons).astype(np.uint16)
        asked, _ = independent.visible(truth, electrons)
        write_array(
            counts, folder / f"{number}.tif", pixel_size_nm=(pixel_nm, pixel_nm),
            signal=Signal.HAADF,
        )  # fmt: skip
        table = pd.DataFrame(
            {"y_px": position_px[:, 0], "x_px": position_px[:, 1], "visible": asked}
        )
        table.to_csv(folder / f"{number}_atoms.csv", index=False)


def score(options: argparse.Namespace) -> None:
    """Predict, train, predict again; print what changed."""
    output = options.output or BUILD / time.strftime("run-%Y%m%d-%H%M%S")
    data = options.data or output / "data"
    if options.data is None:
        draw(options.scene, data)
    run("check", "--labels", data / "labelled", "--from", options.model)
    before = both_found_in(data / "new", options.model, output / "before")
    started = time.monotonic()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_before_s = used.ru_utime + used.ru_stime
    run(
        "train", data / "labelled", "--from", options.model, "-o", output / "training",
        *(("--budget", options.budget) if options.budget else ()),
        "--speed", options.speed, "--name", "retrained",
        "--set", "held_out=0", *(part for each in options.set for part in ("--set", each)),
    )  # fmt: skip
    took_s = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime + used.ru_stime - cpu_before_s
    trained = output / "training" / "retrained"
    if not trained.is_dir():  # it was no better on the images it was trained on
        raise SystemExit("The new model was not better on the images that it was trained on.")
    after = both_found_in(data / "new", str(trained), output / "after")
    print(f"\ntraining, the whole command: {took_s:.0f} s, {cpu_s:.0f} s of them computing")
    for kind, old in before.items():
        new = after[kind]
        print(f"images held out, {kind}")
        for key in ("precision", "recall", "f1"):
            print(f"  {key:20} {old[key]:8.4f} {new[key]:7.4f}")
        errors = 1 - old["f1"], 1 - new["f1"]
        ratio = errors[1] / errors[0]
        print(f"  error, 1 - F1        {errors[0]:8.4f} {errors[1]:7.4f}   x {ratio:.2f}")
    if options.n:
        old, new = (simulated(model, options.n) for model in (options.model, str(trained)))
        print("simulated_set.py, F1    before   after")
        for name, value in old.items():
            print(f"  {name:20} {value:8.4f} {new[name]:7.4f}   {new[name] - value:+.4f}")


def run(*command: str | Path) -> None:
    """A command of scanseg, which is shown; its output goes where ours does."""
    print("$ scanseg", *command, flush=True)
    done = subprocess.run([sys.executable, "-m", "scanseg.cli", *map(str, command)], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def both_found_in(folder: Path, model: str, output: Path) -> dict[str, dict[str, Any]]:
    """Figures of a model over the images of a folder, for both kinds of positions."""
    kept = ("--set", "atoms.refinement.max_shift=0.05")
    return {
        "positions fitted": found_in(folder, model, output / "fitted"),
        "positions of the network": found_in(folder, model, output / "network", *kept),
    }


def found_in(folder: Path, model: str, output: Path, *settings: str) -> dict[str, Any]:
    """Figures of a model over the images of a folder, by predict and evaluate."""
    run("predict", folder, "-o", output, "-m", model, *settings)
    command = [sys.executable, "-m", "scanseg.cli", "evaluate", str(output), str(folder), "--json"]
    document = json.loads(subprocess.check_output(command))
    total: dict[str, Any] = document["atoms"]["total"]
    return total


def simulated(model: str, n: int) -> dict[str, float]:
    """F1 of each dose of simulated_set.py."""
    script = Path(__file__).with_name("simulated_set.py")
    command = [sys.executable, str(script), "--n", str(n), "--model", model]
    lines = subprocess.check_output(command, text=True).splitlines()
    fields = [line.split() for line in lines if line.startswith("dose")]
    return {f"{words[0]} {words[1]}": float(words[3]) for words in fields}


if __name__ == "__main__":
    main()
