"""Detection, positions and error bars on simulated images that no training has seen.

    python benchmarks/simulated_set.py [--n 80] [--model stem-atoms]

The scenes are those of the recipe (its ranges, its proportions of layouts), at samplings of 7 to 40
pixels a spacing and three ranges of dose; nothing is given but the image. Counted are columns that
the simulator calls visible; finds on hidden columns count neither way. A find matches within a
quarter of the local spacing.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

import scanseg
from scanseg.evaluate import match_positions
from scanseg.inference import open_engine
from scanseg.simulate import SimulatedStem, StemScene, simulate

# Training draws from seeds (1, number), validation from (20000, number).
SEED = 77_000
DOSES_E_PER_A2 = {"1e2-1e4": (1e2, 1e4), "1e4-1e5": (1e4, 1e5), "1e5-1e6": (1e5, 1e6)}
EDGE_PX = 3.0


def count(simulated: SimulatedStem, found: NDArray[np.float64]) -> dict[str, float]:
    """Hits, finds and columns of one image, at its border and over all."""
    truth = simulated.position_px[simulated.visible]
    radius = _radii(truth)
    widest = float(radius.max()) if len(radius) else 0.25 * 12.0
    matches = match_positions(found, truth, radius_px=widest)
    error = np.hypot(*(found[matches.found_index] - truth[matches.truth_index]).T)
    hit = error <= radius[matches.truth_index] if len(radius) else np.zeros(0, bool)
    hidden = simulated.position_px[~simulated.visible]
    excused = match_positions(found, hidden, radius_px=widest).found_index
    excused = np.setdiff1d(excused, matches.found_index[hit])
    height, width = simulated.image.shape
    border = np.minimum(truth, np.array([height - 1, width - 1]) - truth).min(1) < EDGE_PX
    return {
        "hits": float(hit.sum()),
        "finds": float(len(found) - len(excused)),
        "columns": float(len(truth)),
        "border hits": float(border[matches.truth_index[hit]].sum()),
        "border columns": float(border.sum()),
    }


def _radii(truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """A quarter of the distance to the nearest visible column, shape (N,)."""
    if len(truth) < 2:
        return np.full(len(truth), 3.0)
    distance, _ = cKDTree(truth).query(truth, k=2)
    return np.asarray(0.25 * np.clip(distance[:, 1], 0, 60.0), float)


def main() -> None:
    """Print one line a range of dose, and one a layout at usable dose."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=80, help="images a range of dose")
    parser.add_argument("--model", default="stem-atoms")
    arguments = parser.parse_args()
    model = scanseg.load_model(arguments.model)
    engine = open_engine(model)
    total: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for name, dose in DOSES_E_PER_A2.items():
        scene = StemScene(dose_e_per_a2=dose)
        for index in range(arguments.n):
            rng = np.random.default_rng((SEED, int(dose[0]), index))
            zoom = float(np.exp(rng.uniform(np.log(0.9), np.log(2.3))))
            shape = (int(rng.integers(200, 420)), int(rng.integers(200, 420)))
            simulated = simulate(rng, shape=shape, config=scene.magnified(zoom))
            result = scanseg.predict(simulated.micrograph(), model, engine=engine)
            found = scanseg.find_atoms(result)[["y_px", "x_px"]].to_numpy()
            layout = simulated.description.split()[0]
            groups = [f"dose {name}"] + ([f"  {layout}"] if dose[0] >= 1e4 else [])
            for group in groups:
                for key, value in count(simulated, found).items():
                    total[group][key] += value
    print(f"{'':18s} columns      F1  recall  precision  recall at the border")
    for group, t in total.items():
        recall, precision = t["hits"] / max(t["columns"], 1), t["hits"] / max(t["finds"], 1)
        f1 = 2 * t["hits"] / max(t["columns"] + t["finds"], 1)
        border = t["border hits"] / max(t["border columns"], 1)
        scores = f"{f1:7.4f} {recall:7.4f} {precision:10.4f} {border:12.4f}"
        print(f"{group:18s} {t['columns']:7.0f} {scores}")


if __name__ == "__main__":
    main()
