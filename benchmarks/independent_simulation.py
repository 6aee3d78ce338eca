"""Images by another simulator (abTEM, multislice), at three doses, with nothing given to scanseg.

    python3 -m venv build/abtem-env && build/abtem-env/bin/pip install abtem
    build/abtem-env/bin/python benchmarks/independent_simulation.py make      (about ten minutes)
    python benchmarks/independent_simulation.py score

abTEM is GPL-3.0: it is used here only, in an environment of its own. ``make`` writes noise-free
images with the positions of all columns; ``score`` draws counts, runs ``predict`` and
``find_atoms`` without a pixel size, and prints F1 within a quarter of the local spacing.

A column is asked for where it can be seen: its signal-to-noise ratio behind a matched filter is at
least 3, it has at least a tenth of the height of its strongest neighbour and a thirtieth of that of
the strongest column (carbon under platinum has a hundredth), no visible neighbour is nearer than
2.2 sigma, and its centre is inside the image. Finding another true column, such as
one whose flank alone is in the image, is neither right nor wrong. The dose levels
are set for each scene by the signal-to-noise ratio of its median column: 5, 12 and 40.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.spatial import cKDTree

BUILD = Path(__file__).resolve().parent.parent / "build" / "independent-simulation"
SHAPE = (288, 256)  # of every image
DOSE_LEVELS = {"low": 5.0, "middle": 12.0, "high": 40.0}  # SNR of the median column
LEAST_SNR = 3.0
FAINTEST = 0.1  # of the strongest neighbour's height
FAINTEST_OF_ALL = 1 / 30
CLOSEST_SIGMA = 2.2
MARGIN_PX = 12  # columns so far outside are part of the truth: their flanks may be seen
RNG_SEED = 11


@dataclass(frozen=True)
class Scene:
    """What is simulated, and how it is imaged. The cell repeats; lengths in angstrom."""

    atoms: Callable[[], Any]
    energy_ev: float
    convergence_mrad: float
    detectors_mrad: dict[str, tuple[float, float]]
    pixel_a: float
    angle_deg: float
    sampling_a: float = 0.1
    slice_a: float = 2.0
    source_a: float = 0.4  # standard deviation of the source and of thermal motion
    prism: int = 0  # interpolation factor; 0: a probe at a time
    supercell: tuple[int, int] = (1, 1)  # so that the probe does not meet itself


def graphene_with_defects() -> Any:
    """Graphene with two silicon atoms in place of carbon, and a vacancy."""
    atoms = _honeycomb("C2", 2.46, (8, 5))
    atoms.symbols[[33, 118]] = "Si"
    del atoms[70]
    return atoms


def boron_nitride() -> Any:
    """A monolayer of hBN."""
    return _honeycomb("BN", 2.504, (7, 4))


def molybdenum_disulfide() -> Any:
    """A monolayer of MoS2 with tungsten on two metal sites and three sulphur atoms missing."""
    import abtem
    from ase.build import mx2

    cell = abtem.orthogonalize_cell(mx2("MoS2", a=3.18, thickness=3.13, vacuum=1.5))
    atoms = cell * (6, 4, 1)
    metals = [atom.index for atom in atoms if atom.symbol == "Mo"]
    sulphurs = [atom.index for atom in atoms if atom.symbol == "S"]
    atoms.symbols[[metals[7], metals[30]]] = "W"
    del atoms[[sulphurs[11], sulphurs[40], sulphurs[71]]]
    return atoms


def platinum_on_graphene() -> Any:
    """Single platinum atoms above graphene."""
    atoms = _honeycomb("C2", 2.46, (8, 5))
    from ase import Atoms

    places = [(2.2, 3.1), (9.7, 5.6), (15.3, 2.4), (4.4, 13.2), (11.0, 16.7), (17.5, 11.9)]
    height = atoms.positions[:, 2].max() + 2.0
    atoms += Atoms("Pt6", positions=[(x, y, height) for x, y in places])
    atoms.cell[2, 2] += 3.0
    return atoms


def strontium_titanate() -> Any:
    """SrTiO3 along [001], 31 angstrom thick."""
    from ase import Atoms

    a = 3.905
    fractions = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    return Atoms("SrTiO3", scaled_positions=fractions, cell=[a] * 3, pbc=True) * (1, 1, 8)


def gallium_arsenide() -> Any:
    """GaAs along [110], 32 angstrom thick."""
    a = 5.6533
    from ase import Atoms

    side = a / np.sqrt(2)
    fractions = [(0, 0, 0), (0.5, 0.5, 0.5), (0, 0.25, 0.5), (0.5, 0.75, 0)]
    atoms = Atoms("Ga2As2", scaled_positions=fractions, cell=[side, a, side], pbc=True)
    return atoms * (1, 1, 8)


def gold_crystal() -> Any:
    """Gold along [110], 23 angstrom thick."""
    from ase import Atoms

    a = 4.078
    side = a / np.sqrt(2)
    fractions = [(0, 0, 0), (0.5, 0.5, 0.5)]
    return Atoms("Au2", scaled_positions=fractions, cell=[side, a, side], pbc=True) * (1, 1, 8)


def gold_particle() -> Any:
    """A cuboctahedral gold particle along [100], in vacuum."""
    from ase.cluster import FaceCenteredCubic

    surfaces, layers = [(1, 0, 0), (1, 1, 1)], [4, 4]
    atoms = FaceCenteredCubic("Au", surfaces, layers, latticeconstant=4.078)
    atoms.center(vacuum=3.5)
    atoms.cell[2, 2] -= 5.0
    atoms.positions[:, 2] -= 2.5
    return atoms


ADF_60 = {"haadf": (55.0, 100.0)}
SCENES: dict[str, Scene] = {
    "graphene": Scene(graphene_with_defects, 60e3, 32, ADF_60, 0.105, 12, 0.15, 4, prism=2),
    "hBN": Scene(boron_nitride, 60e3, 32, ADF_60, 0.14, 33, 0.15, 4, prism=2),
    "Pt on graphene": Scene(platinum_on_graphene, 60e3, 32, ADF_60, 0.12, 21, 0.15, 4, prism=2),
    "MoS2": Scene(
        molybdenum_disulfide, 80e3, 27, {"haadf": (60.0, 110.0)}, 0.13, 5, 0.12, 2, prism=2
    ),
    "SrTiO3": Scene(
        strontium_titanate, 200e3, 24, {"haadf": (65.0, 100.0), "abf": (11.0, 24.0)}, 0.16, 17,
        0.08, 1.9525, 0.35, supercell=(3, 3),
    ),
    "GaAs": Scene(
        gallium_arsenide, 200e3, 24, {"haadf": (65.0, 100.0)}, 0.13, 40, 0.08, 2, 0.3,
        supercell=(3, 2),
    ),
    "Au": Scene(
        gold_crystal, 200e3, 24, {"haadf": (65.0, 100.0)}, 0.2, 28, 0.08, 2.9, 0.4,
        supercell=(4, 3),
    ),
    "Au particle": Scene(
        gold_particle, 200e3, 24, {"haadf": (50.0, 80.0)}, 0.12, 9, 0.1, 2, 0.4, prism=3
    ),
}  # fmt: skip


def main() -> None:
    """Make the images, or score what scanseg finds in them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["make", "score"])
    parser.add_argument("--folder", type=Path, default=BUILD)
    parser.add_argument("--model", default="stem-atoms")
    parser.add_argument("--only", nargs="*", default=list(SCENES), help="scenes to make")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.what == "make":
        for name in options.only:
            make(name, SCENES[name], options.folder)
    else:
        score_all(options.folder, options.model)


# ---- make: in abTEM's environment


def make(name: str, scene: Scene, folder: Path) -> None:
    """Simulate one scan of the cell and cut a rotated window out of its repetition."""
    start = time.perf_counter()
    atoms = scene.atoms()
    cell = np.array([atoms.cell[0, 0], atoms.cell[1, 1]])
    columns = _columns(atoms)
    for detector, scanned in _scan(atoms, scene).items():
        rng = np.random.default_rng(RNG_SEED)
        image, position_px = _window(scanned, columns, cell, scene, rng)
        path = folder / f"{name.replace(' ', '-')}-{detector}.npz"
        np.savez(path, image=image, position_px=position_px, pixel_nm=scene.pixel_a / 10)
        print(f"{path.name}: {len(position_px)} columns, {time.perf_counter() - start:.0f} s")


def _scan(atoms: Any, scene: Scene) -> dict[str, NDArray[np.float64]]:
    """Noise-free fraction of the beam that each detector gets, over the cell; indexed (x, y)."""
    import abtem

    abtem.config.set({"dask.lazy": False, "local_diagnostics.progress_bar": False})
    repeated = atoms * (*scene.supercell, 1)
    potential = abtem.Potential(
        repeated, sampling=scene.sampling_a, slice_thickness=scene.slice_a
    ).build()
    end = 1 / np.array(scene.supercell)
    nyquist = abtem.Probe(
        energy=scene.energy_ev, semiangle_cutoff=scene.convergence_mrad
    ).aperture.nyquist_sampling
    scan = abtem.GridScan(
        (0, 0), tuple(end), fractional=True, potential=potential, sampling=0.9 * nyquist
    )
    detectors = [abtem.AnnularDetector(*angles) for angles in scene.detectors_mrad.values()]
    beam = {"energy": scene.energy_ev, "semiangle_cutoff": scene.convergence_mrad}
    if scene.prism:
        matrix = abtem.SMatrix(potential=potential, interpolation=scene.prism, **beam)
        measured = matrix.scan(scan=scan, detectors=detectors)
    else:
        probe = abtem.Probe(**beam)
        probe.grid.match(potential)
        measured = probe.scan(potential, scan=scan, detectors=detectors)
    measured = list(measured) if len(detectors) > 1 else [measured]
    return {
        name: np.asarray(image.array, float)
        for name, image in zip(scene.detectors_mrad, measured, strict=True)
    }


def _window(
    scanned: NDArray[np.float64],
    columns: NDArray[np.float64],
    cell: NDArray[np.float64],
    scene: Scene,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A rotated window of the repeated cell, and the columns in it."""
    step = cell / scanned.shape
    blurred = ndimage.gaussian_filter(scanned, scene.source_a / step, mode="wrap")
    angle = np.deg2rad(scene.angle_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corner = rng.uniform(0, cell)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    # (x, y) in angstrom of every pixel; cubic interpolation of what was sampled beyond Nyquist.
    place = np.stack([cols, rows], -1) * scene.pixel_a @ turn + corner
    image = ndimage.map_coordinates(
        blurred, np.moveaxis(place / step, -1, 0), order=3, mode="grid-wrap"
    )
    reach = int(np.hypot(*SHAPE) * scene.pixel_a / cell.min()) + 2
    cells = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), -1)
    everywhere = (columns[:, None] + cells.reshape(-1, 2) * cell).reshape(-1, 2)
    position_px = ((everywhere - corner) @ turn.T / scene.pixel_a)[:, ::-1]
    near = is_inside(position_px, margin_px=MARGIN_PX)
    return np.maximum(image, 0).astype(np.float32), position_px[near]


def is_inside(position_px: NDArray[np.float64], *, margin_px: float = 0.0) -> NDArray[np.bool_]:
    """Which positions lie on a pixel of the image, or at most so far outside; shape (N,)."""
    low, high = -0.5 - margin_px, np.array(SHAPE) - 0.5 + margin_px
    return ((position_px > low) & (position_px < high)).all(axis=1)


def _columns(atoms: Any) -> NDArray[np.float64]:
    """(x, y) of the projected columns: atoms within 0.3 angstrom are one."""
    remaining = atoms.positions[:, :2].copy()
    columns = []
    while len(remaining):
        near = np.linalg.norm(remaining - remaining[0], axis=1) < 0.3
        columns.append(remaining[near].mean(axis=0))
        remaining = remaining[~near]
    return np.array(columns)


def _honeycomb(formula: str, lattice_a: float, repeat: tuple[int, int]) -> Any:
    import abtem
    from ase.build import graphene

    return abtem.orthogonalize_cell(graphene(formula, a=lattice_a, vacuum=2)) * (*repeat, 1)


# ---- score: in scanseg's environment


@dataclass(frozen=True)
class Truth:
    """Columns of a noise-free image; N columns."""

    position_px: NDArray[np.float64]  # (N, 2)
    height: NDArray[np.float64]  # (N,) in fractions of the beam; negative for dark columns
    sigma_px: float
    background: float

    def snr(self, electrons_per_px: float) -> NDArray[np.float64]:
        """Signal over noise of each column behind a matched filter."""
        area = 2 * np.pi * self.sigma_px**2
        signal = np.abs(self.height) * area * electrons_per_px
        below = self.background + np.minimum(self.height, 0) / 2
        noise = np.maximum(self.height, 0) * area + 2 * area * below
        return signal / np.sqrt(np.maximum(noise, 1e-12) * electrons_per_px)


def score_all(folder: Path, model_name: str) -> None:
    """Print F1 and rms of every scene and level, and over all scenes."""
    import scanseg
    from scoring import Score, score

    model = scanseg.load_model(model_name)
    total = {level: Score() for level in DOSE_LEVELS}
    print(f"{'':22}" + "".join(f"{level:>26}" for level in DOSE_LEVELS))
    print(f"{'':22}" + f"{'n':>8}{'F1':>8}{'rms px':>10}" * len(DOSE_LEVELS))
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            image, position_px = stored["image"], stored["position_px"]
        truth = describe(image, position_px)
        line = f"{path.stem:22}"
        for level, snr in DOSE_LEVELS.items():
            electrons = _electrons_per_px(truth, snr)
            rng = np.random.default_rng([RNG_SEED, *path.stem.encode(), *level.encode()])
            counts = rng.poisson(image * electrons).astype(np.uint16)
            asked, radius_px = visible(truth, electrons)
            atoms = scanseg.find_atoms(scanseg.predict(counts, model))
            found = atoms[["y_px", "x_px"]].to_numpy(float)
            this = score(found, position_px, radius_px, required=asked)
            total[level] += this
            line += f"{this.n_truth:8}{this.f1:8.3f}{this.rms_px:10.3f}"
        print(line, flush=True)
    every = [f"{s.n_truth:8}{s.f1:8.4f}{s.rms_px:10.3f}" for s in total.values()]
    print(f"{'all':22}" + "".join(every))


def describe(image: NDArray[np.float32], position_px: NDArray[np.float64]) -> Truth:
    """Heights of the columns by a linear fit of Gaussians of one width on an even background."""

    def misfit(sigma: float) -> float:
        height, background = _fit_heights(image, position_px, sigma)
        model = _render(image.shape, position_px, height, sigma) + background
        return float(((image - model) ** 2).sum())

    spacing = float(np.median(cKDTree(position_px).query(position_px, k=2)[0][:, 1]))
    best = optimize.minimize_scalar(
        misfit, bounds=(0.12 * spacing, 0.45 * spacing), method="bounded", options={"maxiter": 12}
    )
    height, background = _fit_heights(image, position_px, best.x)
    return Truth(position_px, height, float(best.x), background)


def visible(truth: Truth, electrons_per_px: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which columns can be asked for, and the match radius of each column."""
    tree = cKDTree(truth.position_px)
    neighbours = tree.query_ball_point(truth.position_px, 6 * truth.sigma_px)
    inside = is_inside(truth.position_px)
    # The height of a column outside is extrapolated from its flank, and may be anything.
    height = np.abs(np.where(inside, truth.height, 0))
    strongest = np.array([height[near].max() for near in neighbours])
    sign = np.sign(np.median(truth.height[inside]))
    seen = (
        (truth.snr(electrons_per_px) >= LEAST_SNR)
        & (sign * truth.height >= np.maximum(FAINTEST * strongest, FAINTEST_OF_ALL * height.max()))
    )  # fmt: skip
    others = cKDTree(truth.position_px[seen])
    distance, _ = others.query(truth.position_px, k=min(2, int(seen.sum())))
    nearest = np.where(seen, distance[:, -1], distance[:, 0])
    separate = nearest >= CLOSEST_SIGMA * truth.sigma_px
    # An isolated column has no spacing: it counts as found within three sigma of its spot.
    return seen & separate & is_inside(truth.position_px), np.minimum(
        nearest / 4, 3 * truth.sigma_px
    )


def _electrons_per_px(truth: Truth, snr: float) -> float:
    """Dose at which the median of the columns that matter has some signal-to-noise ratio."""
    inside = is_inside(truth.position_px)
    matters = inside & (np.abs(truth.height) >= FAINTEST * np.abs(truth.height[inside]).max())
    # The ratio grows with the square root of the dose.
    return float((snr / np.median(truth.snr(1.0)[matters])) ** 2)


def _fit_heights(
    image: NDArray[np.float32], position_px: NDArray[np.float64], sigma: float
) -> tuple[NDArray[np.float64], float]:
    from scipy import sparse

    rows, cols, values = [], [], []
    reach = int(np.ceil(4 * sigma))
    offsets = np.arange(-reach, reach + 1)
    for number, (y, x) in enumerate(position_px):
        window_y, window_x = round(y) + offsets, round(x) + offsets
        spot = np.exp(-((window_y - y) ** 2)[:, None] / (2 * sigma**2)) * np.exp(
            -((window_x - x) ** 2) / (2 * sigma**2)
        )
        keep = ((window_y >= 0) & (window_y < image.shape[0]))[:, None] & (
            (window_x >= 0) & (window_x < image.shape[1])
        )
        index = window_y[:, None] * image.shape[1] + window_x
        rows.append(index[keep])
        cols.append(np.full(int(keep.sum()), number))
        values.append(spot[keep])
    n = len(position_px)
    rows.append(np.arange(image.size))
    cols.append(np.full(image.size, n))
    values.append(np.ones(image.size))
    design = sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))),
        shape=(image.size, n + 1),
    )
    normal = (design.T @ design).tocsc() + 1e-9 * sparse.eye_array(n + 1, format="csc")
    solution = sparse.linalg.spsolve(normal, design.T @ image.ravel().astype(float))
    return solution[:n], float(solution[n])


def _render(
    shape: tuple[int, ...],
    position_px: NDArray[np.float64],
    height: NDArray[np.float64],
    sigma: float,
) -> NDArray[np.float64]:
    from lattices import render

    return render((shape[0], shape[1]), position_px, height, sigma)


if __name__ == "__main__":
    main()
