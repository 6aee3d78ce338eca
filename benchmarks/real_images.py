"""Recall and precision on real images whose authors gave points.

    python benchmarks/real_images.py FOLDER [--model stem-atoms]

FOLDER holds the sets named below (public repositories; none of their files is part of scanseg).
Nothing is given but the images. The points are the authors' and no ground truth: local maxima
(MoSe2, WTe2), starting positions of the A site only (PbTiO3), clicks of experts (Pt), network
output sorted by hand (Si in graphene). So recall is the figure to read, and precision only where
the authors marked every column.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import scanseg
from scanseg.bundle import Model
from scanseg.evaluate import match_positions
from scanseg.inference import Engine, open_engine


@dataclass(frozen=True)
class Marked:
    """An image and its authors' points, (y, x) in pixels."""

    name: str
    path: Path
    points: NDArray[np.float64]
    complete: bool  # whether every column was marked, so that precision means something
    tolerance_px: float | None = None  # None: a third of the spacing that was found


def _csv_points(path: Path, y: str, x: str) -> NDArray[np.float64]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return np.array([[float(row[y]), float(row[x])] for row in csv.DictReader(lines)])


def marked_images(folder: Path) -> list[Marked]:
    """Every set that is there."""
    marked = []
    for name in ("MoSe2_mono_GB", "MoSe2_2H3R_GB", "WS2Te2_GB"):
        image = folder / "mose2_ws2_motif" / f"{name}.tif"
        if image.exists():
            table = image.with_name(f"{name}-authors-xy.csv")
            marked.append(Marked(name, image, _csv_points(table, "y_px", "x_px"), complete=True))
    superlattice = folder / "pto_sro_temul" / "Cropped_PTO-SRO_Aligned.hspy"
    if superlattice.exists():
        points = np.load(superlattice.with_name("atom_positions1.npy"), allow_pickle=False)
        a_site = points[:, ::-1].astype(float)
        marked.append(Marked("PbTiO3/SrRuO3 A site", superlattice, a_site, complete=False))
    for table in sorted((folder / "pt_single_atoms_hpai").glob("0*_Results.csv")):
        number = table.name[:3]
        image = next(table.parent.glob(f"{number}_*.tif"))
        clicks = _csv_points(table, "Y", "X")
        marked.append(Marked(f"Pt atoms {number}", image, clicks, complete=True, tolerance_px=4.0))
    return marked


def score(image: Marked, model: Model, engine: Engine) -> None:
    """Print one line of the table."""
    micrograph = scanseg.read(image.path).frame(0)
    result = scanseg.predict(micrograph, model, engine=engine)
    atoms = scanseg.find_atoms(result)
    found = atoms[["y_px", "x_px"]].to_numpy()
    radius = image.tolerance_px or result.spacing.spacing_px / 3
    # Authors leave out a rim; what is found outside of their points is not held against us.
    low, high = image.points.min(0) - radius, image.points.max(0) + radius
    found = found[((found >= low) & (found <= high)).all(1)]
    matches = match_positions(found, image.points, radius_px=radius)
    hits = len(matches.found_index)
    precision = f"{hits / max(len(found), 1):9.3f}" if image.complete else "        -"
    print(
        f"{image.name:24s} {len(image.points):6d} {len(found):6d} {hits / len(image.points):7.3f} "
        f"{precision} {result.spacing.spacing_px:8.2f}"
    )


def silicon_in_graphene(folder: Path, model: Model, engine: Engine) -> None:
    """Recall of the Si atoms of the library, image by image, and over all."""
    with (folder / "atoms.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["species"] == "Si"]
    names = sorted({row["file"] for row in rows})
    hits = wanted = 0
    for name in names:
        points = np.array([[float(r["y_px"]), float(r["x_px"])] for r in rows if r["file"] == name])
        result = scanseg.predict(scanseg.read(folder / name).frame(0), model, engine=engine)
        found = scanseg.find_atoms(result)[["y_px", "x_px"]].to_numpy()
        hits += len(match_positions(found, points, radius_px=6.0).found_index)
        wanted += len(points)
    print(f"Si in graphene: {len(names)} frames, {wanted} Si, recall {hits / max(wanted, 1):.3f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="stem-atoms")
    arguments = parser.parse_args()
    model = scanseg.load_model(arguments.model)
    engine = open_engine(model)
    print(f"{'image':24s} points  found  recall precision  spacing")
    for image in marked_images(arguments.folder):
        score(image, model, engine)
    library = arguments.folder / "graphene_si_library"
    if library.exists():
        silicon_in_graphene(library, model, engine)


if __name__ == "__main__":
    main()
