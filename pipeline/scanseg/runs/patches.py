"""Sub-images around atoms as one file, written one after the other."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ConfigError
from scanseg.micrograph import FloatImage, Micrograph, Stack
from scanseg.runs.atom_frames import AtomFrame, AtomFrames
from scanseg.tracks import cut_patch
from scanseg.writers import write

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["PatchChoice", "write_patches"]

PURPOSE = "sub-images are cut from it"
# Spacings that a patch has by default: the neighbours and their neighbours.
DEFAULT_SPACINGS = 3.0


@dataclass(frozen=True, slots=True)
class PatchChoice:
    """Which sub-images are cut, and how.

    Parameters
    ----------
    classes
        Atoms of these classes; all where none is named.
    side_px
        Side of a square; by default three spacings, odd.
    centring
        ``pixel``: as measured. ``subpixel``: the atom in the very centre.
    every
        Of the frames, one in so many.
    keep_border
        Whether squares that reach over the border are kept, filled with NaN there.
    """

    classes: tuple[str, ...] = ()
    side_px: int | None = None
    centring: Literal["pixel", "subpixel"] = "pixel"
    every: int = 1
    keep_border: bool = False


def write_patches(frames: AtomFrames, path: Path, choice: PatchChoice) -> tuple[int, int]:
    """Write squares around atoms, and a table of which atom each is about.

    Parameters
    ----------
    frames
        The run.
    path
        ``*.npz``: ``patches`` (N, side, side) float32 and the columns of the table as arrays.
        ``*.tif``: an OME-TIFF with a page a square, and the table as CSV beside it.
    choice
        What is cut.

    Returns
    -------
    count, side_px
        How many, and how large.

    Notes
    -----
    The table is held in memory, 100 bytes a square; the images one frame at a time.
    """
    if path.suffix.lower() not in (".npz", ".tif", ".tiff"):
        raise ConfigError(
            f"'{path.name}' does not end in .npz, .tif or .tiff.",
            hint="Name the file so, such as patches.npz.",
        )
    side = choice.side_px or _default_side(frames)
    table = _places(frames, choice, side)
    if not len(table):
        names = ", ".join(choice.classes) or "any class"
        raise ConfigError(
            f"No atom of {names} is {side // 2} px or more from the border.",
            hint="Name other classes, a smaller --side-px, or --border keep.",
        )
    pieces = _cut(frames, table, choice, side)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        if path.suffix.lower() == ".npz":
            _write_npz(scratch, pieces, table, side)
        else:
            size = next(iter(frames)).pixel_size_nm
            _write_tiff(scratch, pieces, len(table), side, size)
            table.to_csv(path.with_suffix(".csv"), index=False)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return len(table), side


def _default_side(frames: AtomFrames) -> int:
    from scipy.spatial import cKDTree

    for each in frames:
        if len(each.atoms) > 1:
            place = each.atoms[["y_px", "x_px"]].to_numpy(float)
            nearest = float(np.median(cKDTree(place).query(place, k=2)[0][:, 1]))
            return 2 * int(DEFAULT_SPACINGS * nearest / 2) + 1
    raise ConfigError("No frame has two atoms.", hint="Give the size with --side-px.")


def _places(frames: AtomFrames, choice: PatchChoice, side: int) -> DataFrame:
    """Which atoms are cut out, in the order of the frames."""
    from pandas import DataFrame, concat

    parts: list[DataFrame] = []
    for number, each in enumerate(frames):
        if number % choice.every == 0 and len(each.atoms) and each.shape is not None:
            parts.append(_chosen(each, choice, side).assign(series_frame=number))
    return concat(parts, ignore_index=True) if parts else DataFrame()


def _chosen(each: AtomFrame, choice: PatchChoice, side: int) -> DataFrame:
    atoms = each.atoms
    kept = np.ones(len(atoms), bool)
    if choice.classes:
        kept &= atoms["class"].isin(choice.classes).to_numpy()
    if not choice.keep_border and each.shape is not None:
        place = atoms[["y_px", "x_px"]].to_numpy(float)
        corner = np.ceil(np.round(place) - (side - 1) / 2)
        kept &= ((corner >= 0) & (corner + side <= np.array(each.shape))).all(1)
    columns = ["image", "frame", "atom", "class", "y_px", "x_px"]
    return atoms.loc[kept, [name for name in columns if name in atoms]]


def _cut(
    frames: AtomFrames, table: DataFrame, choice: PatchChoice, side: int
) -> Iterator[FloatImage]:
    numbers = table["series_frame"].to_numpy()
    wanted: Sequence[int] = np.unique(numbers).tolist()
    place = table[["y_px", "x_px"]].to_numpy(float)
    for number, image in frames.picture_at(wanted, purpose=PURPOSE):
        first, last = np.searchsorted(numbers, [number, number + 1])
        for row in range(first, last):
            yield cut_patch(image.data, place[row], side, centring=choice.centring)


def _write_npz(path: Path, pieces: Iterable[FloatImage], table: DataFrame, side: int) -> None:
    """An archive that numpy reads, its largest member written square by square."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        with archive.open("patches.npy", "w", force_zip64=True) as member:
            header: dict[str, Any] = {
                "descr": "<f4", "fortran_order": False, "shape": (len(table), side, side),
            }  # fmt: skip
            np.lib.format.write_array_header_2_0(member, header)
            for piece in pieces:
                member.write(np.ascontiguousarray(piece, "<f4").tobytes())
        for name in table:
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, _plain(table[name].to_numpy()))


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Text without Python objects, which numpy would have to pickle."""
    return values if values.dtype.kind in "iufb" else values.astype(str)


def _write_tiff(
    path: Path, pieces: Iterator[FloatImage], count: int, side: int,
    pixel_size_nm: tuple[float, float] | None,
) -> None:  # fmt: skip
    first = next(pieces)
    like = Micrograph(first, pixel_size_nm=pixel_size_nm)
    following = iter(pieces)

    def load(index: int) -> FloatImage:
        # The writer asks for the pages in order, each once after the first.
        return first if index == 0 else next(following)

    write(Stack(load, count, like), path, title="sub-images")
