"""Domain walls of simulated scans that no training has seen: found, typed, calibrated.

    python benchmarks/simulated_walls.py [--n 120] [--model pfm-walls] [--seed 31]

The scans are those of the recipe (its ranges, its proportions of layouts, its missing channels);
every second one is 256², the others have sides of 160 to 400 pixels. Nothing is given but the scan.
The truth is its class map; where a wall is too faint to tell it may be found and need not be.
Skeleton pixels are matched one to one. ``traced`` are the walls that ``scanseg.trace_walls`` gives,
``thinned`` are thinned probability maps, and ``as in training`` are the same scored as the
validation of the training scores them, each class thinned by itself.

The same scans are then given with all channels, and with some of them; asked for is what can be
seen in these. Last come scans of the layout without walls.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import scanseg
from scanseg.bundle import Model
from scanseg.evaluate import (
    SkeletonScore,
    WallScan,
    WallScores,
    WallScoring,
    class_skeleton_of_lines,
    position_error_px,
    score_skeleton,
    score_walls,
    wall_skeleton,
)
from scanseg.inference import Engine, Prediction, open_engine
from scanseg.micrograph import Micrograph
from scanseg.preprocess.scan import scan_planes
from scanseg.simulate.pfm import PfmScene, SimulatedPfm, simulate_pfm
from scanseg.train.recipe import WallRecipe, read_recipe
from scanseg.train.wall_patches import WallPatch
from scanseg.train.wall_score import CLEAR_NOISE, score_walls_by_class
from scanseg.walls import Walls

# Training draws from seeds (1, number, 0), validation from (20000, number).
SEED = 31
GOALS = {"ferroelectric": 0.95, "ferroelastic": 0.90}  # F1 at 2 px
LARGEST_BIAS_PX, LARGEST_SD_PX, SD_NOISE = 0.1, 0.3, 0.05
RADIUS_PX = 2.0
SCORING = WallScoring(radii_nm=(), n_thresholds=19)
NOISE_BANDS = (0.0, 0.05, 0.1, 0.2, np.inf)
WIDTH_BANDS_PX = (0.0, 2.0, 4.0, np.inf)
CONTRAST_BANDS = (2.0, 3.0, 5.0, 10.0, 20.0, np.inf)  # change across a wall, in s.d. of the noise
# What is missing: the random numbers stay the same, and with them the scan.
CHANNELS = {
    "all channels": {"amplitude": 0.0, "phase": 0.0, "topography": 0.0},
    "no topography": {"amplitude": 0.0, "phase": 0.0, "topography": 1.0},
    "phase only": {"amplitude": 1.0, "phase": 0.0, "topography": 1.0},
    "amplitude only": {"amplitude": 0.0, "phase": 1.0, "topography": 1.0},
}


@dataclass(frozen=True)
class Drawn:
    """A scan, and how large its noise is against its typical amplitude."""

    simulated: SimulatedPfm
    noise: float

    @property
    def layout(self) -> str:
        """What was drawn."""
        return self.simulated.description.split(",")[0]

    @property
    def complete(self) -> bool:
        """Whether it has all three channels."""
        return len(self.simulated.micrographs()) == 3

    def image(self) -> Micrograph:
        """As the reader of a file would give it."""
        first, *others = self.simulated.micrographs().values()
        return replace(first, companions={each.signal: each for each in others})


@dataclass
class Group:
    """Scores at 2 px, by class, of scans that have something in common."""

    n_scans: int = 0
    scores: dict[str, SkeletonScore] = field(
        default_factory=lambda: defaultdict(lambda: SkeletonScore(0, 0, 0))
    )

    def add(self, scores: dict[str, SkeletonScore]) -> None:
        """One more scan."""
        self.n_scans += 1
        for name, score in scores.items():
            self.scores[name] += score


def draw(index: int, scene: PfmScene, seed: int) -> Drawn:
    """Scan of a number: the same but for its channels, whichever of them are left out."""
    rng = np.random.default_rng((seed, index))
    height, width = (256, 256) if index % 2 == 0 else rng.integers(160, 401, 2)
    simulated = simulate_pfm(rng, shape=(int(height), int(width)), config=scene)
    typical = float(np.median(np.abs(simulated.response[::2, ::2])))
    return Drawn(simulated, simulated.noise / max(typical, 1e-9))


def traced_classes(walls: Walls, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Skeleton of traced walls, each pixel with its class."""
    lines = [wall.position_px for wall in walls.lines]
    return class_skeleton_of_lines(lines, [wall.class_index for wall in walls.lines], shape)


def thinned_classes(prediction: Prediction, threshold: float) -> NDArray[np.uint8]:
    """Skeleton of what is probable, each pixel with its more probable class."""
    probability = prediction.probability[1:]
    kind = probability.argmax(0) + 1
    return wall_skeleton(np.where(probability.sum(0) >= threshold, kind, 0).astype(np.uint8))


def scores_by_class(
    found: NDArray[np.uint8], class_map: NDArray[np.uint8], names: Sequence[str]
) -> dict[str, SkeletonScore]:
    """Of each class and, as ``any``, of all, at 2 px."""
    truth = wall_skeleton(class_map)
    ignored = truth == 255
    scores = {
        name: score_skeleton(found == n, truth == n, radius=RADIUS_PX, ignored=ignored)
        for n, name in enumerate(names[1:], start=1)
    }
    true_wall = (truth > 0) & ~ignored
    return {
        **scores,
        "any": score_skeleton(found > 0, true_wall, radius=RADIUS_PX, ignored=ignored),
    }


def visible_lines(simulated: SimulatedPfm, least_contrast: float) -> Iterator[NDArray[np.float64]]:
    """Parts of the true walls that show, longer than 10 points."""
    for wall in simulated.drawn_walls:
        shown = wall.contrast >= least_contrast
        cuts = np.flatnonzero(np.diff(shown.astype(int))) + 1
        parts = zip(np.split(wall.position_px, cuts), np.split(shown, cuts), strict=True)
        yield from (line for line, seen in parts if seen[0] and len(line) > 10)


def recall_by_contrast(
    simulated: SimulatedPfm, found: NDArray[np.uint8]
) -> Iterator[tuple[str, int, int, int]]:
    """Class, band of contrast, points of true walls and how many have a found pixel within 2 px."""
    if found.any():
        near = ndimage.distance_transform_edt(found == 0) <= RADIUS_PX
    else:
        near = np.zeros(found.shape, bool)
    last = np.array(found.shape) - 1
    for wall in simulated.drawn_walls:
        y, x = np.clip(np.rint(wall.position_px).astype(int), 0, last).T
        # What is 0 in the class map was not measured: rows of a scan that was stopped.
        asked = simulated.class_map[y, x] > 0
        band = np.digitize(wall.contrast, CONTRAST_BANDS) - 1
        for n in np.unique(band[asked & (band >= 0)]):
            here = asked & (band == n)
            yield wall.kind, int(n), int(here.sum()), int(near[y, x][here].sum())


def groups_of(drawn: Drawn) -> Iterator[str]:
    """What a scan is counted under."""
    yield f"layout {drawn.layout}"
    yield "lateral" if "lateral" in drawn.simulated.description else "vertical"
    yield f"noise {_band(drawn.noise, NOISE_BANDS)}"
    yield f"half width {_band(drawn.simulated.wall_half_width_px, WIDTH_BANDS_PX)} px"
    shape = drawn.simulated.class_map.shape
    yield "256 x 256" if shape == (256, 256) else "other shapes"
    if drawn.complete and drawn.noise <= CLEAR_NOISE:
        yield f"all channels, noise to {CLEAR_NOISE}"


def _band(value: float, edges: tuple[float, ...]) -> str:
    n = int(np.searchsorted(edges, value, side="left"))
    low, high = edges[max(n, 1) - 1], edges[max(n, 1)]
    return f"above {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"


def main() -> None:
    """Predict, trace, score, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=120, help="scans of the recipe")
    parser.add_argument("--n-empty", type=int, default=40, help="scans without walls")
    parser.add_argument("--model", default="pfm-walls", help="a name, or the folder of a model")
    parser.add_argument("--recipe", type=Path, help="by default the model's own, as shipped")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    model = scanseg.load_model(arguments.model)
    recipe = _recipe(model, arguments.recipe)
    if arguments.seed in (recipe.seed, recipe.validation.seed):
        parser.error("that seed was used for training or validation")
    engine = open_engine(model)
    score_recipe(model, engine, recipe, arguments.n, arguments.seed)
    score_channels(model, engine, recipe, arguments.n, arguments.seed)
    score_empty(model, engine, recipe, arguments.n_empty, arguments.seed)


def _recipe(model: Model, path: Path | None) -> WallRecipe:
    recipe = read_recipe(path or Path(str(files("scanseg.configs") / model.contract.recipe)))
    assert isinstance(recipe, WallRecipe)
    return recipe


def score_recipe(model: Model, engine: Engine, recipe: WallRecipe, n: int, seed: int) -> None:
    """Scans as the recipe draws them."""
    names, threshold = model.contract.class_names, model.contract.threshold
    traced, thinned, patches, probability = [], [], [], []
    groups: dict[str, Group] = defaultdict(Group)
    contrast = {name: np.zeros((len(CONTRAST_BANDS) - 1, 2), int) for name in names[1:]}
    for index in range(n):
        drawn = draw(index, recipe.scene, seed)
        simulated = drawn.simulated
        image = drawn.image()
        prediction = scanseg.predict(image, model, engine=engine)
        found = traced_classes(scanseg.trace_walls(prediction), image.shape)
        map_of_all = prediction.probability
        traced.append(WallScan(found, simulated.class_map))
        thinned.append(
            WallScan(
                thinned_classes(prediction, threshold),
                simulated.class_map,
                probability=map_of_all,
            )
        )
        planes = scan_planes({signal: each.data for signal, each in image.channels().items()})
        patches.append(WallPatch(planes, simulated.class_map, drawn.complete, drawn.noise))
        probability.append(map_of_all[1:])
        scores = scores_by_class(found, simulated.class_map, names)
        for group in groups_of(drawn):
            groups[group].add(scores)
        for kind, band, points, hits in recall_by_contrast(simulated, found):
            contrast[kind][band] += points, hits
    print(f"{model.name} version {model.contract.version}: {n} scans of seed {seed}\n")
    scores_traced = score_walls(traced, class_names=names, config=SCORING)
    scores_thinned = score_walls(thinned, class_names=names, config=SCORING)
    print_scores("traced", scores_traced)
    print_scores(f"thinned, from {threshold:g}", scores_thinned)
    print_confusion(scores_traced, names)
    print_calibration(scores_thinned)
    in_training = score_walls_by_class(patches, probability, names, threshold=threshold)
    print("\nas in training: " + ", ".join(f"{k} {v:.4f}" for k, v in in_training.items()))
    print_groups("traced, F1 at 2 px", groups, names)
    print_contrast(contrast)
    print("\nGoals, F1 at 2 px of traced walls, all scans of the recipe")
    for each in scores_traced.classes:
        print_goal(each.name, each.at_px[RADIUS_PX].f1, GOALS.get(each.name, 0.0))


def score_channels(model: Model, engine: Engine, recipe: WallRecipe, n: int, seed: int) -> None:
    """The same scans with all of their channels, and with some of them."""
    names = model.contract.class_names
    groups: dict[str, Group] = defaultdict(Group)
    offsets = [np.empty(0)]
    for index in range(n):
        for name, missing in CHANNELS.items():
            scene = recipe.scene.model_copy(update={"missing": missing})
            drawn = draw(index, scene, seed)
            simulated = drawn.simulated
            prediction = scanseg.predict(drawn.image(), model, engine=engine)
            walls = scanseg.trace_walls(prediction)
            class_map = simulated.class_map
            groups[name].add(
                scores_by_class(traced_classes(walls, class_map.shape), class_map, names)
            )
            if name == "all channels" and drawn.noise <= SD_NOISE:
                truth = list(visible_lines(simulated, scene.visible_contrast))
                lines = [wall.position_px for wall in walls.lines]
                if truth and lines:
                    offsets.append(position_error_px(lines, truth))
    print_groups("by the channels given", groups, names)
    offset = np.concatenate(offsets)
    offset = offset[np.isfinite(offset)]
    if len(offset):
        mad = 1.4826 * float(np.median(np.abs(offset - np.median(offset))))
        print(
            f"\nposition across the wall, all channels, noise to {SD_NOISE:g}, {len(offset)} px: "
            f"bias {offset.mean():+.3f} px (goal {LARGEST_BIAS_PX:g}), s.d. {offset.std():.3f} px "
            f"(goal {LARGEST_SD_PX:g}), robust s.d. {mad:.3f} px"
        )


def score_empty(model: Model, engine: Engine, recipe: WallRecipe, n: int, seed: int) -> None:
    """Scans without a wall: what is seen in them all the same."""
    scene = recipe.scene.model_copy(update={"layouts": {"empty": 1.0}})
    pixels, lengths, warned = [], [], 0
    for index in range(n):
        drawn = draw(index, scene, seed + 1)
        prediction = scanseg.predict(drawn.image(), model, engine=engine)
        walls = scanseg.trace_walls(prediction)
        probability = prediction.probability
        pixels.append(float((probability[1:].sum(0) >= model.contract.threshold).mean()))
        lengths.append(sum(wall.length_px for wall in walls.lines))
        warned += any("No domain wall" in each or "unlike" in each for each in prediction.warnings)
    share = np.array(pixels)
    print(f"\n{n} scans without walls")
    print(
        f"  wall pixels: {100 * share.mean():.3f} % on average, {100 * share.max():.2f} % at most "
        f"(goal below 1 %); more than 1 % in {int((share > 0.01).sum())} scans"
    )
    print(
        f"  a wall was traced in {np.count_nonzero(lengths)} scans, {np.mean(lengths):.1f} px a "
        f"scan; a warning was given for {warned}"
    )


def print_scores(title: str, scores: WallScores) -> None:
    """One line a class."""
    print(
        f"{title:20}{'truth px':>9}{'F1 1 px':>9}{'2 px':>8}{'3 px':>8}{'precision':>11}"
        f"{'recall':>8}{'clDice':>8}{'length':>9}{'ODS':>8}{'at':>6}{'AP':>7}{'ECE':>8}"
    )
    for each in (*scores.classes, scores.every):
        two = each.at_px[RADIUS_PX]
        line = (
            f"  {each.name:18}{two.n_truth:9}{each.at_px[1.0].f1:9.4f}{two.f1:8.4f}"
            f"{each.at_px[3.0].f1:8.4f}{two.precision:11.4f}{two.recall:8.4f}{each.cl_dice:8.4f}"
            f"{100 * each.length_error:+8.1f}%"
        )
        if each.curve is not None:
            curve = each.curve
            line += f"{curve.ods:8.4f}{curve.ods_threshold:6.2f}{curve.average_precision:7.3f}"
        if each.calibration is not None:
            line += f"{each.calibration.expected_error:8.4f}"
        print(line)
    nodes = ", ".join(
        f"{name} F1 {score.f1:.3f} ({score.n_found} found, {score.n_truth} true)"
        for name, score in (("junctions", scores.junctions), ("end points", scores.end_points))
    )
    print(f"  {nodes}; adapted Rand error of the domains {scores.adapted_rand_error:.3f}\n")


def print_confusion(scores: WallScores, names: Sequence[str]) -> None:
    """Length in pixels by true class (rows) and found class (columns)."""
    columns = ("missed", *names[1:])
    print("traced, length in px at 2 px" + "".join(f"{name:>15}" for name in columns))
    for name, row in zip(("not there", *names[1:]), scores.confusion_px, strict=True):
        print(f"  {name:26}" + "".join(f"{length:15.0f}" for length in row))
    for n, name in enumerate(names[1:], start=1):
        typed = scores.confusion_px[n, 1:]
        print(
            f"  {name} walls that were found: {100 * typed[n - 1] / typed.sum():.2f} % typed right"
        )


def print_calibration(scores: WallScores) -> None:
    """Stated probability of any wall against how often there was one."""
    calibration = scores.every.calibration
    if calibration is None:
        return
    print(f"\nprobability of a wall, stated and true; Brier {calibration.brier:.4f}")
    cells = [f"{stated:.2f}/{true:.2f}" for stated, true, _ in calibration.reliability]
    print("  " + "  ".join(cells))


def print_groups(title: str, groups: dict[str, Group], names: Sequence[str]) -> None:
    """One line a group."""
    columns = (*names[1:], "any")
    print(
        f"\n{title:32}{'scans':>6}"
        + "".join(f"{name:>15}" for name in columns)
        + f"{'precision':>11}{'recall':>8}"
    )
    for name in sorted(groups) if len(groups) > len(CHANNELS) else groups:
        group = groups[name]
        every = group.scores["any"]
        f1 = "".join(_cell(group.scores[column]) for column in columns)
        print(f"  {name:30}{group.n_scans:6}{f1}{every.precision:11.4f}{every.recall:8.4f}")


def print_contrast(counts: dict[str, NDArray[np.int_]]) -> None:
    """How much of the walls was found, whatever class it was given, by how much they show."""
    bands = list(pairwise(CONTRAST_BANDS))
    columns = [
        f"above {low:g}" if np.isinf(high) else f"{low:g} to {high:g}" for low, high in bands
    ]
    print(f"\n{'found, by contrast in s.d.':28}" + "".join(f"{column:>18}" for column in columns))
    for name, rows in counts.items():
        cells = [f"{hits / max(points, 1):.3f} of {points}" for points, hits in rows]
        print(f"  {name:26}" + "".join(f"{cell:>18}" for cell in cells))


def _cell(score: SkeletonScore) -> str:
    """F1; nothing where there was nothing to find."""
    return f"{score.f1:15.4f}" if score.n_truth else f"{'-':>15}"


def print_goal(name: str, figure: float, goal: float) -> None:
    """Whether a goal is reached."""
    verdict = "reached" if figure >= goal else "missed"
    print(f"  {name:16}{figure:.4f}  (goal {goal:.2f}: {verdict})")


if __name__ == "__main__":
    main()
