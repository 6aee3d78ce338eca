"""Images and movies as OME-TIFF or OME-Zarr, a frame at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scanseg.errors import ConfigError
from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.writers._ome import needs_bigtiff, ome_metadata, resolution_tags
from scanseg.writers._ome_zarr import write_ome_zarr

__all__ = ["write", "write_array"]


def write(image: Micrograph | Stack, path: str | Path, *, title: str = "") -> None:
    """Write an image or a movie with its calibration, time step, names and unit of values.

    Parameters
    ----------
    image
        What to write; the frames of a stack are loaded one at a time.
    path
        ``*.tif`` or ``*.tiff`` for an OME-TIFF, ``*.zarr`` for an OME-Zarr folder. It appears whole
        or not at all.
    title
        Name of the image in the file, the file's name by default. The same image and title give
        the same bytes.

    Raises
    ------
    ConfigError
        For another extension, and for a folder that is there already.
    """
    target = Path(path)
    known = {"signal": str(image.signal), "unit": str(image.metadata.get("unit", ""))}
    notes = {key: value for key, value in known.items() if value not in ("", Signal.UNKNOWN)}
    suffix = target.suffix.lower()
    if suffix == ".zarr":
        write_ome_zarr(image, target, title=title or target.name, notes=notes)
    elif suffix in (".tif", ".tiff"):
        _write_ome_tiff(image, target, title=title or target.name, notes=notes)
    else:
        raise ConfigError(
            f"'{target.name}' does not end in .tif, .tiff or .zarr.",
            hint="Images are written as OME-TIFF or OME-Zarr: name the file so.",
        )


def _write_ome_tiff(
    image: Micrograph | Stack, target: Path, *, title: str, notes: dict[str, str]
) -> None:
    import tifffile

    first = image.frame(0)
    metadata = ome_metadata(
        "YX" if image.n_frames == 1 else "TYX",
        title=title,
        pixel_size_nm=image.pixel_size_nm,
        channel_names=[image.channel] if image.channel else [],
        frame_time_s=image.frame_time_s,
        notes=notes,
    )
    big = needs_bigtiff(first.data.nbytes * image.n_frames)
    scratch = target.with_name(f".{target.name}.part")
    try:
        with tifffile.TiffWriter(scratch, ome=True, bigtiff=big) as tiff:
            tiff.write(
                _frames(image, first),
                shape=first.shape if image.n_frames == 1 else (image.n_frames, *first.shape),
                dtype=first.data.dtype,
                compression="zlib",
                photometric="minisblack",
                metadata=metadata,
                **resolution_tags(image.pixel_size_nm),
            )
        os.replace(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)


def write_array(
    data: NDArray[Any],
    path: str | Path,
    *,
    pixel_size_nm: tuple[float, float] | None,
    signal: Signal = Signal.UNKNOWN,
    title: str = "",
) -> None:
    """Write an array of shape (height, width) with a calibration; see ``write``."""
    name = "" if signal is Signal.UNKNOWN else str(signal)
    image = Micrograph(data, pixel_size_nm=pixel_size_nm, signal=signal, channel=name)
    write(image, path, title=title)


def _frames(image: Micrograph | Stack, first: Micrograph) -> Iterator[NDArray[Any]]:
    yield first.data
    for index in range(1, image.n_frames):
        # Where only a few frames need float32, all get the type of the first.
        yield image.frame(index).data.astype(first.data.dtype, copy=False)
