"""How many links of a movie with jumps are right, how fast, and in how much memory.

    python benchmarks/tracks.py [--frames 200] [--long 10000] [--peers build/peers-env]

Movies are positions, so that linking is measured apart from finding: a honeycomb that drifts, with
dopants that exchange places and atoms that hop into vacancies. A link is a pair of sightings of one
atom at most four frames apart; it is right where both have the same track (aim: 0.98 of all).
Links of jumps alone are listed too. With ``--peers``, trackpy links the same tables, with its drift
predictor and the same memory. ``--long`` writes a movie as a run's table and follows it from there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from processes import memory_bytes
from scanseg.simulate.movies import AtomMovie, observe_atoms, simulate_atom_movie
from scanseg.tracks import TrackLinker

LONGEST_GAP = 4
ERR = 0.03  # of the spacing
SCENES = {
    "as usual": ({}, {"missing": 0.005, "extra": 0.002, "misnamed": 0.001}),
    "drift of 8 px": ({"drift_px": 8.0}, {"missing": 0.005, "extra": 0.002, "misnamed": 0.001}),
    "bad finder": ({}, {"missing": 0.03, "extra": 0.02, "misnamed": 0.01}),
    "no dopants": ({"dopant_fraction": 0.0}, {"missing": 0.005, "extra": 0.002, "misnamed": 0.0}),
    "many jumps": (
        {"exchange_rate": 0.2, "hop_rate": 0.5, "vacancy_fraction": 0.02},
        {"missing": 0.005, "extra": 0.002, "misnamed": 0.001},
    ),
}
TRACKPY = """
import sys, warnings
warnings.simplefilter("ignore")
import pandas, trackpy
trackpy.quiet()
table = pandas.read_csv(sys.argv[1])
predictor = trackpy.predict.DriftPredict()
linked = predictor.link_df(table, float(sys.argv[2]), memory=3, pos_columns=["y", "x"])
linked.sort_values("row")["particle"].to_csv(sys.argv[3], index=False)
"""


def right_links(
    identity: NDArray[np.int64], frame: NDArray[np.int64], track: NDArray[np.int64],
    jumped: list[set[int]],
) -> tuple[float, float, int]:  # fmt: skip
    """Part of all links that are right, of those over a jump, and how many of these there are."""
    seen: dict[int, tuple[int, int]] = {}
    right, over_jump = [], []
    for who, when, which in zip(identity.tolist(), frame.tolist(), track.tolist(), strict=True):
        if who < 0:
            continue
        if who in seen and when - seen[who][0] <= LONGEST_GAP:
            same = seen[who][1] == which
            right.append(same)
            if any(who in jumped[n] for n in range(seen[who][0] + 1, when + 1)):
                over_jump.append(same)
        seen[who] = when, which
    return float(np.mean(right)), float(np.mean(over_jump or [np.nan])), len(over_jump)


def accuracy(n_frames: int, peers: Path | None) -> None:
    """Print a row a scene."""
    print(
        f"{'scene':15} {'right':>7} {'jumps':>7} {'n':>5} {'ms/frame':>9}   trackpy: right, jumps"
    )
    for name, (movie, noise) in SCENES.items():
        rng = np.random.default_rng(1)
        config = AtomMovie(n_frames=n_frames, **movie)
        tables, jumped = [], []
        for frame in simulate_atom_movie(config, rng):
            tables.append(observe_atoms(frame, rng, err_px=ERR * config.spacing_px, **noise))
            jumped.append(set(frame.identity[frame.jumped].tolist()))
        linker = TrackLinker(shape=config.shape)
        start = time.process_time()
        tracks = [linker.add(table).points["track"].to_numpy() for table in tables]
        cost = 1e3 * (time.process_time() - start) / n_frames
        identity = np.concatenate([table["identity"] for table in tables])
        frames = np.repeat(np.arange(n_frames), [len(table) for table in tables])
        right, jumps, count = right_links(identity, frames, np.concatenate(tracks), jumped)
        line = f"{name:15} {right:7.4f} {jumps:7.3f} {count:5d} {cost:9.1f}"
        if peers:
            other = link_with_trackpy(peers, tables, frames, 0.45 * config.spacing_px)
            right, jumps, _ = right_links(identity, frames, other, jumped)
            line += f"   {right:.4f}, {jumps:.3f}"
        print(line, flush=True)


def link_with_trackpy(
    peers: Path, tables: list[pd.DataFrame], frames: NDArray[np.int64], reach_px: float
) -> NDArray[np.int64]:
    """Number of the particle of each row."""
    with tempfile.TemporaryDirectory() as scratch:
        source, found = Path(scratch) / "in.csv", Path(scratch) / "out.csv"
        table = pd.concat(tables, ignore_index=True).rename(columns={"y_px": "y", "x_px": "x"})
        table = table.assign(frame=frames, row=np.arange(len(table)))
        table[["frame", "row", "y", "x"]].to_csv(source, index=False)
        python = peers / "bin" / "python"
        subprocess.run([python, "-c", TRACKPY, source, str(reach_px), found], check=True)
        return pd.read_csv(found)["particle"].to_numpy(np.int64)


def long_movie(n_frames: int) -> None:
    """Follow a long movie from the tables of a run, and print memory and time."""
    with tempfile.TemporaryDirectory() as scratch:
        run = write_run(Path(scratch) / "run", n_frames)
        script = Path(__file__).resolve()
        told = subprocess.run([sys.executable, script, "--follow", run, Path(scratch) / "out"],
                              check=True, capture_output=True, text=True)  # fmt: skip
        print(told.stdout.strip())


def write_run(folder: Path, n_frames: int) -> Path:
    """A run's folder with the atoms of a movie, as predict would have left it."""
    from scanseg.runs.manifest import Entry, Manifest
    from scanseg.runs.settings import RunSettings

    image = folder / "movie.tif"
    image.mkdir(parents=True)
    rng = np.random.default_rng(2)
    config = AtomMovie(n_frames=n_frames, drift_px=0.3, mean_drift_px=(0.0, 0.0))
    with (image / "atoms.csv").open("w") as file:
        for number, frame in enumerate(simulate_atom_movie(config, rng)):
            atoms = observe_atoms(frame, rng, err_px=0.4, missing=0.005, extra=0.002)
            atoms = atoms.drop(columns="identity").assign(y_err_px=0.4, x_err_px=0.4)
            atoms.insert(0, "frame", number)
            atoms.insert(0, "image", "movie.tif")
            atoms.to_csv(file, index=False, header=number == 0, float_format="%.4f")
    height, width = config.shape
    rows = [{"frame": n, "height_px": height, "width_px": width} for n in range(n_frames)]
    entry = Entry("movie.tif", "/nowhere/movie.tif", "0", "0", "done", frames=rows,
                  outputs={"atoms.csv": "0"})  # fmt: skip
    Manifest(folder).append(entry)
    record = {"scanseg": "0", "finished": None, "settings": RunSettings().model_dump(mode="json")}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def follow(run: Path, out: Path) -> None:
    """Follow a run's movie as the command does, and print what it took."""
    from scanseg.runs.atom_frames import read_atom_frames
    from scanseg.runs.tracks import open_output, write_tracks
    from scanseg.tracks.settings import Tracking

    frames = read_atom_frames(run)
    idle = memory_bytes("VmHWM") / 2**20
    start = time.process_time()
    movie, _ = write_tracks(frames, open_output(out), interval_s=None, config=Tracking())
    cost = time.process_time() - start
    peak = memory_bytes("VmHWM") / 2**20
    atoms = int(movie.frames["n_atoms"].sum())
    print(f"{len(movie.frames)} frames, {atoms} atoms, {len(movie.tracks)} tracks: {cost:.0f} s of "
          f"CPU, peak {peak:.0f} MB, {peak - idle:.0f} above the idle process")  # fmt: skip


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200, help="of each movie")
    parser.add_argument("--long", type=int, default=0, metavar="FRAMES", help="of a long movie")
    parser.add_argument("--peers", type=Path, help="environment of trackpy")
    parser.add_argument("--follow", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.follow:
        follow(*options.follow)
        return
    accuracy(options.frames, options.peers)
    if options.long:
        long_movie(options.long)


if __name__ == "__main__":
    main()
