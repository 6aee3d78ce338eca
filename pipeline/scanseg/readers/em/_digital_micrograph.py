"""Gatan's dm3 and dm4 through RosettaSciIO, the optional extra ``scanseg[em]``.

RosettaSciIO is GPL-3.0-or-later: it is imported here only, and only when such a file is opened.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ExtraMissing
from scanseg.micrograph import RealImage
from scanseg.readers._arrays import complex_image, grey
from scanseg.readers._axes import Axis, ImageAxes, Plane, image_axes
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers._safety import check_extent, check_ratio, silence
from scanseg.readers._signals import signal_of
from scanseg.readers.em._dm_tags import check_dm_tags

__all__ = ["read_digital_micrograph"]

FORMAT = "DigitalMicrograph"
HINT = "Run: pip install 'scanseg[em]' (it adds RosettaSciIO, which is GPL-3). Or export as TIFF."


def _is_digital_micrograph(header: bytes) -> bool:
    """Version 3 or 4, the size, and the byte order as 0 or 1."""
    version = int.from_bytes(header[:4], "big")
    order = {3: header[8:12], 4: header[12:16]}.get(version, b"")
    return order in (b"\0\0\0\0", b"\0\0\0\1")


@reads(FORMAT, ".dm3", ".dm4", recognises=_is_digital_micrograph)
def read_digital_micrograph(path: Path) -> Sequence[Channel]:
    """Read every image; the thumbnail is none, and an empty unit no calibration."""
    check_dm_tags(path)
    try:
        reader = importlib.import_module("rsciio.digitalmicrograph")
    except ImportError as error:
        raise ExtraMissing(
            path, "this format is read by the optional extra em.", format=FORMAT, hint=HINT
        ) from error
    silence("rsciio")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signals = _load(reader, path)
    doubts = tuple(
        f"RosettaSciIO: {_one_line(warning)}"
        for warning in caught
        if issubclass(warning.category, UserWarning)
    )
    channels = [channel for each in signals for channel in _channels(each, path, doubts)]
    if not channels and any(each["data"].dtype.kind == "c" for each in signals):
        raise complex_image(path, FORMAT)
    return channels


def _load(reader: Any, path: Path) -> list[dict[str, Any]]:
    """Load without the pixels where the plugin can; it cannot for colours, which are small."""
    try:
        signals: list[dict[str, Any]] = reader.file_reader(str(path), lazy=True)
    except ValueError as error:
        if "RGB" not in str(error):
            raise
        signals = reader.file_reader(str(path))
    return signals


def _one_line(warning: warnings.WarningMessage) -> str:
    return " ".join(str(warning.message).split())


def _channels(signal: dict[str, Any], path: Path, doubts: tuple[str, ...]) -> Iterator[Channel]:
    data = signal["data"]
    axes = [_axis(each, size) for each, size in zip(signal["axes"], data.shape, strict=True)]
    found = image_axes(axes)
    if found is None or (data.dtype.kind not in "buif" and data.dtype.names is None):
        return
    file_bytes = path.stat().st_size
    if hasattr(data, "dask"):  # mapped, so not compressed
        check_extent(path, FORMAT, _first_byte(signal) + data.nbytes, file_bytes)
    check_ratio(path, FORMAT, data.nbytes, file_bytes)
    general = signal["metadata"].get("General", {})
    name = str(general.get("title") or "")
    for plane in found.planes:
        yield Channel(
            name=f"{name} {plane.label}".strip(),
            shape=found.image_shape,
            n_frames=found.n_frames,
            bytes_per_pixel=data.dtype.itemsize,
            load=_loader(data, found, plane, path),
            pixel_size_nm=found.pixel_size_nm,
            frame_time_s=found.frame_time_s,
            signal=signal_of(name, *_detectors(signal["original_metadata"])),
            metadata={**_conditions(signal["metadata"]), **found.facts},
            reciprocal=found.reciprocal,
            warnings=doubts,
        )


def _axis(axis: dict[str, Any], size: int) -> Axis:
    frames = axis.get("navigate")
    unit = axis.get("units")
    scale = axis.get("scale")
    return Axis(
        int(size),
        name=str(axis.get("name") or ""),
        unit=unit if isinstance(unit, str) else "",
        scale=None if scale is None else float(scale),
        is_frames=None if frames is None else bool(frames),
    )


def _loader(data: Any, axes: ImageAxes, plane: Plane, path: Path) -> Callable[[int], RealImage]:
    """Load one frame from an array, or from a dask array without dask's threads."""

    def load(index: int) -> RealImage:
        chosen = data[axes.selection(plane, index)]
        if hasattr(chosen, "compute"):
            chosen = chosen.compute(scheduler="synchronous")
        frame: NDArray[Any] = np.array(chosen.T if axes.is_transposed else chosen)
        if frame.dtype.names is not None:
            colours = np.stack([frame[name] for name in frame.dtype.names], axis=-1)
            return grey(colours, path, FORMAT)[0]
        return frame

    return load


def _first_byte(signal: dict[str, Any]) -> int:
    """Where the pixels of a mapped file begin, as dm3 and dm4 say."""
    tags = signal["original_metadata"]
    return int(_entry(tags, "ImageList", "TagGroup0", "ImageData", "Data", "offset") or 0)


def _detectors(tags: dict[str, Any]) -> Iterator[str]:
    """Names that DigitalMicrograph keeps for the detector, beside a title that anybody can edit."""
    for group, entry in (("DataBar", "Signal Name"), ("Session Info", "Detector")):
        found = _entry(tags, "ImageList", "TagGroup0", "ImageTags", group, entry)
        if isinstance(found, str):
            yield found


def _entry(tags: Any, *keys: str) -> Any:
    """Entry of nested dictionaries; None where one of them is missing."""
    for key in keys:
        tags = tags.get(key) if isinstance(tags, dict) else None
    return tags


def _conditions(metadata: dict[str, Any]) -> dict[str, float]:
    microscope = metadata.get("Acquisition_instrument", {}).get("TEM", {})
    energy = microscope.get("beam_energy")
    return {"beam_energy_kev": float(energy)} if isinstance(energy, int | float) else {}
