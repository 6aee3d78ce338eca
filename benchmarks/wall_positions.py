"""How far measured domain walls lie off the true ones, on simulated scans.

    python benchmarks/wall_positions.py              # 12 scans a row, half an hour
    python benchmarks/wall_positions.py --scans 4 --noise 0.05

A row has the class of wall, the noise over the median amplitude, whether drift, jumps, dirt and
background are on (PfmScene.disorder 1) or off (0), and the channels that were given. The lines the
measurement starts from are the true ones moved by up to a pixel over some 10 px along the wall,
drawn three pixels wide and thinned, as a network's would be. Printed are:

* found: share of the walls' length with a measured wall within 3 px;
* bias and s.d. of the offset along the true normal, towards one side of the wall (up, or the a
  domain), and half the range that holds the middle 68 %;
* easy: share of what was found that is no lamella drawn as one line and 4 px from any corner of
  35° or more, and bias and s.d. there;
* s.d. over the goal of 0.3 px, and over a bound: that of one point of a lone, straight 180° wall
  whose response is known but for its place, information summed over w along the wall;
* rms of error / error bar, and the 68 % point of it, which a few junctions do not decide;
* median measured w over the true one;
* CPU milliseconds for 1,000 points, tracing and fits.

Scans are numbers 1000 and on of the simulator; what was tuned was tuned below 1000. Walls that the
class map leaves out are left out here, and lamellae narrower than the tip count as one line.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from crossings import crossing_px
from scanseg.micrograph import Micrograph, Signal
from scanseg.simulate import PfmScene, simulate_pfm
from scanseg.simulate.pfm import SimulatedPfm
from scanseg.simulate.resolved import resolved_walls
from scanseg.simulate.wall_lines import Visible, Wall, draw_walls
from scanseg.walls.trace import TracedWall, trace_lines

FloatArray = NDArray[np.float64]

SHAPE = (192, 224)
FIRST_SEED = 1000
GOAL_PX = 0.3
REACH_PX = 3.0
VISIBLE = 1.5
CHANNELS = {
    "all": (Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY),
    "amplitude": (Signal.PFM_AMPLITUDE,),
    "phase": (Signal.PFM_PHASE,),
}
CORNER_PX = 4
LAYOUT = {"ferroelectric": ("domains", 1), "ferroelastic": ("twins", 2)}


@dataclass
class Row:
    """Offsets, error bars, bounds and widths of a row; one number a pixel of true length."""

    offset: list[FloatArray]
    easy: list[NDArray[np.bool_]]
    err: list[FloatArray]
    bound: list[float]
    width: list[float]
    seconds: float = 0.0
    points: int = 0


def resampled(line: FloatArray, values: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
    """Points a pixel apart, and a value at each."""
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, way[-1], max(2, round(way[-1]) + 1))
    points = np.stack([np.interp(at, way, line[:, 0]), np.interp(at, way, line[:, 1])], 1)
    return points, np.interp(at, way, np.zeros(len(line)) if values is None else values)


def normals(line: FloatArray) -> FloatArray:
    """Unit normals from points four apart."""
    n = np.arange(len(line))
    along = line[np.minimum(n + 2, len(line) - 1)] - line[np.maximum(n - 2, 0)]
    across = np.stack([along[:, 1], -along[:, 0]], 1)
    return across / np.maximum(np.hypot(*across.T), 1e-9)[:, None]


def true_points(
    wall: Wall, own: Wall
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_], FloatArray]:
    """Points a pixel apart on a wall as resolved, normals, whether it is alone, contrast.

    Where the two sides of a narrow lamella are one line, and that begins, it jumps to the middle:
    normals are those of the wall itself, ``own``, not of the jump.
    """
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(own.position_px, axis=0).T))])
    at = np.linspace(0, way[-1], max(2, round(way[-1]) + 1))

    def there(values: FloatArray) -> FloatArray:
        return np.interp(at, way, values)

    points = np.stack([there(wall.position_px[:, 0]), there(wall.position_px[:, 1])], 1)
    itself = np.stack([there(own.position_px[:, 0]), there(own.position_px[:, 1])], 1)
    moved = np.hypot(*(points - itself).T) > 0.01
    return points, normals(itself), ~ndimage.maximum_filter1d(moved, 7), there(wall.contrast)


def near_corners(points: FloatArray, reach: int) -> NDArray[np.bool_]:
    """Points so near to where their line turns by more than 35 degrees within 6 px."""
    n = np.arange(len(points))
    ahead = points[np.minimum(n + 3, len(points) - 1)] - points
    behind = points - points[np.maximum(n - 3, 0)]
    size = np.maximum(np.hypot(*ahead.T) * np.hypot(*behind.T), 1e-9)
    turns = (ahead * behind).sum(1) / size < np.cos(np.deg2rad(35.0))
    turns &= (n >= 2) & (n < len(points) - 2)
    return np.asarray(ndimage.maximum_filter1d(turns, 2 * reach + 1))


def misdrawn(wall: Wall, rng: np.random.Generator) -> Wall:
    """The wall as a network might draw it: off by up to a pixel, slowly changing."""
    n = len(wall.position_px)
    wave = ndimage.gaussian_filter1d(rng.normal(size=n + 80), 8.0)[40 : 40 + n]
    wave = np.clip(0.5 * wave * np.sqrt(16.0 * np.sqrt(np.pi)), -1, 1)
    moved = wall.position_px + wave[:, None] * normals(wall.position_px)
    return Wall(moved, wall.kind, wall.contrast)


def simulated(
    seed: int, layout: str, noise: float, disorder: float
) -> tuple[SimulatedPfm, tuple[Wall, ...], NDArray[np.float32]]:
    """A scan, its walls as far as the tip resolves them, and a stand-in for the network."""
    config = PfmScene(
        layouts={layout: 1.0}, disorder=disorder, noise=(noise, noise), missing={},
        partial_fraction=0.0,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    scan = simulate_pfm(rng, shape=SHAPE, config=config)
    row_noise = np.full(SHAPE[0], scan.noise, np.float32)
    walls = resolved_walls(scan.walls, Visible(scan.response, row_noise, scan.wall_half_width_px))
    drawn = [misdrawn(wall, rng) for wall in walls]
    class_map = draw_walls(drawn, SHAPE, radius_px=1.5, visible_contrast=VISIBLE)
    probability = np.stack([class_map == 1, class_map == 2])
    return scan, walls, np.concatenate([~probability.any(0)[None], probability]).astype(np.float32)


def score(
    row: Row, scan: SimulatedPfm, walls: tuple[Wall, ...], found: tuple[TracedWall, ...],
    kind: str, class_index: int,
) -> None:  # fmt: skip
    """Add a scan to a row."""
    mine = [wall for wall in found if wall.main_class == class_index]
    at = [np.empty((0, 2))]
    normal = [np.empty((0, 2))]
    easy = [np.empty(0, bool)]
    for wall, own in zip(walls, scan.walls, strict=True):
        if wall.kind == kind:
            points, across, alone, contrast = true_points(wall, own)
            seen = contrast >= VISIBLE
            at.append(points[seen])
            normal.append(across[seen])
            easy.append((alone & ~near_corners(points, CORNER_PX))[seen])
    points, across = np.concatenate(at), np.concatenate(normal)
    if not len(points):
        return
    offset = crossing_px(points, across, [wall.position_px for wall in mine], reach_px=REACH_PX)
    row.offset.append(offset)
    row.easy.append(np.concatenate(easy))
    err = np.full(len(offset), np.nan)
    hit = np.isfinite(offset)
    if hit.any():
        tree = cKDTree(np.concatenate([wall.position_px for wall in mine]))
        _, nearest = tree.query((points + np.nan_to_num(offset)[:, None] * across)[hit])
        err[hit] = np.concatenate([wall.position_err_px for wall in mine])[nearest]
    row.err.append(err)
    w = scan.wall_half_width_px
    # Information on the place of tanh(x / w) in noise s of each part: 4 / (3 w s²) a profile.
    relative = scan.noise / np.median(np.abs(scan.response))
    row.bound.append(float(relative * np.sqrt(0.75 * w) / np.sqrt(max(w, 1.0))))
    row.width += [v.half_width_px / w for v in mine if v.length_px > 20]


def measure(kind: str, noise: float, disorder: float, channels: str, seeds: range) -> Row:
    """All scans of a row."""
    layout, class_index = LAYOUT[kind]
    row = Row([], [], [], [], [])
    for seed in seeds:
        scan, walls, probability = simulated(seed, layout, noise, disorder)
        given: dict[Signal, Micrograph] = {
            signal: image
            for signal, image in scan.micrographs().items()
            if signal in CHANNELS[channels]
        }
        start = time.process_time()
        found, _ = trace_lines(probability, given)
        row.seconds += time.process_time() - start
        row.points += sum(len(wall.position_px) for wall in found)
        score(row, scan, walls, found, kind, class_index)
    return row


def printed(row: Row) -> str:
    """A row as text."""
    offset, err = np.concatenate(row.offset), np.concatenate(row.err)
    hit = np.isfinite(offset)
    pull = (offset / err)[hit & np.isfinite(err)]
    low, high = np.percentile(offset[hit], [16, 84])
    width = np.array(row.width)
    easy = hit & np.concatenate(row.easy)
    return (
        f"{hit.mean():6.3f} {offset[hit].mean():+6.3f} {offset[hit].std():6.3f} "
        f"{(high - low) / 2:6.3f} {easy.sum() / hit.sum():6.2f} {offset[easy].mean():+6.3f} "
        f"{offset[easy].std():6.3f} {offset[hit].std() / GOAL_PX:6.2f} "
        f"{offset[hit].std() / np.median(row.bound):6.1f} {np.sqrt(np.mean(pull**2)):6.2f} "
        f"{np.percentile(np.abs(pull), 68.3):6.2f} {np.nanmedian(width):6.3f} "
        f"{1e6 * row.seconds / max(row.points, 1):6.1f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=12)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.02, 0.05, 0.10])
    parser.add_argument("--channels", nargs="+", default=list(CHANNELS), choices=list(CHANNELS))
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.scans)
    measure("ferroelectric", 0.05, 0.0, "all", range(1))  # compiles the kernels
    print(
        f"{'class':14}{'noise':>6}{'disorder':>9} {'channels':10}{'found':>6}{'bias':>7}{'s.d.':>7}"
        f"{'68 %':>7}{'easy':>7}{'bias':>7}{'s.d.':>7}{'/goal':>7}{'/bound':>7}{'/bar':>7}"
        f"{'68 %':>7}{'w':>7}{'ms/1000':>8}"
    )
    for kind in LAYOUT:
        for noise in options.noise:
            for disorder in (0.0, 1.0):
                for channels in options.channels:
                    row = measure(kind, noise, disorder, channels, seeds)
                    print(
                        f"{kind:14}{noise:6.2f}{disorder:9.0f} {channels:10}{printed(row)}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
