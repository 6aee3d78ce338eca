"""Atoms of a run in the formats of other programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal

from scanseg.errors import ConfigError
from scanseg.report import ATOM_TABLES
from scanseg.runs.atom_frames import AtomFrame, AtomFrames
from scanseg.runs.result_folder import ResultFolder
from scanseg.writers import ParquetAtoms, as_structure, write_atomap, write_structure

__all__ = ["AtomFormat", "convert_run", "open_output"]

AtomFormat = Literal["xyz", "extxyz", "cif", "parquet", "atomap"]

OUR_FILES = re.compile(r".+\.(xyz|extxyz|cif|parquet|hdf5)")
PARQUET = "atoms.parquet"


def open_output(output: Path) -> ResultFolder:
    """The folder of the results, refused where files of others are in it."""
    return ResultFolder(output, OUR_FILES)


def convert_run(
    frames: AtomFrames, output: ResultFolder, *, format: AtomFormat,
    elements: Mapping[str, str] | None = None,
) -> tuple[tuple[Path, ...], int]:  # fmt: skip
    """Write the atoms of a run in another format.

    Parameters
    ----------
    frames
        The run.
    output
        From :func:`open_output`.
    format
        ``xyz``, ``extxyz``: one file an image, with all frames of a movie. ``cif``: one a frame.
        ``parquet``: one for all. ``atomap``: an HDF5 file a frame, with the image.
    elements
        Element of each class, for structures.

    Returns
    -------
    files, n_atoms
        What was written, and how much it holds.
    """
    with output:
        if format == "parquet":
            n_atoms = _write_parquet(frames, output.scratch / PARQUET)
        elif format == "atomap":
            n_atoms = _write_atomap(frames, output.scratch)
        else:
            n_atoms = _write_structures(frames, output.scratch, format, elements or {})
    return output.files, n_atoms


def _write_parquet(frames: AtomFrames, path: Path) -> int:
    n_atoms = 0
    # All tables of a run have the same columns.
    table_format, first = ATOM_TABLES["atoms.csv"], next(iter(frames), None)
    columns = table_format.columns if first is None else table_format.columns_of(first.atoms)
    with ParquetAtoms(path, ("image", "frame", *columns)) as table:
        for each in frames:
            table.add(each.atoms)
            n_atoms += len(each.atoms)
    return n_atoms


def _write_structures(
    frames: AtomFrames, folder: Path, format: str, elements: Mapping[str, str]
) -> int:
    n_atoms = 0
    classes: set[str] = set()
    with ExitStack() as stack:
        names = _FileNames(frames, format, one_a_frame=format == "cif")
        file: IO[str] | None = None
        current = ""
        for each in frames:
            if (name := names.of(each)) != current:
                stack.close()
                file = stack.enter_context((folder / name).open("w", encoding="utf-8"))
                current = name
            structure = as_structure(
                each.atoms, shape=each.shape, pixel_size_nm=each.pixel_size_nm, elements=elements,
                notes={"image": each.image, "frame": each.frame},
            )  # fmt: skip
            assert file is not None
            write_structure(file, structure, format=format)
            n_atoms += len(each.atoms)
            classes |= set(each.atoms["class"].astype(str))
    unused = sorted(set(elements) - classes)
    if unused:
        raise ConfigError(
            f"No atom is of a class called {unused[0]!r}.",
            hint=f"The classes are {', '.join(sorted(classes))}.",
        )
    return n_atoms


def _write_atomap(frames: AtomFrames, folder: Path) -> int:
    n_atoms = 0
    names = _FileNames(frames, "hdf5", one_a_frame=True)
    for each, image in zip(frames, _pictures(frames), strict=False):
        if len(each.atoms):
            write_atomap(folder / names.of(each), each.atoms, image)
            n_atoms += len(each.atoms)
    return n_atoms


def _pictures(frames: AtomFrames) -> Iterator[Any]:
    numbers = range(frames.n_frames)
    purpose = "the file for Atomap holds it"
    return (image for _, image in frames.picture_at(numbers, purpose=purpose))


class _FileNames:
    """A name for every image or frame, in one folder."""

    def __init__(self, frames: AtomFrames, extension: str, *, one_a_frame: bool) -> None:
        flat = [name.replace("/", "_").replace("\\", "_") for name in frames.names]
        self._stem = {
            name: short if flat.count(short) == 1 else f"{number}_{short}"
            for number, (name, short) in enumerate(zip(frames.names, flat, strict=True))
        }
        self._extension = extension
        self._one_a_frame = one_a_frame
        self._several = {entry.name for entry in frames.entries if max(len(entry.frames), 1) > 1}

    def of(self, each: AtomFrame) -> str:
        """Name of the file that a frame goes to."""
        number = f"_{each.frame:05d}" if self._one_a_frame and each.image in self._several else ""
        return f"{self._stem[each.image]}{number}.{self._extension}"
