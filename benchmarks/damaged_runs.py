"""A folder in which three files of ten are damaged: what `scanseg predict` makes of it.

    python benchmarks/damaged_runs.py                     # 1,000 files, 300 of them damaged
    python benchmarks/damaged_runs.py --images 70 --damaged 40

Small simulated crystals as TIFF, NumPy, PNG and HDF5, and among them files that are damaged in 20
ways: cut, emptied, overwritten, of another kind than their name says, or whole and without anything
to see. The shipped models run, from the command line, in a process of its own. The goal is that
every whole image is done, every damaged one a failure with its stage, a code, a reason and a hint,
and that the exit code is 3.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from PIL import Image

from lattices import draw_crystal

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "readers"))
from damaged import WRITERS

SHAPE = (88, 112)
SOME_FAILED = 3
Counts = NDArray[np.uint16]


def as_tiff(counts: Counts, **options: str) -> bytes:
    """Contents of a TIFF file."""
    file = io.BytesIO()
    tifffile.imwrite(file, counts, photometric="minisblack", metadata=None, **options)
    return file.getvalue()


def as_npy(array: NDArray[np.generic], *, allow_pickle: bool = False) -> bytes:
    """Contents of a NumPy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def as_png(counts: Counts) -> bytes:
    """Contents of a PNG file of 16 bits."""
    file = io.BytesIO()
    Image.fromarray(counts).save(file, "PNG")
    return file.getvalue()


def as_hdf5(counts: Counts) -> bytes:
    """Contents of an HDF5 file."""
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        written.create_dataset("image", data=counts, compression="gzip")
    return file.getvalue()


WHOLE: dict[str, Callable[[Counts], bytes]] = {
    ".tif": as_tiff,
    ".npy": as_npy,
    ".png": as_png,
    ".h5": as_hdf5,
}


def cut(contents: bytes, share: float) -> bytes:
    """The first part of a file."""
    return contents[: int(share * len(contents))]


def cleared(contents: bytes, start: int, length: int) -> bytes:
    """A file in which a span was set to zero."""
    return contents[:start] + bytes(length) + contents[start + length :]


def as_huge_tiff() -> bytes:
    """A TIFF that promises 50,000 x 50,000 pixels of 8 bytes and holds none of them."""
    contents = bytearray(as_tiff(np.zeros((4, 4), np.uint16)))
    with tifffile.TiffFile(io.BytesIO(bytes(contents))) as file:
        tags = file.pages[0].tags
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            start = tags[name].offset + 8
            width = {3: 2, 4: 4}[int(tags[name].dtype)]
            contents[start : start + width] = (50_000).to_bytes(width, "little")
    return bytes(contents)


def written(name: str) -> bytes:
    """A small whole file of a microscope's format, from the tests of the readers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        WRITERS[name](path)
        return path.read_bytes()


# Name of a kind of damage: the ending of its file, and what it makes of an image.
DAMAGES: dict[str, tuple[str, Callable[[Counts], bytes]]] = {
    "empty": (".tif", lambda counts: b""),
    "text": (".tif", lambda counts: b"see notebook 12, page 30\n"),
    "first bytes only": (".tif", lambda counts: as_tiff(counts)[:4]),
    "TIFF cut": (".tif", lambda counts: cut(as_tiff(counts), 0.5)),
    "packed TIFF cut": (".tif", lambda counts: cut(as_tiff(counts, compression="zlib"), 0.5)),
    "TIFF of a size that cannot be": (".tif", lambda counts: as_huge_tiff()),
    "TIFF, head cleared": (".tif", lambda counts: cleared(as_tiff(counts), 0, 16)),
    "packed in gzip": (".tif", lambda counts: gzip.compress(as_tiff(counts))),
    "PNG cut": (".png", lambda counts: cut(as_png(counts), 0.6)),
    "PNG, span cleared": (".png", lambda counts: cleared(as_png(counts), 400, 300)),
    "NumPy cut": (".npy", lambda counts: cut(as_npy(counts), 0.7)),
    "NumPy with Python objects": (
        ".npy", lambda counts: as_npy(np.array([{"a": 1}], object), allow_pickle=True)
    ),
    "NumPy of text": (".npy", lambda counts: as_npy(np.array([["a", "b"]] * 40))),
    "HDF5 cut": (".h5", lambda counts: cut(as_hdf5(counts), 0.6)),
    "HDF5, noise behind its head": (".h5", lambda counts: as_hdf5(counts)[:8] + bytes(range(256))),
    "MRC cut": (".mrc", lambda counts: cut(written("scan.mrc"), 0.8)),
    "Igor cut": (".ibw", lambda counts: cut(written("scan.ibw"), 0.3)),
    "all NaN": (".npy", lambda counts: as_npy(np.full(SHAPE, np.nan, np.float32))),
    "one value": (".tif", lambda counts: as_tiff(np.full(SHAPE, 700, np.uint16))),
    "too small": (".tif", lambda counts: as_tiff(counts[:7, :9])),
}  # fmt: skip


def write_inputs(folder: Path, n_whole: int, n_damaged: int, rng: np.random.Generator) -> None:
    """Write whole images below ``whole`` and damaged ones below the names of their damages."""
    crystals = [
        draw_crystal(rng, SHAPE, kind=kind, spacing_px=14.0, peak_counts=400.0).counts
        for kind in ("perovskite", "graphene")
        for _ in range(10)
    ]
    (folder / "whole").mkdir(parents=True)
    for index in range(n_whole):
        # Other counts in every file, so that none has the content of another.
        counts = rng.poisson(crystals[index % len(crystals)]).astype(np.uint16)
        suffix, encode = list(WHOLE.items())[index % len(WHOLE)]
        (folder / "whole" / f"image_{index:04}{suffix}").write_bytes(encode(counts))
    for index in range(n_damaged):
        name, (suffix, damage) = list(DAMAGES.items())[index % len(DAMAGES)]
        path = folder / name / f"image_{index:04}{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(damage(rng.poisson(crystals[index % len(crystals)]).astype(np.uint16)))


def predict(images: Path, output: Path) -> int:
    """Run the command, and return its exit code."""
    command = [sys.executable, "-m", "scanseg.cli", "predict", str(images), "-o", str(output)]
    done = subprocess.run([*command, "--quiet"], check=False, stdout=subprocess.DEVNULL)
    return done.returncode


def check(images: Path, output: Path, code: int) -> list[str]:
    """What is not as it should be, one sentence each."""
    lines = (output / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    status = {each["name"]: each["status"] for each in map(json.loads, lines)}
    failures = pd.read_csv(output / "failures.csv", keep_default_na=False)
    wrong = [] if code == SOME_FAILED else [f"the exit code is {code}, not {SOME_FAILED}"]
    for path in sorted(images.rglob("*.*")):
        name = path.relative_to(images).as_posix()
        expected = "done" if name.startswith("whole/") else "failed"
        if status.get(name) != expected:
            wrong.append(f"{name}: {status.get(name, 'missing')}, not {expected}")
        found = failures[failures["path"] == str(path)]
        if len(found) != (expected == "failed"):
            wrong.append(f"{name}: {len(found)} lines in failures.csv")
        for column in ("stage", "error", "reason", "hint"):
            wrong += [f"{name}: no {column}" for text in found[column] if not text.strip()]
        if found["reason"].str.contains("unexpected error|Traceback").any():
            wrong.append(f"{name}: {found['reason'].iloc[0]}")
    return wrong


def main() -> int:
    """Print what became of each kind of file; 1 where one is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--damaged", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images, output = Path(folder) / "images", Path(folder) / "out"
        rng = np.random.default_rng(chosen.seed)
        write_inputs(images, chosen.images - chosen.damaged, chosen.damaged, rng)
        started = time.perf_counter()
        code = predict(images, output)
        took_s = time.perf_counter() - started
        wrong = check(images, output, code)
        table = pd.read_csv(output / "failures.csv", keep_default_na=False)
        n_done = (pd.read_csv(output / "images.csv")["status"] == "done").sum()
    print("| damage | failures | stage, code | first reason | hint |")
    print("|---|---|---|---|---|")
    table["damage"] = [Path(path).parent.name for path in table["path"]]
    for name in DAMAGES:
        rows = table[table["damage"] == name]
        if len(rows):
            first = rows.iloc[0]
            codes = ", ".join(Counter(f"{r.stage} {r.error}" for r in rows.itertuples()))
            print(f"| {name} | {len(rows)} | {codes} | {first['reason']} | {first['hint']} |")
    print(f"\n{n_done} done, {len(table)} failed, exit code {code}, {took_s:.0f} s")
    print("\n".join(wrong[:50]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
