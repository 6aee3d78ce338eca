"""One folder processed by one process, by two shards at once, and by two Dask workers, one killed.

    python benchmarks/machines.py
    python benchmarks/machines.py --images 60

Each is the command as a user gives it, in processes of their own: `scanseg predict`, the same with
`--shard 1/2` and `--shard 2/2` at once and then `scanseg report`, and `--dask tcp://...` with a
scheduler and two workers, of which one is killed by SIGKILL when the first images are done, and not
replaced. All files of the results are compared with those of the single run, byte for byte; only
what says when and how fast is left out.
"""

from __future__ import annotations

import argparse
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile

from damaged_runs import as_tiff
from interrupted_runs import contents
from lattices import draw_crystal

SCANSEG = [sys.executable, "-m", "scanseg.cli"]
LONGEST_S = 1800.0
KILLED_AFTER = 3  # images


def write_images(folder: Path, n_images: int, rng: np.random.Generator) -> None:
    """Write crystals in two folders, a movie, and a file that cannot be read."""
    for index in range(n_images - 2):
        path = folder / f"day{index % 2}" / f"scan_{index:03}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (120 + index, 160)
        crystal = draw_crystal(rng, shape, kind="perovskite", spacing_px=14.0, peak_counts=300.0)
        path.write_bytes(as_tiff(crystal.counts))
    frames = [draw_crystal(rng, (96, 128), kind="graphene").counts for _ in range(3)]
    tifffile.imwrite(folder / "movie.tif", np.stack(frames), metadata={"axes": "TYX"}, ome=True)
    (folder / "broken.tif").write_bytes(as_tiff(frames[0])[:1000])


def run(*arguments: str | Path) -> None:
    """Run scanseg to its end; the broken file makes its exit code 3."""
    command = [*SCANSEG, *map(str, arguments)]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if code not in (0, 3):
        raise RuntimeError(f"{' '.join(command)} ended with {code}")


def start(*command: str) -> subprocess.Popen[bytes]:
    """Start a process without its messages."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def as_shards(images: Path, output: Path) -> str:
    """Two processes at once, then their report."""
    parts = [
        start(*SCANSEG, "predict", str(images), "-o", str(output), "--quiet", "--shard", f"{n}/2")
        for n in (1, 2)
    ]
    codes = [part.wait(LONGEST_S) for part in parts]
    run("report", output)
    return f"exit codes {codes}"


@contextmanager
def dask_cluster(n_workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers of one thread without a nanny; its address, and the workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = (sys.executable, "-m", "dask")
    port = address.rpartition(":")[2]
    scheduler = start(*dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    workers = [
        start(*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        for _ in range(n_workers)
    ]
    try:
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.terminate()
            process.wait(60)


def on_dask(images: Path, output: Path) -> str:
    """Two workers, of which one is killed while it works."""
    with dask_cluster(2) as (address, workers):
        job = start(*SCANSEG, "predict", str(images), "-o", str(output), "--dask", address)
        until = time.monotonic() + LONGEST_S
        while (n_done := images_done(output)) < KILLED_AFTER:
            if job.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the run ended before a worker could be killed")
            time.sleep(0.02)
        workers[0].send_signal(signal.SIGKILL)
        code = job.wait(LONGEST_S)
    return f"exit code {code}, a worker killed after {n_done} images"


def images_done(output: Path) -> int:
    """Lines of the manifests of all parts."""
    return sum(path.read_bytes().count(b"\n") for path in output.glob("manifest*.jsonl"))


def results(output: Path) -> dict[str, object]:
    """Every file without times; how a run was made, ``run.json`` and the logs say."""
    found = contents(output)
    return {name: each for name, each in found.items() if not re.match(r"run\..*(json|log)", name)}


def main() -> int:
    """Print a row for each way; 1 where results differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_images(folder / "images", chosen.images, rng)
        run("predict", folder / "images", "-o", folder / "single" / "out", "--quiet")
        expected = results(folder / "single" / "out")
        print("| run | what happened | files compared | files that differ |")
        print("|---|---|---|---|")
        ways = {"two shards at once": as_shards, "Dask, two workers": on_dask}
        for name, work in ways.items():
            output = folder / work.__name__ / "out"
            output.parent.mkdir()
            said = work(folder / "images", output)
            found = results(output)
            names = expected.keys() | found.keys()
            different = sorted(
                each for each in names if found.get(each, 0) != expected.get(each, 0)
            )
            print(f"| {name} | {said} | {len(names)} | {', '.join(different) or 'none'} |")
            failed |= bool(different)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
