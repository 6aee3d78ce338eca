"""Displacements of domain walls in simulated series under a field, with drift between the scans.

    python benchmarks/wall_motion.py [--n 12] [--frames 3] [--model pfm-walls]

Every scene is scanned while a field grows; scans are shifted against each other by up to 5 px (the
recorded signal is resampled, so noise and artefacts are those of the instrument), and drift is
taken out by ``track_walls`` as it finds it. Walls come from the network given with ``--model``, or
from the truth with a jitter of 0.5 px and gaps, as a network leaves them.

Truth is followed through three scans in between that nothing else sees: from one to the next the
nearest line along a normal is the same wall, however far it goes in total.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import scanseg
from crossings import crossing_px
from scanseg.bundle import Model
from scanseg.evaluate import displacement_error_px
from scanseg.micrograph import Micrograph, Signal
from scanseg.motion import Drift, WallFrame, WallMotion, track_walls
from scanseg.simulate import PfmScene, SimulatedPfm, simulate_pfm_frames
from scanseg.simulate.wall_lines import Wall, draw_walls
from scanseg.walls import TracedWall, trace_lines

# Training draws from seeds (1, number), validation from (20000, number).
SEED = 78_000
SHAPE = (232, 264)
CROPPED_PX = 12  # more than half of the largest drift between the first scan and the last
STEPS_BETWEEN = 4
DRIFT_PX = 5.0
SHARP_PX = 4.0  # half width of walls; above, one bends within the tip's reach
MISTAKEN_PX = 1.5  # a wall that was taken for another, not measured badly

Line = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan of a series, drifted and cropped, and its walls in its own pixels."""

    channels: Mapping[Signal, Micrograph]
    walls: tuple[Wall, ...]
    shift_px: Line


def series(
    rng: np.random.Generator, n_frames: int, config: PfmScene
) -> tuple[list[list[Scan]], float]:
    """For each scan but the last: that scan, those in between, and the next one.

    Drift goes a random way of up to ``DRIFT_PX`` from scan to scan, along each axis. The second
    value is the half width of walls in px.
    """
    frames = simulate_pfm_frames(
        rng, n_frames=(n_frames - 1) * STEPS_BETWEEN + 1, field_step=0.06 / STEPS_BETWEEN,
        steps_a_frame=20 // STEPS_BETWEEN, shape=SHAPE, config=config,
    )  # fmt: skip
    shift = np.zeros(2)
    scans, half_width_px = [], 0.0
    for n, frame in enumerate(frames):
        half_width_px = frame.wall_half_width_px
        if n and n % STEPS_BETWEEN == 0:
            step = rng.uniform(-DRIFT_PX, DRIFT_PX, 2)
            # Back towards the middle, so that the frames keep most of the place in common.
            shift = shift + np.where(np.abs(shift + step) > CROPPED_PX - 2, -step, step)
        scans.append(drifted(frame, shift))
    last = range(0, (n_frames - 1) * STEPS_BETWEEN, STEPS_BETWEEN)
    return [scans[n : n + STEPS_BETWEEN + 1] for n in last], half_width_px


def drifted(frame: SimulatedPfm, shift: Line) -> Scan:
    """The scan with everything shifted, without the border that came in from outside."""
    inner = np.s_[CROPPED_PX:-CROPPED_PX, CROPPED_PX:-CROPPED_PX]

    def moved(data: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.ascontiguousarray(ndimage.shift(data, shift, mode="nearest")[inner])

    response = None
    if frame.phase_deg is not None:
        amplitude = 1.0 if frame.amplitude_pm is None else frame.amplitude_pm
        turned = amplitude * np.exp(1j * np.deg2rad(frame.phase_deg.astype(float)))
        response = moved(turned.real) + 1j * moved(turned.imag)
    channels = {}
    for signal, image in frame.micrographs().items():
        if response is not None and signal is not Signal.TOPOGRAPHY:
            angle = np.rad2deg(np.angle(response))
            data = angle if signal is Signal.PFM_PHASE else np.abs(response)
        else:
            data = moved(image.data.astype(float))
        channels[signal] = replace(image, data=data)
    walls = tuple(
        replace(wall, position_px=wall.position_px + shift - CROPPED_PX) for wall in frame.walls
    )
    return Scan(channels, walls, shift.copy())


def traced(scan: Scan, rng: np.random.Generator, model: Model | None) -> tuple[TracedWall, ...]:
    """Walls as the pipeline finds them, by a network or from the jittered truth."""
    if model is not None:
        first, *others = scan.channels.values()
        image = replace(first, companions={each.signal: each for each in others})
        return scanseg.trace_walls(scanseg.predict(image, model)).lines
    shape = next(iter(scan.channels.values())).shape
    walls = [replace(wall, position_px=jittered(wall.position_px, rng)) for wall in scan.walls]
    class_map = draw_walls(walls, shape, radius_px=1.5, visible_contrast=1.5)
    for y, x in rng.uniform((0, 0), shape, (8, 2)).astype(int):
        class_map[max(y - 3, 0) : y + 3, max(x - 3, 0) : x + 3] = 0
    probability = np.stack([class_map == k for k in range(3)]).astype(np.float32)
    probability[0] += class_map == 255
    return trace_lines(probability, scan.channels)[0]


def jittered(line: Line, rng: np.random.Generator, *, rms_px: float = 0.5) -> Line:
    """A line that wavers by 0.5 px over some 8 px of its length."""
    noise = ndimage.gaussian_filter1d(rng.normal(size=line.shape), 4.0, axis=0, mode="nearest")
    return np.asarray(line + rms_px * noise / max(float(noise.std()), 1e-9))


def true_displacement(
    at: Line, normal: Line, steps: Sequence[Scan], kind: str, *, reach_px: float = 3.0
) -> Line:
    """How far the true wall at each point went along the normal, NaN where it is lost."""
    shift = steps[0].shift_px
    away = [np.zeros(len(at))]
    for scan in steps:
        walls = [wall for wall in scan.walls if wall.kind == kind]
        lines = [wall.position_px - scan.shift_px + shift for wall in walls]
        here = at + away[-1][:, None] * normal
        away.append(away[-1] + crossing_px(here, normal, lines, reach_px=reach_px))
    return away[-1] - away[1]


def main() -> None:
    """Print errors by scene, and over all that resolve their walls alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=12, help="scenes")
    parser.add_argument("--frames", type=int, default=3, help="scans of each")
    parser.add_argument("--model", help="find walls by this model instead of the jittered truth")
    parser.add_argument("--noise", type=float, default=0.05, help="of the median amplitude")
    chosen = parser.parse_args()
    model = scanseg.load_model(chosen.model) if chosen.model else None
    config = PfmScene(
        layouts={"domains": 0.4, "twins": 0.2, "blocks": 0.1, "grains": 0.3}, missing={},
        noise=(chosen.noise, chosen.noise), partial_fraction=0.0, lateral_fraction=0.0,
    )  # fmt: skip
    sharp: list[dict[str, Line]] = []
    blurred: list[dict[str, Line]] = []
    for scene in range(chosen.n):
        rng = np.random.default_rng([SEED, scene])
        steps, half_width_px = series(rng, chosen.frames, config)
        scans = [each[0] for each in steps] + [steps[-1][-1]]
        lines = [traced(scan, rng, model) for scan in scans]
        motion = track_walls(
            [WallFrame(each, scan.channels) for each, scan in zip(lines, scans, strict=True)]
        )
        result = compare(motion, steps, lines)
        (sharp if half_width_px <= SHARP_PX else blurred).append(result)
        print(
            f"scene {scene:3d}, half width {half_width_px:.1f} px: {summary([result])}", flush=True
        )
    groups = {
        f"half width up to {SHARP_PX:g} px": sharp,
        f"half width above {SHARP_PX:g} px": blurred,
        "all": sharp + blurred,
    }
    for name, results in groups.items():
        if results:
            print(f"{name}: {summary(results)}")


def compare(
    motion: WallMotion, steps: Sequence[Sequence[Scan]], lines: Sequence[Sequence[TracedWall]]
) -> dict[str, Line]:
    """Errors of everything that was matched between ferroelectric walls of a series."""
    parts: dict[str, list[Line]] = defaultdict(list)
    rows = motion.points[motion.points["class"] == "ferroelectric"]
    for frame, between in enumerate(steps):
        part = rows[rows["frame"] == frame]
        true = true_displacement(
            part[["y_px", "x_px"]].to_numpy(float), part[["normal_y", "normal_x"]].to_numpy(float),
            between, "ferroelectric",
        )  # fmt: skip
        measured = part["displacement_px"].to_numpy(float)
        both = np.isfinite(measured) & np.isfinite(true)
        parts["error"].append((measured - true)[both])
        parts["err"].append(part["displacement_err_px"].to_numpy(float)[both])
        parts["true"].append(true[both])
        parts["moved"].append((part["state"] == "moved").to_numpy(bool)[both])
        parts["stayed"].append((part["state"] == "stayed").to_numpy(bool)[both])
        vanished = (part["state"] == "vanished").to_numpy(bool) & np.isfinite(true)
        parts["lost"].append(np.array([vanished.sum(), both.sum()]))
        drift, drifted_px = motion.drifts[frame], between[-1].shift_px - between[0].shift_px
        parts["drift"].append(np.array(drift.shift_px) - drifted_px)
        parts["nearest"].append(nearest_error(lines[frame], lines[frame + 1], between, drift))
    return {name: np.concatenate(each) for name, each in parts.items()}


def nearest_error(
    before: Sequence[TracedWall], after: Sequence[TracedWall], between: Sequence[Scan],
    drift: Drift,
) -> Line:  # fmt: skip
    """The package's figure of merit, which pairs walls by distance alone."""
    first, last = between[0], between[-1]
    return displacement_error_px(
        [wall.position_px for wall in before if wall.class_index[0] == 1],
        [drift.to_first(wall.position_px) for wall in after if wall.class_index[0] == 1],
        [wall.position_px for wall in first.walls if wall.kind == "ferroelectric"],
        [
            wall.position_px - last.shift_px + first.shift_px
            for wall in last.walls
            if wall.kind == "ferroelectric"
        ],
    )


def summary(results: Sequence[dict[str, Line]]) -> str:
    """One line about one scene or several."""
    joined = {name: np.concatenate([each[name] for each in results]) for name in results[0]}
    error, true = joined["error"], joined["true"]
    if not len(error):
        return "no wall was matched"
    right = np.abs(error) < MISTAKEN_PX
    lost = joined["lost"].reshape(-1, 2).sum(0)
    nearest = joined["nearest"][np.isfinite(joined["nearest"])]
    still, gone = np.abs(true) < 0.1, np.abs(true) > 1.0
    return (
        f"{len(error)} points that moved {rms(true):.2f} px rms; rms error {rms(error[right]):.3f} "
        f"px ({rms(error):.3f} with the mistaken), bias {error[right].mean():+.3f}, error / error "
        f"bar {rms((error / joined['err'])[right]):.2f}; mistaken {100 * (1 - right.mean()):.1f} "
        f"%, lost {100 * lost[0] / max(lost.sum(), 1):.1f} %; drift rms {rms(joined['drift']):.3f} "
        f"px; of points at rest {percent(joined['stayed'][still])} called so, of those that moved "
        f"over 1 px {percent(joined['moved'][gone])}; displacement_error_px "
        f"{rms(nearest[np.abs(nearest) < MISTAKEN_PX]):.3f} px"
    )


def rms(values: Line) -> float:
    """Root of the mean square, NaN for none."""
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def percent(which: Line) -> str:
    """Share that is true."""
    return f"{100 * which.mean():.0f} %" if len(which) else "none"


if __name__ == "__main__":
    main()
