"""Classes of columns: right how often, on simulated crystals and on real graphene.

    python benchmarks/class_models.py [--n 12] [--real FOLDER] [--series 0 2]

Simulated images are those that no training has seen, at 9 to 26 pixels between columns, with all
faults of the simulator, given as files are: nothing is known but the image and that it is HAADF or
ABF. Class accuracy is over visible columns that were found within a quarter of the spacing; columns
that lie between heavy and light are left out. An alloy is WSSe, or a crystal in which columns of
one sublattice were substituted, which are four in ten.

FOLDER holds ``atoms.csv`` and ``index.csv`` with the frames of Si in graphene beside them (public,
not part of scanseg). The positions there are those of its authors' network, sorted by hand; a find
at a Si that they left out counts as false. Frames of a series are alike: ``--series`` names those
to score, all by default. None of them was trained on.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from scipy.spatial import cKDTree

import scanseg
from scanseg.bundle import Model
from scanseg.evaluate import match_positions
from scanseg.inference import Engine, open_engine
from scanseg.simulate import SimulatedStem, StemScene, simulate
from scanseg.simulate.columns import VACANCY
from scanseg.simulate.scenes import Layout

# Training draws from seeds below 100, validation from 20,000 to 30,000.
SEED = 88_000
DOSES_E_PER_A2 = {"1e4-1e5": (1e4, 1e5), "1e5-1e6": (1e5, 1e6)}
PEROVSKITES = (
    "SrTiO3[001]", "BaTiO3[001]", "PbTiO3[001]", "LaMnO3[001]", "LaAlO3[001]", "CsPbBr3[001]",
)  # fmt: skip
MX2 = ("MoS2", "MoSe2", "WS2", "WSe2", "MoTe2")
OTHERS = ("InP[011]", "ZnO[100]", "NiO[011]", "TiO2[001]")
LAYOUTS: dict[Layout, float] = {"crystal": 0.6, "grains": 0.2, "edge": 0.2}
# Of a label to the atom it belongs to: half of a Si-C bond of some 9 to 18 px.
NEAR_PX = 6.0

Counts = dict[str, float]


def truth_of(simulated: SimulatedStem, kind: str) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Positions and class names of what can be seen, vacancies of graphene included."""
    position, seen = simulated.position_px, simulated.visible
    if kind == "sublattice":
        return position[seen], simulated.sublattice[seen]
    gaps = simulated.vacancy_px[simulated.vacancy_visible]
    names = np.concatenate([simulated.species[seen], np.full(len(gaps), VACANCY)])
    return np.concatenate([position[seen], gaps]), names


def judge(simulated: SimulatedStem, atoms: DataFrame, kind: str, into: Counts) -> None:
    """Add the columns of an image to the counts of a group."""
    truth, names = truth_of(simulated, kind)
    if len(truth) < 2:
        return
    radius = 0.25 * float(np.median(cKDTree(truth).query(truth, k=2)[0][:, 1]))
    found = atoms[["y_px", "x_px"]].to_numpy()
    matches = match_positions(found, truth, radius_px=radius)
    by_network = atoms["class"].to_numpy().astype(str)
    into["columns"] += len(truth)
    into["found"] += len(matches.found_index)
    right = by_network[matches.found_index] == names[matches.truth_index]
    judged = names[matches.truth_index] != ""
    into["judged"] += judged.sum()
    into["right"] += (right & judged).sum()
    if "intensity_class" in atoms:
        by_brightness = atoms["intensity_class"].astype(object).to_numpy()[matches.found_index]
        told = judged & np.array([isinstance(each, str) for each in by_brightness], bool)
        into["told"] += told.sum()
        into["told right"] += (by_brightness == names[matches.truth_index])[told].sum()
    hidden = match_positions(found, simulated.position_px[~simulated.visible], radius_px=radius)
    neither = np.setdiff1d(hidden.found_index, matches.found_index)
    counted = np.ones(len(found), bool)
    counted[neither] = False
    for name in np.unique(names[names != ""]):
        into[f"true {name}"] += (names == name).sum()
        into[f"finds {name}"] += (counted & (by_network == name)).sum()
        into[f"hits {name}"] += (right & (names[matches.truth_index] == name)).sum()


def simulated_images(scene: StemScene, n: int, *, key: int) -> list[SimulatedStem]:
    """Images of a scene at samplings of their own."""
    images = []
    for index in range(n):
        rng = np.random.default_rng((SEED, key, index))
        zoom = float(np.exp(rng.uniform(np.log(0.9), np.log(1.8))))
        shape = (int(rng.integers(180, 320)), int(rng.integers(180, 320)))
        images.append(simulate(rng, shape=shape, config=scene.magnified(zoom)))
    return images


def judge_group(
    scene: StemScene, n: int, model: Model, engine: Engine, *, kind: str, key: int
) -> dict[str, Counts]:
    """Counts of a group of images, and apart from them of its alloys."""
    counts: dict[str, Counts] = {"": defaultdict(float), "alloys": defaultdict(float)}
    for simulated in simulated_images(scene, n, key=key):
        atoms = scanseg.find_atoms(scanseg.predict(simulated.micrograph(), model, engine=engine))
        judge(simulated, atoms, kind, counts[""])
        if "WSSe" in simulated.description or (simulated.species == "X").any():
            judge(simulated, atoms, kind, counts["alloys"])
    return counts


def show(name: str, counts: Counts) -> None:
    """Print one line: how many columns, recall, class accuracies, and F1 of each class."""
    if not counts["columns"]:
        return
    recall = counts["found"] / counts["columns"]
    network = counts["right"] / max(counts["judged"], 1)
    told = f"{counts['told right'] / counts['told']:10.4f}" if counts["told"] else "         -"
    of_class = [
        f"{each} {2 * counts[f'hits {each}'] / (counts[key] + counts[f'finds {each}']):.3f}"
        for key in sorted(counts)
        if key.startswith("true ") and (each := key.removeprefix("true "))
    ]
    print(
        f"{name:34s} {counts['columns']:7.0f} {recall:7.3f} {network:9.4f} {told}   "
        + ", ".join(of_class),
        flush=True,
    )


def sublattices(n: int) -> None:
    """Heavy and light columns of crystals, by material, signal and dose."""
    model = scanseg.load_model("stem-sublattices")
    engine = open_engine(model)
    groups: dict[str, tuple[tuple[str, ...], Literal["dark-field", "bright-field"]]] = {
        "perovskites HAADF": (PEROVSKITES, "dark-field"),
        "perovskites ABF": (PEROVSKITES, "bright-field"),
        "MX2 HAADF": ((*MX2, "WSSe"), "dark-field"),
        "other two-kind crystals HAADF": (OTHERS, "dark-field"),
    }
    alloys: dict[str, Counts] = {}
    for key, (name, (materials, signal)) in enumerate(groups.items()):
        for dose_name, dose in DOSES_E_PER_A2.items():
            scene = StemScene(
                materials=materials, random_lattice_fraction=0.0, layouts=LAYOUTS, signal=signal,
                defects="alloy", dose_e_per_a2=dose, spacing_px=(8.0, 14.0),
            )  # fmt: skip
            of_group = judge_group(
                scene, n, model, engine, kind="sublattice", key=10 * key + int(np.log10(dose[0]))
            )
            show(f"{name} {dose_name}", of_group[""])
            if name == "MX2 HAADF":
                alloys[dose_name] = of_group["alloys"]
    for dose_name, counts in alloys.items():
        show(f"  of them alloys {dose_name}", counts)


def graphene(n: int) -> None:
    """C, Si and vacancies in simulated graphene, by counts a carbon atom."""
    model = scanseg.load_model("stem-graphene")
    engine = open_engine(model)
    for key, counts in enumerate(((5.0, 30.0), (30.0, 200.0), (200.0, 2000.0))):
        scene = StemScene(
            materials=("graphene",), random_lattice_fraction=0.0, defects="graphene", dirt=0.4,
            signal="dark-field", layouts=LAYOUTS, counts_per_column=counts, spacing_px=(8.0, 14.0),
        )  # fmt: skip
        of_group = judge_group(scene, n, model, engine, kind="species", key=100 + key)
        show(f"graphene, {counts[0]:g}-{counts[1]:g} counts a C", of_group[""])


def real_silicon(folder: Path, series: list[str]) -> None:
    """F1 and rms of Si in real frames of graphene, by series."""
    model = scanseg.load_model("stem-graphene")
    engine = open_engine(model)
    with (folder / "index.csv").open(newline="") as lines:
        series_of = {row["file"]: row["series_guess"] for row in csv.DictReader(lines)}
    labels: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with (folder / "atoms.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["species"] == "Si":
                labels[row["file"]].append((float(row["y_px"]), float(row["x_px"])))
    total: dict[str, Counts] = defaultdict(lambda: defaultdict(float))
    for name, points in sorted(labels.items()):
        if series and series_of[name] not in series:
            continue
        frame = scanseg.read(folder / name).frame(0)
        atoms = scanseg.find_atoms(scanseg.predict(frame, model, engine=engine))
        found = atoms.loc[atoms["class"] == "Si", ["y_px", "x_px"]].to_numpy()
        every = atoms[["y_px", "x_px"]].to_numpy()
        truth = np.array(points)
        matches = match_positions(found, truth, radius_px=NEAR_PX)
        error = found[matches.found_index] - truth[matches.truth_index]
        seen = match_positions(every, truth, radius_px=NEAR_PX)
        for group in (f"series {series_of[name]}", "all"):
            into = total[group]
            into["frames"] += 1
            into["Si"] += len(truth)
            into["finds"] += len(found)
            into["hits"] += len(error)
            into["seen"] += len(seen.found_index)
            into["squares"] += float((error**2).sum())
    print(
        "real graphene           frames  Si finds    F1  recall precision any class  rms px an axis"
    )
    for group, t in sorted(total.items(), key=lambda pair: -pair[1]["frames"]):
        f1 = 2 * t["hits"] / max(t["Si"] + t["finds"], 1)
        rms = np.sqrt(t["squares"] / max(2 * t["hits"], 1))
        print(
            f"{group:22s} {t['frames']:7.0f} {t['Si']:4.0f} {t['finds']:5.0f} {f1:6.3f} "
            f"{t['hits'] / t['Si']:6.3f} {t['hits'] / max(t['finds'], 1):8.3f} "
            f"{t['seen'] / t['Si']:9.3f} {rms:10.2f}"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=12, help="images a line; 0 for the real ones only")
    parser.add_argument("--real", type=Path, help="folder of the frames of Si in graphene")
    parser.add_argument("--series", nargs="*", default=[], help="numbers of series to score")
    parser.add_argument("--only", choices=("sublattices", "graphene"), help="one model alone")
    arguments = parser.parse_args()
    if arguments.n:
        print(f"{'':34s} columns  recall   network brightness   F1 of each class")
        if arguments.only != "graphene":
            sublattices(arguments.n)
        if arguments.only != "sublattices":
            graphene(arguments.n)
    if arguments.real:
        real_silicon(arguments.real, arguments.series)


if __name__ == "__main__":
    main()
