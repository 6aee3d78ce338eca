"""A small file of every format, and four ways to damage it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from PIL import Image
from probe_files import (
    make_jpk_movie,
    write_gsf,
    write_gwy,
    write_ibw,
    write_jpk,
    write_mi,
    write_nanoscope,
    write_nid,
    write_park,
    write_sxm,
    write_topostats,
    write_usid,
    write_wsxm,
)
from tia_files import write_ser

MOVIE = np.random.default_rng(1).integers(0, 60000, (3, 37, 23)).astype(np.uint16)
COUNTS = MOVIE[0] - 30000.0
PROBE = {"HeightRetrace": COUNTS, "PhaseRetrace": COUNTS / 100}


def _write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("movie", data=MOVIE, chunks=(1, 37, 23), compression="gzip")
        file.create_dataset("text", data=["HAADF"], dtype=h5py.string_dtype())
        file["group/scan"] = MOVIE[0]


def _write_hyperspy(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        group = file.create_group("Experiments/scan")
        group["data"] = MOVIE[0]
        for number, size in enumerate(MOVIE[0].shape):
            facts = {"size": size, "scale": 0.02, "units": "nm", "navigate": False}
            group.create_group(f"axis-{number}").attrs.update(facts)


def _write_mrc(path: Path) -> None:
    """Write an MRC image by its published header: size, mode 6, cell in Å, the stamp "MAP "."""
    header = np.zeros(256, "<i4")
    header[:4] = (23, 37, 1, 6)
    header[7:10] = (23, 37, 1)
    header[10:13] = np.array([4.6, 7.4, 1], "<f4").view("<i4")
    header[16:19] = (1, 2, 3)
    header[52] = int.from_bytes(b"MAP ", "little")
    header[53] = int.from_bytes(b"DD\0\0", "little")
    path.write_bytes(header.tobytes() + MOVIE[0].tobytes())


def _write_jpk_movie(path: Path) -> None:
    write_usid(path, {"Height": MOVIE})
    make_jpk_movie(path, factor=1e-9, summand=0.0)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "plain.tif": lambda path: tifffile.imwrite(
        path, MOVIE, photometric="minisblack", metadata=None
    ),
    "packed.tif": lambda path: tifffile.imwrite(
        path, MOVIE, photometric="minisblack", compression="zlib"
    ),
    "imagej.tif": lambda path: tifffile.imwrite(
        path, MOVIE, imagej=True, resolution=(5, 5), metadata={"unit": "nm", "axes": "TYX"}
    ),
    "movie.ome.tif": lambda path: tifffile.imwrite(path, MOVIE, metadata={"axes": "TYX"}),
    "scan.png": lambda path: Image.fromarray(MOVIE[0]).save(path),
    "scan.jpg": lambda path: Image.fromarray((MOVIE[0] >> 8).astype(np.uint8)).save(path),
    "scan.bmp": lambda path: Image.fromarray((MOVIE[0] >> 8).astype(np.uint8)).save(path),
    "movie.npy": lambda path: np.save(path, MOVIE),
    "movie.npz": lambda path: np.savez_compressed(path, movie=MOVIE),
    "movie.h5": _write_hdf5,
    "scan.hspy": _write_hyperspy,
    "scan.mrc": _write_mrc,
    "movie.ser": lambda path: write_ser(path, MOVIE),
    "scan.ibw": lambda path: write_ibw(path, PROBE),
    "scan.gwy": lambda path: write_gwy(path, PROBE),
    "scan.gsf": lambda path: write_gsf(path, "Height", COUNTS),
    "scan.spm": lambda path: write_nanoscope(path, {("Height", "Trace", "Main"): COUNTS}),
    "scan.sxm": lambda path: write_sxm(path, PROBE, PROBE),
    "park.tiff": lambda path: write_park(path, "Height", COUNTS),
    "scan.jpk": lambda path: write_jpk(path, {("Height", True): COUNTS}),
    "scan.nid": lambda path: write_nid(path, {("Scan forward", "Z-Axis"): COUNTS}),
    "scan.mi": lambda path: write_mi(path, {("Topography", "Trace"): COUNTS}),
    "scan.top": lambda path: write_wsxm(path, "Topography", COUNTS),
    "usid.h5": lambda path: write_usid(path, {"Height": MOVIE}),
    "movie.h5-jpk": _write_jpk_movie,
    "scan.topostats": lambda path: write_topostats(path, COUNTS),
}


def damaged(contents: bytes, variant: int, rng: np.random.Generator) -> bytes:
    """Cut the file, turn bits over, overwrite its head, or clear a part, in turn."""
    kind = variant % 4
    if kind == 0:
        return contents[: rng.integers(0, len(contents))]
    changed = np.frombuffer(contents, np.uint8).copy()
    if kind == 1:
        where = rng.integers(0, len(changed), rng.integers(1, 20))
        changed[where] ^= np.uint8(1) << rng.integers(0, 8, len(where)).astype(np.uint8)
    elif kind == 2:
        where = rng.integers(0, min(len(changed), 2000), rng.integers(1, 12))
        changed[where] = rng.integers(0, 256, len(where))
    else:
        start = rng.integers(0, len(changed))
        changed[start : start + rng.integers(1, 400)] = 0
    return changed.tobytes()
