"""Images, scans of several channels and movies as OME-TIFF or OME-Zarr, a frame at a time."""

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
        What to write; the frames of a stack are loaded one at a time. Companions of an image become
        further channels of an OME-TIFF.
    path
        ``*.tif`` or ``*.tiff`` for an OME-TIFF, ``*.zarr`` for an OME-Zarr folder. It appears whole
        or not at all.
    title
        Name of the image in the file, the file's name by default. The same image and title give
        the same bytes.

    Raises
    ------
    ConfigError
        For another extension, for a folder that is there already, and for companions in a Zarr.
    """
    target = Path(path)
    known = {"signal": str(image.signal), "unit": str(image.metadata.get("unit", ""))}
    notes = {key: value for key, value in known.items() if value not in ("", Signal.UNKNOWN)}
    suffix = target.suffix.lower()
    several = isinstance(image, Micrograph) and image.companions
    if suffix == ".zarr" and several:
        raise ConfigError(
            f"{target.name} would lose the channels beside the {image.signal}.",
            hint="Write scans of several channels as .tif.",
        )
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
    channels = list(first.channels().values())
    if len(channels) > 1:
        names = [each.channel or str(each.signal) for each in channels]
        # One entry a channel, in their order.
        notes = {
            "signals": ", ".join(str(each.signal) for each in channels),
            "units": ", ".join(str(each.metadata.get("unit", "")) for each in channels),
        }
    else:
        names = [image.channel] if image.channel else []
    leading = {"T": image.n_frames, "C": len(channels)}
    axes = "".join(letter for letter, length in leading.items() if length > 1)
    metadata = ome_metadata(
        axes + "YX",
        title=title,
        pixel_size_nm=image.pixel_size_nm,
        channel_names=names,
        frame_time_s=image.frame_time_s,
        notes=notes,
    )
    big = needs_bigtiff(first.data.nbytes * image.n_frames * len(channels))
    scratch = target.with_name(f".{target.name}.part")
    try:
        with tifffile.TiffWriter(scratch, ome=True, bigtiff=big) as tiff:
            tiff.write(
                _planes(image, channels),
                shape=(*(leading[letter] for letter in axes), *first.shape),
                dtype=channels[0].data.dtype,
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


def _planes(image: Micrograph | Stack, channels: list[Micrograph]) -> Iterator[NDArray[Any]]:
    """Channels of an image, or frames of a movie; all get the type of the first."""
    dtype = channels[0].data.dtype
    for each in channels:
        yield each.data.astype(dtype, copy=False)
    for index in range(1, image.n_frames):
        yield image.frame(index).data.astype(dtype, copy=False)
