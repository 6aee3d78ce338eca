"""The two formats called EMD: Velox (Thermo Fisher) and NCEM (Berkeley, py4DSTEM, Prismatic)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from scanseg.readers._arrays import complex_image
from scanseg.readers._axes import Axis
from scanseg.readers._channel import Channel
from scanseg.readers._signals import signal_of
from scanseg.readers.hdf5._datasets import (
    attribute,
    axes_channels,
    dataset_channel,
    is_dataset,
    nodes,
)
from scanseg.readers.hdf5._files import layout
from scanseg.readers.units import is_reciprocal, pixel_size_nm, reciprocal_facts, time_s

if TYPE_CHECKING:
    import h5py

__all__ = ["read_ncem", "read_velox"]

DISPLAYS = ("Presentation/Displays/ImageDisplay", "Displays/ImageDisplay")  # until and from v11


def _is_velox(file: h5py.File) -> bool:
    return "Version" in file and _json(file["Version"]).get("format") == "Velox"


@layout("Velox EMD", recognises=_is_velox)
def read_velox(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Read every real image; stored as (y, x, frame), pixel size in metres as text."""
    titles = _titles(file)
    images = file.get("Data/Image") or {}
    channels = []
    n_complex = 0
    for key, image in images.items():
        if "Data" not in image or image["Data"].ndim != 3:
            continue
        if image["Data"].dtype.kind not in "buif":
            n_complex += 1  # Fourier transforms and DPC vectors: pairs of numbers
            continue
        channels.append(_velox_channel(image, titles.get(f"/Data/Image/{key}"), path))
    if n_complex and not channels:
        raise complex_image(path, "Velox EMD")
    return channels


def _velox_channel(image: h5py.Group, title: str | None, path: Path) -> Channel:
    facts = _json(image["Metadata"]) if "Metadata" in image else {}
    result = facts.get("BinaryResult") or {}
    side = result.get("PixelSize") or {}
    unit_y, unit_x = result.get("PixelUnitY", ""), result.get("PixelUnitX", "")
    name = title or str(result.get("Detector") or "")
    data = image["Data"]
    height, width, n_frames = data.shape
    sides = side.get("height"), side.get("width"), unit_y, unit_x
    return dataset_channel(
        data,
        path,
        name=name,
        shape=(height, width),
        n_frames=n_frames,
        frame=lambda dataset, index: np.asarray(dataset[:, :, index]),
        pixel_size_nm=pixel_size_nm(*sides),
        signal=signal_of(name),
        frame_time_s=time_s((facts.get("Scan") or {}).get("FrameTime")) if n_frames > 1 else None,
        metadata={**_beam_energy(facts), **reciprocal_facts(*sides)},
        reciprocal=is_reciprocal(unit_x),
    )


def _beam_energy(facts: dict[str, Any]) -> dict[str, float]:
    try:
        return {"beam_energy_kev": float(facts["Optics"]["AccelerationVoltage"]) / 1000}
    except (KeyError, TypeError, ValueError):
        return {}


def _titles(file: h5py.File) -> dict[str, str]:
    """Names of the images as Velox shows them, by data path: ``HAADF``, ``DCFI(HAADF)``, ``Ca``."""
    titles = {}
    for folder in DISPLAYS:
        for display in (file.get(folder) or {}).values():
            shown = _json(display)
            label = shown.get("title") or (shown.get("display") or {}).get("label")
            path = shown.get("dataPath")
            reference = shown.get("data")
            if path is None and isinstance(reference, str) and reference in file:
                path = _json(file[reference]).get("dataPath")
            if label and path:
                titles[str(path)] = unquote(str(label))
    return titles


def _json(dataset: Any) -> dict[str, Any]:
    """Text of a dataset as a dictionary: one string, or a column of bytes padded with zeros."""
    stored = dataset[()]
    if stored.dtype == np.uint8:
        text = stored.reshape(stored.shape[0], -1)[:, 0].tobytes().split(b"\0")[0]
    else:
        text = stored.reshape(-1)[0]
    try:
        entries = json.loads(text)
    except (ValueError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _is_ncem(file: h5py.File) -> bool:
    return bool(_ncem_groups(file))


def _ncem_groups(file: h5py.File) -> list[h5py.Group]:
    return nodes(
        file,
        lambda node: not is_dataset(node) and attribute(node, "emd_group_type") in (1, "array"),
    )


@layout("NCEM EMD", recognises=_is_ncem)
def read_ncem(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Read the arrays of the groups marked ``emd_group_type``; dim1, dim2, … are their axes."""
    return [channel for group in _ncem_groups(file) for channel in _ncem_channels(group, path)]


def _ncem_channels(group: h5py.Group, path: Path) -> Iterator[Channel]:
    arrays = [
        node
        for name, node in group.items()
        if is_dataset(node) and not name.startswith("dim") and node.ndim >= 2
    ]
    if not arrays:
        return
    data = group["data"] if "data" in group else arrays[0]
    axes = [_ncem_axis(group, number, size) for number, size in enumerate(data.shape, start=1)]
    if len(axes) <= 3 and not any(axis.name for axis in axes):
        # hyperspy, which left the names out, wrote columns before rows, and reads so
        axes = [replace(axis, name=name) for axis, name in zip(axes, "xyz", strict=False)]
    name = group.name.rpartition("/")[2]
    name = "" if name == "__unnamed__" else name
    yield from axes_channels(data, axes, path, name=name, signal=signal_of(name))


def _ncem_axis(group: h5py.Group, number: int, size: int) -> Axis:
    values = group.get(f"dim{number}")
    if values is None:
        return Axis(size)
    first = np.asarray(values[:2], dtype=float) if values.ndim == 1 else np.empty(0)
    return Axis(
        size,
        name=str(attribute(values, "name") or ""),
        unit=_ncem_unit(str(attribute(values, "units") or "")),
        scale=float(first[1] - first[0]) if first.size == 2 else None,
    )


def _ncem_unit(text: str) -> str:
    """Undo the spelling of the format: letters apart, each unit in brackets.

    Examples
    --------
    >>> _ncem_unit("[n_m]"), _ncem_unit("[1_/_µ_m]"), _ncem_unit("nm")
    ('nm', '1/µm', 'nm')
    """
    inner = text.strip()
    return inner[1:-1].replace("_", "") if inner.startswith("[") and inner.endswith("]") else text
