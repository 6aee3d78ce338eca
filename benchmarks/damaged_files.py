"""Damaged files: crashes, hangs and memory of every reader.

    python benchmarks/damaged_files.py [--variants 240] [--seed 1] [--data FOLDER]

A small file of every format is written, and with ``--data`` (or SCANSEG_SHARED_DATA) the real files
of its folder ``vendor`` are taken as well. Each reader gets at least ``--variants`` damaged inputs:
cut at random, bits turned over, bytes of the head overwritten, spans cleared, and noise behind the
first bytes by which the format is known. Every input is opened and its frames loaded by a worker
whose address space is limited; one that takes longer than 5 s is ended and counted as a hang.
Whatever comes out other than a LoadError is a crash. The goal is 0 crashes, 0 hangs, and 300 MB.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "readers"))
from damaged import WRITERS, damaged

from processes import memory_bytes
from scanseg.errors import LoadError

LONGEST_S = 5.0
ADDRESS_SPACE_BYTES = 4 * 2**30  # above the libraries' own mappings; an honest peak is read below
MOST_BYTES = 4 * 2**20  # larger real files are left out: a variant would mostly copy pixels
MOST_FRAMES = 4


@dataclass
class Tally:
    """What became of the damaged inputs of one format."""

    n_inputs: int = 0
    n_read: int = 0
    n_crashes: int = 0
    n_hangs: int = 0
    failures: list[str] = field(default_factory=list)
    peak_bytes: int = 0
    longest_s: float = 0.0


def noise(contents: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes behind the beginning by which the format is known."""
    n_kept = int(rng.integers(8, 600))
    n_noise = int(rng.integers(0, 20_000))
    return contents[:n_kept] + rng.integers(0, 256, n_noise, dtype=np.uint8).tobytes()


def variants(contents: bytes, n: int, seed: int) -> Iterator[bytes]:
    """Yield n damaged copies, five kinds in turn."""
    rng = np.random.default_rng(seed)
    for index in range(n):
        kind = index % 5
        yield noise(contents, rng) if kind == 4 else damaged(contents, kind, rng)


def work(connection: Connection) -> None:
    """Read the files whose names come in; send back what happened, the peak, and the time."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    from scanseg.readers import read_channels

    while True:
        path, is_timed = connection.recv()
        gc.collect()
        if not is_timed:
            gc.freeze()  # the libraries' own objects need not be searched before every file
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before, start = memory_bytes("VmRSS"), time.perf_counter()
        outcome = "read"
        try:
            for channel in read_channels(path):
                for index in range(min(channel.n_frames, MOST_FRAMES)):
                    channel.frame(index)
        except LoadError:
            outcome = "refused"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"[:160]
        took = time.perf_counter() - start
        connection.send((outcome, memory_bytes("VmHWM") - before if is_timed else 0, took))


class Worker:
    """A process that reads files, replaced when it hangs or dies."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def read(self, path: Path, *, is_timed: bool = True) -> tuple[str, int, float]:
        """Outcome, peak of memory above the idle process in bytes, and seconds."""
        self._connection.send((path, is_timed))
        limit = LONGEST_S if is_timed else 60.0
        try:
            if self._connection.poll(limit):
                outcome: tuple[str, int, float] = self._connection.recv()
                return outcome
            result = ("hang", 0, limit)
        except EOFError:
            result = ("the process died", 0, 0.0)
        self._process.kill()
        self._process.join()
        self._start()
        return result


def sources(folder: Path, data: Path | None) -> dict[str, list[Path]]:
    """Files to damage under the name of their format: written ones, and real ones."""
    from scanseg.readers import read_channels

    found: dict[str, list[Path]] = {}
    real = sorted((data / "vendor").rglob("*.*")) if data else []
    written = []
    for name, write in WRITERS.items():
        path = folder / f"written_{name}"
        write(path)
        written.append(path)
    for path in [*written, *(each for each in real if each.stat().st_size <= MOST_BYTES)]:
        try:
            metadata = read_channels(path)[0].metadata
        except LoadError as error:
            name = error.format
        else:
            name = str(metadata.get("layout") or metadata["format"])
        if name:
            found.setdefault(name, []).append(path)
    return dict(sorted(found.items()))


def run(files: list[Path], worker: Worker, folder: Path, n_variants: int, seed: int) -> Tally:
    """Damage the files of one format in turn."""
    tally = Tally()
    for number, path in enumerate(files):
        contents = path.read_bytes()
        target = folder / f"damaged{path.suffix}"
        worker.read(path, is_timed=False)  # its libraries are loaded before memory is counted
        copies = variants(contents, -(-n_variants // len(files)), seed + number)
        for index, each in enumerate(copies):
            target.write_bytes(each)
            outcome, peak_bytes, took_s = worker.read(target)
            if outcome not in ("read", "refused"):
                worker.read(path, is_timed=False)
            tally.n_inputs += 1
            tally.n_read += outcome == "read"
            tally.n_hangs += outcome == "hang"
            tally.peak_bytes = max(tally.peak_bytes, peak_bytes)
            tally.longest_s = max(tally.longest_s, took_s)
            tally.n_crashes += outcome not in ("read", "refused", "hang")
            if outcome not in ("read", "refused"):
                tally.failures.append(f"{path.name}, variant {index}: {outcome}")
    return tally


def main() -> int:
    """Print a row for every format; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a format's name")
    shared = os.environ.get("SCANSEG_SHARED_DATA")
    parser.add_argument("--data", type=Path, default=Path(shared) if shared else None)
    arguments = parser.parse_args()
    print("| format | files | inputs | read | crashes | hangs | peak MB | longest s |")
    print("|---|---|---|---|---|---|---|---|")
    worker = Worker()
    failed = False
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, files in sources(Path(folder), arguments.data).items():
            if arguments.only.lower() not in name.lower():
                continue
            tally = run(files, worker, Path(folder), arguments.variants, arguments.seed)
            print(
                f"| {name} | {len(files)} | {tally.n_inputs} | {tally.n_read} | "
                f"{tally.n_crashes} | {tally.n_hangs} | {tally.peak_bytes / 1e6:.0f} | "
                f"{tally.longest_s:.2f} |",
                flush=True,
            )
            failures += tally.failures
            failed |= bool(tally.failures or tally.peak_bytes > 300e6)
    print("\n".join(failures[:50]))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
