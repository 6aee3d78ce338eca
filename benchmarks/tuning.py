"""Bayesian against random against grid search at the same number of trials.

    python benchmarks/tuning.py [--trials 30] [--repeats 6] [--scans 1] [--task walls|training]

``walls``: the five settings that turn probabilities of ``pfm-walls`` into walls, on simulated scans
of the recipe. The score is the mean F1 of both classes within 2 px. ``training``: learning rate,
weight decay and two losses of a network of 8 to 12 filters, 60 steps on simulated images.

Every search goes from its own seed, without known settings to begin with; the grid is one grid
whose points come in another order each time, of as many points as there are trials. What is plotted
is the mean over the repeats of the best score so far, with its 95 % interval (bootstrap over the
repeats). The settings as they ship are a line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from scanseg.bundle import load_model
from scanseg.evaluate import bootstrap_intervals
from scanseg.inference import open_engine, predict
from scanseg.report.plots import PALETTE, Series, draw_plot
from scanseg.report.standalone import facts_list, render_page, table
from scanseg.runs.settings import RunSettings
from scanseg.simulate import PfmScene, simulate_pfm
from scanseg.tune.postprocessing import score_walls_behind
from scanseg.tune.space import SearchSpace, overrides_of
from scanseg.tune.study import Tuning, run_study

SEARCHES = ("tpe", "gp", "random", "grid")
Score = Callable[[Mapping[str, Any]], float]

# Two points an axis make 32 of the grid; of 30 trials two are left out.
WALLS = SearchSpace.from_settings(
    {
        "search": {
            "walls.threshold": {"low": 0.1, "high": 0.9, "points": 2},
            "walls.spur_px": {"low": 1.0, "high": 30.0, "points": 2},
            "walls.shortest_px": {"low": 1.0, "high": 40.0, "points": 2},
            "walls.shortest_run_px": {"low": 1.0, "high": 40.0, "points": 2},
            "walls.phase_weight": {"low": 0.0, "high": 3.0, "points": 2},
        }
    }
)
TRAINING = SearchSpace.from_settings(
    {
        "search": {
            "optimisation.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True, "points": 4},
            "optimisation.weight_decay": {"low": 1e-6, "high": 1e-1, "log": True, "points": 2},
            "loss.dice": {"low": 0.0, "high": 1.0, "points": 2},
            "loss.class_balance": {"low": 0.0, "high": 1.0, "points": 2},
        }
    }
)
RECIPE = {
    "name": "tiny", "patch_px": 96, "steps": 60, "batch": 4, "workers": 0,
    "architecture": {"name": "compact-unet", "arguments": {"filters": [8, 12]}},
    "optimisation": {"precision": "32-true", "ema_decay": 0.0},
    "validation": {"n_images": 24, "every_steps": 60},
}  # fmt: skip


def walls_score(n_scans: int) -> tuple[Score, SearchSpace, float]:
    """Score of settings behind the network, the space, and the score of the settings that ship."""
    model = load_model("pfm-walls")
    engine = open_engine(model)
    scans = []
    for number in range(n_scans):
        scan = simulate_pfm(
            np.random.default_rng((97, number)), shape=(160, 192), config=PfmScene()
        )
        first, *others = scan.micrographs().values()
        image = replace(first, companions={each.signal: each for each in others})
        scans.append((scan.class_map, predict(image, model, engine=engine)))

    def score(values: Mapping[str, Any]) -> float:
        settings = RunSettings.from_settings({}, overrides=overrides_of(values))
        return score_walls_behind(scans, settings)

    return score, WALLS, score({})


def training_score(folder: Path) -> tuple[Score, SearchSpace, float]:
    """Validation F1 of a short training; the same settings give the same score again."""
    from scanseg.train import train_recipe

    recipe = folder / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    known: dict[str, float] = {}

    def score(values: Mapping[str, Any]) -> float:
        key = json.dumps(dict(values), sort_keys=True)
        if key not in known:
            with tempfile.TemporaryDirectory(dir=folder) as output:
                model = train_recipe(
                    recipe, output=Path(output) / "run", overrides=overrides_of(values)
                )
                known[key] = model.contract.figures["validation_f1"]
        return known[key]

    return score, TRAINING, score({})


def best_so_far(
    score: Score, space: SearchSpace, search: str, *, trials: int, seed: int, folder: Path
) -> NDArray[np.float64]:
    """Best score after each trial, shape (trials,)."""
    outcome = run_study(
        lambda values, report, number: score(values), space, folder=folder,
        identity={"search": search, "seed": seed},
        settings=Tuning(search=search, trials=trials, seed=seed, prune=False),
    )  # fmt: skip
    scores = [trial.value for trial in outcome.study.trials if trial.value is not None]
    best = np.maximum.accumulate(scores)
    return np.concatenate([best, np.full(trials - len(best), best[-1])])


def draw(curves: Mapping[str, NDArray[np.float64]], shipped: float, measure: str) -> str:
    """The curves with their intervals, as one SVG."""
    trials = len(next(iter(curves.values()))[0])
    x = list(range(1, trials + 1))
    series = [Series([1, trials], [shipped, shipped], "line", "#9aa4b1", label="as it ships")]
    for (search, runs), colour in zip(curves.items(), PALETTE, strict=False):
        ends = [interval(runs[:, n]) for n in range(trials)]
        series.append(
            Series(
                x, list(runs.mean(0)), "line", colour, label=search,
                low=[low for low, _ in ends], high=[high for _, high in ends],
            )
        )  # fmt: skip
    return draw_plot(series, title="Best so far", x_label="trial", y_label=measure)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Of the mean over the repeats, 95 %."""
    rng = np.random.default_rng(1)
    ends = bootstrap_intervals(list(values), lambda v: {"mean": float(np.mean(v))}, rng=rng)
    return ends["mean"] if ends else (float("nan"), float("nan"))


def trials_to(runs: NDArray[np.float64], level: float) -> float:
    """Median number of trials until a score is reached; the number of all where it is not."""
    first = [int(np.argmax(run >= level)) + 1 if (run >= level).any() else len(run) for run in runs]
    return float(np.median(first))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the searches, print a table, write the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1, help="of the first repeat")
    parser.add_argument("--scans", type=int, default=1)
    parser.add_argument("--task", choices=("walls", "training"), default="walls")
    parser.add_argument("--output", type=Path, default=Path("build/tuning"))
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        score, space, shipped = (
            walls_score(options.scans) if options.task == "walls" else training_score(folder)
        )
        runs: dict[str, list[NDArray[np.float64]]] = {search: [] for search in SEARCHES}
        for seed in range(options.seed, options.seed + options.repeats):
            for search in SEARCHES:
                started = time.monotonic()
                best = best_so_far(
                    score, space, search, trials=options.trials, seed=seed,
                    folder=folder / f"{search}-{seed}",
                )  # fmt: skip
                runs[search].append(best)
                print(
                    f"{search} {seed}: {best[-1]:.4f}, {time.monotonic() - started:.0f} s",
                    flush=True,
                )
            write({search: np.array(each) for search, each in runs.items()}, shipped, options)


def write(curves: Mapping[str, NDArray[np.float64]], shipped: float, options: Any) -> None:
    """Print the figures, and write them with the plot."""
    measure = "F1 of walls, 2 px" if options.task == "walls" else "validation F1"
    level = float(np.median(curves["random"][:, -1]))
    rows = []
    for search, runs in curves.items():
        low, high = interval(runs[:, -1])
        rows.append(
            (
                search, f"{runs[:, -1].mean():.4f}", f"{low:.4f} to {high:.4f}",
                f"{runs[:, options.trials // 2 - 1].mean():.4f}", f"{trials_to(runs, level):g}",
            )
        )  # fmt: skip
    heads = (
        "search", f"best of {options.trials}", "95 % interval", f"best of {options.trials // 2}",
        f"trials to {level:.4f}, the median of random",
    )  # fmt: skip
    print(f"as it ships: {shipped:.4f}")
    for row in (heads, *rows):
        print("  ".join(f"{cell:<18}" for cell in row))
    facts = {
        "task": options.task, "repeats": str(len(curves["tpe"])), "as it ships": f"{shipped:.4f}",
    }  # fmt: skip
    plot = f'<div class="charts">{draw(curves, shipped, measure)}</div>'
    page = render_page(
        "Searches compared", "benchmark", [facts_list(facts), plot, table(heads, rows)]
    )
    (options.output / f"{options.task}.html").write_text(page, encoding="utf-8")
    stored = {search: runs.round(5).tolist() for search, runs in curves.items()}
    (options.output / f"{options.task}.json").write_text(json.dumps(stored | {"shipped": shipped}))


if __name__ == "__main__":
    main()
