"""Kill a run at random moments, resume it, and compare with an undisturbed one, byte for byte.

    python benchmarks/interrupted_runs.py                  # 100 kills, a run of 60 files
    python benchmarks/interrupted_runs.py --kills 5 --images 12

A stand-in for the network calls bright spots atoms, so that what is tested is reading, writing,
manifest, tables and report. Every run is a process of its own, forked once all is imported, and
killed by SIGKILL at a moment drawn evenly from the duration of the undisturbed run, so also while
tables and report are written. Times, which no two runs share, are left out of the comparison: the
column ``seconds``, and what report.html and run.json say about when. Needs fork: Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pyarrow.csv  # noqa: F401  # loaded once, before the forks
import tifffile
from scipy import ndimage

from scanseg.micrograph import Micrograph
from scanseg.readers import image_suffixes
from scanseg.runs.detection import Detection, detected_atoms
from scanseg.runs.execute import execute
from scanseg.runs.folder import RunFolder
from scanseg.runs.plan import find_inputs
from scanseg.runs.settings import RunSettings

SHAPE = (72, 96)
NOT_FITTED = 7  # every so many-th atom, so that the report has something to sort by


class SpotMaps:
    """The class map of spots."""

    def __init__(self, spots: np.ndarray) -> None:
        self.class_map = (spots > 0).astype(np.uint8)

    def probability_rows(self, start: int, stop: int) -> np.ndarray:
        """Rows of the probability of both classes."""
        rows = self.class_map[start:stop]
        return np.stack([1 - rows, rows]).astype(np.float32)

    def uncertainty_rows(self, start: int, stop: int) -> np.ndarray:
        """Rows of the uncertainty."""
        return np.full((stop - start, self.class_map.shape[1]), 0.25, np.float32)

    def class_map_rows(self, start: int, stop: int) -> np.ndarray:
        """Rows of the class map."""
        return self.class_map[start:stop]


class SpotFinder:
    """Calls a connected region above 50 counts an atom."""

    checksum = "spots-1"
    description = {"name": "spots", "version": "1", "checksum": checksum}
    colours = {"column": "#ffb000"}

    def prepare(self, image: Micrograph | None = None) -> None:
        """There is nothing to load."""

    def __call__(self, image: Micrograph) -> Detection:
        """Find the spots of a frame."""
        spots, n_spots = ndimage.label(image.data > 50)
        index = np.arange(n_spots)
        position = np.reshape(ndimage.center_of_mass(spots > 0, spots, index + 1), (-1, 2))
        atoms = pd.DataFrame(
            {
                "atom": index,
                "y_px": position[:, 0],
                "x_px": position[:, 1],
                "class": ["column"] * n_spots,
                "probability": 1 - index / 1000,
                "y_err_px": np.full(n_spots, 0.01),
                "x_err_px": np.full(n_spots, 0.02),
                "sigma_px": np.full(n_spots, 1.5),
                "at_edge": np.zeros(n_spots, bool),
                "fit_ok": index % NOT_FITTED != 0,
            }
        )
        maps = SpotMaps(spots)
        return detected_atoms(image, maps, atoms, colours=self.colours, spacing_px=10.0)


def write_images(folder: Path, n_images: int, rng: np.random.Generator) -> None:
    """Write images of spots in folders, one movie of five frames, and a broken file."""
    for index in range(n_images - 2):
        path = folder / f"day{index % 3}" / f"scan_{index:03d}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, spots(rng))
    tifffile.imwrite(folder / "movie.tif", np.stack([spots(rng) for _ in range(5)]))
    (folder / "broken.tif").write_bytes(b"II*\0 and no more")


def spots(rng: np.random.Generator) -> np.ndarray:
    """Spots of 2 x 2 pixels in rows, a quarter of them missing."""
    data = np.full(SHAPE, 10, np.uint16)
    for y in range(4, SHAPE[0] - 3, 10):
        for x in range(4, SHAPE[1] - 3, 10):
            if rng.random() < 0.75:
                data[y : y + 2, x : x + 2] = 100
    return data


def run(images: Path, output: Path) -> None:
    """Process a folder, as ``scanseg predict`` does."""
    with RunFolder(output) as folder:
        plan = find_inputs([images], output=output)
        execute(plan, folder, SpotFinder(), settings=RunSettings())


def in_process(work: Callable[[], None], *, kill_after_s: float | None = None) -> bool:
    """Do something in a forked process; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"the run failed: {error!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)  # a process that has ended waits for waitpid, so it is ours
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("a run failed; see above")
    return os.WIFEXITED(status)


def contents(output: Path) -> dict[str, Any]:
    """Every file below a folder, hidden ones as well, without times."""
    found: dict[str, Any] = {}
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        found[name] = without_times(path) if path.is_file() else None
    return found


def without_times(path: Path) -> Any:
    """Contents of a file of a run, less what says when and how fast."""
    content = path.read_bytes()
    if path.name == "images.csv":
        return [line.rsplit(b",", 1)[0] for line in content.splitlines()]
    if path.name == "report.html":
        return re.sub(rb'<section id="run".*?</section>', b"", content, flags=re.DOTALL)
    if path.name == "run.json":
        record = json.loads(content)
        assert record["finished"], "the run says that it has not finished"
        return {key: record[key] for key in record.keys() - {"started", "finished", "seconds"}}
    if path.name == "manifest.jsonl":
        entries = [json.loads(line) for line in content.splitlines() if is_json(line)]
        for entry in entries:
            entry["seconds"] = 0
            for row in entry["frames"]:
                row["seconds"] = 0
        return {entry["name"]: entry for entry in entries}
    return content


def is_json(line: bytes) -> bool:
    """False for half a line, which a kill leaves and a later run skips."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def measure(
    folder: Path, *, n_kills: int, n_images: int, rng: np.random.Generator
) -> list[tuple[int, list[str]]]:
    """Kill and resume; return for every kill the images done by then and the files that differ."""
    image_suffixes()  # loads all readers, and the line below the codecs, before the forks
    PIL.Image.init()
    images, whole = folder / "images", folder / "whole" / "out"
    images.mkdir(parents=True)
    write_images(images, n_images, rng)
    durations = []
    for _ in range(3):
        shutil.rmtree(whole, ignore_errors=True)
        started = time.perf_counter()
        in_process(lambda: run(images, whole))
        durations.append(time.perf_counter() - started)
    expected = contents(whole)
    outcomes: list[tuple[int, list[str]]] = []
    output = folder / "killed" / "out"
    while len(outcomes) < n_kills:
        shutil.rmtree(output, ignore_errors=True)
        moment_s = rng.uniform(0, np.median(durations))
        if in_process(lambda: run(images, output), kill_after_s=moment_s):
            continue  # it was faster than that
        manifest = output / "manifest.jsonl"
        n_done = manifest.read_bytes().count(b"\n") if manifest.exists() else 0
        in_process(lambda: run(images, output))
        found = contents(output)
        different = {name for name in expected.keys() | found.keys()
                     if found.get(name, "missing") != expected.get(name, "missing")}  # fmt: skip
        outcomes.append((n_done, sorted(different)))
        if len(outcomes) % 10 == 0:
            print(f"{len(outcomes)} of {n_kills}", file=sys.stderr, flush=True)
    return outcomes


def main() -> int:
    """Print how many resumed runs equal the undisturbed one; 1 if any does not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = measure(Path(folder), n_kills=chosen.kills, n_images=chosen.images, rng=rng)
    n_same = sum(not different for _, different in outcomes)
    n_done = np.array([n_done for n_done, _ in outcomes])
    print(f"{n_same} of {len(outcomes)} killed and resumed runs equal the undisturbed one")
    print(
        f"images done at the kill: none {np.mean(n_done == 0):.0%}, "
        f"some {np.mean((n_done > 0) & (n_done < chosen.images)):.0%}, "
        f"all (tables and report left to write) {np.mean(n_done >= chosen.images):.0%}; "
        f"{time.perf_counter() - started:.0f} s"
    )
    for number, different in outcomes:
        if different:
            print(f"after {number} images: {', '.join(different)}")
    return int(n_same < len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
