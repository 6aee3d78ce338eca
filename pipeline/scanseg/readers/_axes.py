"""Named axes with units, as hyperspy, NCEM and the vendor formats have them: what is an image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from scanseg.readers.units import (
    is_reciprocal,
    is_spectral,
    length_nm,
    pixel_size_nm,
    reciprocal_facts,
    time_s,
)

__all__ = ["Axis", "ImageAxes", "Plane", "image_axes"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of an array.

    Parameters
    ----------
    size
        Its length.
    name, unit
        As the file has them; may be empty.
    scale
        Distance of two points in ``unit``.
    is_frames
        True where the file calls it a navigation axis, False where an image axis, None where it
        does not say.
    """

    size: int
    name: str = ""
    unit: str = ""
    scale: float | None = None
    is_frames: bool | None = None

    @property
    def kind(self) -> str:
        """What it counts: ``length``, ``reciprocal``, ``time``, ``unknown`` and so on.

        A ``channel`` is no step of anything: red and green, or two detectors.
        """
        if self.name == "channel":
            return "channel"
        unit = self.unit.strip().strip("[]()")
        if is_spectral(unit) or re.search(r"(?i)energy|wavelength", self.name):
            return "spectral"
        if is_reciprocal(unit):
            return "reciprocal"
        if re.fullmatch(r"(?i)[mµu]?rad|deg|°", unit):
            return "angle"
        if length_nm(1, unit) is not None:
            return "length"
        return "time" if time_s(1, unit) is not None else "unknown"


@dataclass(frozen=True, slots=True)
class Plane:
    """One image or movie inside an array of many dimensions.

    Parameters
    ----------
    label
        What sets it apart from its sisters, empty where there are none.
    fixed
        (dimension, index) of the dimensions that are held.
    """

    label: str
    fixed: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ImageAxes:
    """Which dimensions of an array are rows, columns, frames and separate channels.

    Parameters
    ----------
    y, x
        Numbers of the dimensions of the image.
    frames
        Numbers of the dimensions that are run through as frames, slowest first.
    planes
        The channels the array splits into, at least one.
    facts
        What a channel notes of reciprocal space: the size of its pixels in 1/nm, where known.
    """

    shape: tuple[int, ...]
    y: int
    x: int
    frames: tuple[int, ...]
    planes: tuple[Plane, ...]
    pixel_size_nm: tuple[float, float] | None
    frame_time_s: float | None
    reciprocal: bool
    facts: Mapping[str, Any]

    @property
    def image_shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.shape[self.y], self.shape[self.x]

    @property
    def n_frames(self) -> int:
        """Frames of every plane."""
        return int(np.prod([self.shape[d] for d in self.frames], dtype=int))

    def selection(self, plane: Plane, index: int) -> tuple[int | slice, ...]:
        """Index of frame ``index`` of a plane in the array; rows and columns in stored order."""
        where: list[int | slice] = [slice(None)] * len(self.shape)
        for dimension, at in plane.fixed:
            where[dimension] = at
        steps = np.unravel_index(index, [self.shape[d] for d in self.frames]) if self.frames else ()
        for dimension, step in zip(self.frames, steps, strict=True):
            where[dimension] = int(step)
        return tuple(where)

    @property
    def is_transposed(self) -> bool:
        """Whether columns come before rows in the array."""
        return self.x < self.y


def image_axes(axes: Sequence[Axis]) -> ImageAxes | None:
    """Find rows, columns and frames; None for spectra, spectrum images and 4D-STEM data.

    Only axes of time, of length or of unknown kind are frames: 2048 energy losses are no movie,
    and detector angles become channels.
    """
    image = _image_dimensions(axes)
    if image is None:
        return None
    y, x = image
    others = [d for d in range(len(axes)) if d not in image]
    if any(axis.kind == "spectral" for axis in axes):
        return None
    if any(axes[d].kind == "reciprocal" for d in others):
        return None
    reciprocal = any(axes[d].kind in ("reciprocal", "angle") for d in image)
    n_positions = sum(axes[d].kind == "length" and axes[d].size > 1 for d in others)
    if n_positions > (0 if reciprocal else 1):
        return None  # a diffraction pattern at every position
    apart = [d for d in others if axes[d].kind in ("angle", "channel") and axes[d].size > 1]
    frames = tuple(d for d in others if d not in apart)
    sides = _step(axes[y]), _step(axes[x]), axes[y].unit, axes[x].unit
    return ImageAxes(
        shape=tuple(axis.size for axis in axes),
        y=y,
        x=x,
        frames=frames,
        planes=tuple(_planes(axes, apart)),
        pixel_size_nm=None if reciprocal else pixel_size_nm(*sides),
        frame_time_s=_frame_time(axes, frames),
        reciprocal=reciprocal,
        facts=reciprocal_facts(*sides),
    )


def _image_dimensions(axes: Sequence[Axis]) -> tuple[int, int] | None:
    """(y, x): what the file calls the image axes, else those named so, else the last two."""
    if len(axes) < 2 or any(axis.size < 1 for axis in axes):
        return None
    declared = [d for d, axis in enumerate(axes) if axis.is_frames is False]
    if len(declared) == 1 or len(declared) > 2:
        return None  # spectra, volumes
    candidates = declared or list(range(len(axes)))
    if not declared and all(axis.is_frames for axis in axes) and len(axes) != 2:
        return None
    named = {
        letter: [d for d in candidates if re.fullmatch(rf"(?i)(.*_)?{letter}", axes[d].name)]
        for letter in "yx"
    }
    if len(named["y"]) == 1 and len(named["x"]) == 1:
        return named["y"][0], named["x"][0]
    return candidates[-2], candidates[-1]


def _planes(axes: Sequence[Axis], apart: Sequence[int]) -> Iterator[Plane]:
    for steps in product(*(range(axes[d].size) for d in apart)):
        fixed = tuple(zip(apart, steps, strict=True))
        label = ", ".join(f"{axes[d].name or 'step'} {step}" for d, step in fixed)
        yield Plane(label, fixed)


def _step(axis: Axis) -> float | None:
    """Step without its sign: some files count an axis downwards."""
    return None if axis.scale is None else abs(axis.scale)


def _frame_time(axes: Sequence[Axis], frames: tuple[int, ...]) -> float | None:
    steps = (time_s(axes[d].scale, axes[d].unit) for d in frames)
    return next((step for step in steps if step is not None), None)
