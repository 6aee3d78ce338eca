"""HyperSpy's .hspy files, which are HDF5, read without hyperspy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scanseg.readers._axes import Axis
from scanseg.readers._channel import Channel
from scanseg.readers._signals import signal_of
from scanseg.readers.hdf5._datasets import attribute, axes_channels
from scanseg.readers.hdf5._files import layout

if TYPE_CHECKING:
    import h5py

__all__ = ["read_hyperspy"]


@layout("HyperSpy", recognises=lambda file: attribute(file, "file_format") == "HyperSpy")
def read_hyperspy(file: h5py.File, path: Path) -> Sequence[Channel]:
    """Read every image of ``Experiments``; navigation axes are frames."""
    return list(_channels(file, path))


def _channels(file: h5py.File, path: Path) -> Iterator[Channel]:
    import h5py

    for name, experiment in file["Experiments"].items():
        if not isinstance(experiment, h5py.Group) or "data" not in experiment:
            continue
        data = experiment["data"]
        axes = [_axis(experiment, number, size) for number, size in enumerate(data.shape)]
        general = experiment.get("metadata/General")
        title = (attribute(general, "title") if general is not None else None) or name
        original = None if general is None else attribute(general, "original_filename")
        yield from axes_channels(
            data,
            axes,
            path,
            name="" if title == "__unnamed__" else str(title),
            signal=signal_of(title, original or ""),
            metadata=_conditions(experiment),
        )


def _axis(experiment: h5py.Group, number: int, size: int) -> Axis:
    # an axis of which nothing but the scale is known carries no unit and no name
    group = experiment.get(f"axis-{number}")
    if group is None:
        return Axis(size)
    frames = attribute(group, "navigate")
    scale = attribute(group, "scale")
    return Axis(
        size,
        name=str(attribute(group, "name") or ""),
        unit=str(attribute(group, "units") or ""),
        scale=float(scale) if isinstance(scale, int | float) else None,
        is_frames=None if frames is None else bool(frames),
    )


def _conditions(experiment: h5py.Group) -> dict[str, float]:
    microscope = experiment.get("metadata/Acquisition_instrument/TEM")
    energy = None if microscope is None else attribute(microscope, "beam_energy")
    return {"beam_energy_kev": float(energy)} if isinstance(energy, int | float) else {}
