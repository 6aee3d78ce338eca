"""The data model: a calibrated image, a stack of frames, and what was detected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FloatImage",
    "Mask",
    "Micrograph",
    "RealImage",
    "Signal",
    "Stack",
    "as_micrograph",
    "as_pixel_size_nm",
]

RealImage = NDArray[Any]  # (height, width), integers or floats as the detector gave them
FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Outside of these a "pixel size" is a wrong unit, a reciprocal axis or a dpi tag, not a scan step
# (seen: 4.2e16 nm from a diffraction pattern, 4e5 nm from "64 dpi").
PLAUSIBLE_PIXEL_SIZE_NM = (1e-4, 1e6)


class Signal(StrEnum):
    """What was detected."""

    HAADF = "HAADF"
    ADF = "ADF"
    ABF = "ABF"
    BF = "BF"
    PFM_AMPLITUDE = "PFM_AMPLITUDE"
    PFM_PHASE = "PFM_PHASE"
    TOPOGRAPHY = "TOPOGRAPHY"
    UNKNOWN = "UNKNOWN"

    @property
    def has_dark_columns(self) -> bool:
        """Whether atom columns are darker than what surrounds them."""
        return self in (Signal.ABF, Signal.BF)

    @property
    def modality(self) -> str:
        """Kind of microscope: STEM, where the signal is unknown too, or PFM.

        Empty for topography: of itself it shows neither atom columns nor domain walls.

        Examples
        --------
        >>> Signal.UNKNOWN.modality, Signal.PFM_PHASE.modality, Signal.TOPOGRAPHY.modality
        ('STEM', 'PFM', '')
        """
        if self is Signal.TOPOGRAPHY:
            return ""
        return "PFM" if self in (Signal.PFM_AMPLITUDE, Signal.PFM_PHASE) else "STEM"


@dataclass(frozen=True, slots=True, eq=False)
class Micrograph:
    """A calibrated image: what was measured, and how large a pixel is.

    Parameters
    ----------
    data
        Shape (height, width), row 0 on top, read-only. 8- and 16-bit integers and float32 are kept
        as they are; everything else becomes float32. May hold NaN where nothing was measured.
    pixel_size_nm
        Distance between pixel centres along (y, x); None where it is not known, never 1.0.
    signal
        What was detected.
    channel
        Name of the plane in its file.
    frame_time_s
        Time between frames of a movie.
    source
        Where the image came from: a path, or a description.
    metadata
        A few common entries, and what the format gives beside them.
    warnings
        What a user must know before trusting the numbers, one sentence each.
    companions
        What else was recorded at the same time on the same raster, by signal: phase and topography
        of a PFM amplitude. Read-only; empty for most images. A companion has none of its own.

    Examples
    --------
    >>> image = Micrograph(np.zeros((4, 6), np.uint16), pixel_size_nm=(0.01, 0.02))
    >>> image.shape, image.field_of_view_nm
    ((4, 6), (0.04, 0.12))
    """

    data: RealImage
    pixel_size_nm: tuple[float, float] | None = None
    signal: Signal = Signal.UNKNOWN
    channel: str = ""
    frame_time_s: float | None = None
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    companions: Mapping[Signal, Micrograph] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data = np.asarray(self.data)
        if data.ndim != 2:
            raise ValueError(f"a micrograph has two dimensions (height, width), not {data.shape}")
        if data.size == 0:
            raise ValueError(f"an image of shape {data.shape} holds no pixel")
        view = _native(data).view()
        view.flags.writeable = False  # frozen=True freezes the name, not the array
        object.__setattr__(self, "data", view)
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))
        if self.pixel_size_nm is not None:
            object.__setattr__(self, "pixel_size_nm", as_pixel_size_nm(self.pixel_size_nm))
        object.__setattr__(self, "companions", MappingProxyType(dict(self.companions)))
        for signal, each in self.companions.items():
            _check_companion(self, signal, each)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.data.shape[0], self.data.shape[1]

    @property
    def field_of_view_nm(self) -> tuple[float, float] | None:
        """Pixel size times shape, along (y, x)."""
        if self.pixel_size_nm is None:
            return None
        return self.pixel_size_nm[0] * self.shape[0], self.pixel_size_nm[1] * self.shape[1]

    @property
    def n_frames(self) -> int:
        """1: a single frame."""
        return 1

    def frame(self, index: int) -> Micrograph:
        """The only frame, so that images and stacks can be walked alike."""
        if index != 0:
            raise IndexError(f"a single image has frame 0 only, not {index}")
        return self

    def frames(self) -> Iterator[Micrograph]:
        """Yield the only frame."""
        yield self

    def valid(self) -> Mask | None:
        """Where something was measured, shape (height, width); None where every pixel was."""
        if self.data.dtype.kind != "f":
            return None
        finite = np.isfinite(self.data)
        return None if finite.all() else finite

    def with_pixel_size(self, pixel_size_nm: tuple[float, float] | None) -> Micrograph:
        """The same image with another calibration, and its companions too."""
        companions = {
            signal: each.with_pixel_size(pixel_size_nm) for signal, each in self.companions.items()
        }
        return replace(self, pixel_size_nm=pixel_size_nm, companions=companions)

    def channels(self) -> dict[Signal, Micrograph]:
        """The image under its own signal, then its companions.

        Examples
        --------
        >>> phase = Micrograph(np.zeros((4, 6)), signal=Signal.PFM_PHASE)
        >>> scan = Micrograph(
        ...     np.ones((4, 6)),
        ...     signal=Signal.PFM_AMPLITUDE,
        ...     companions={Signal.PFM_PHASE: phase},
        ... )
        >>> [str(signal) for signal in scan.channels()]
        ['PFM_AMPLITUDE', 'PFM_PHASE']
        """
        return {self.signal: self, **self.companions}


class Stack:
    """Frames of one channel, loaded one at a time.

    A frame has no companions: those of ``like`` were recorded with frame 0 alone.

    Parameters
    ----------
    load
        Returns the data of frame ``index``, shape (height, width).
    n_frames
        How many frames there are.
    like
        A micrograph whose calibration, signal, channel and source hold for every frame. Its data
        are those of frame 0.
    """

    def __init__(self, load: Callable[[int], RealImage], n_frames: int, like: Micrograph) -> None:
        if n_frames < 1:
            raise ValueError("a stack has at least one frame")
        self._load = load
        self.n_frames = n_frames
        self._like = like

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(height, width) of a frame in pixels."""
        return self._like.shape

    @property
    def pixel_size_nm(self) -> tuple[float, float] | None:
        """Distance between pixel centres along (y, x)."""
        return self._like.pixel_size_nm

    @property
    def signal(self) -> Signal:
        """What was detected."""
        return self._like.signal

    @property
    def channel(self) -> str:
        """Name of the plane in its file."""
        return self._like.channel

    @property
    def frame_time_s(self) -> float | None:
        """Time between frames."""
        return self._like.frame_time_s

    @property
    def source(self) -> str:
        """Where the frames came from."""
        return self._like.source

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the format gives."""
        return self._like.metadata

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user must know before trusting the numbers."""
        return self._like.warnings

    def frame(self, index: int) -> Micrograph:
        """Load one frame."""
        if not 0 <= index < self.n_frames:
            raise IndexError(f"frame {index} of {self.n_frames}")
        return replace(self._like, data=self._load(index), companions={})

    def frames(self) -> Iterator[Micrograph]:
        """Load the frames one after the other."""
        return (self.frame(index) for index in range(self.n_frames))

    def with_pixel_size(self, pixel_size_nm: tuple[float, float] | None) -> Stack:
        """The same frames with another calibration."""
        return Stack(self._load, self.n_frames, self._like.with_pixel_size(pixel_size_nm))


def as_micrograph(
    image: Micrograph | ArrayLike, *, pixel_size_nm: float | tuple[float, float] | None = None
) -> Micrograph:
    """Take a plain array where a micrograph is wanted.

    Parameters
    ----------
    image
        A micrograph, or an array of shape (height, width).
    pixel_size_nm
        Calibration, one number or (y, x); overrides the micrograph's own.
    """
    size = None if pixel_size_nm is None else as_pixel_size_nm(pixel_size_nm)
    if not isinstance(image, Micrograph):
        return Micrograph(np.asarray(image), pixel_size_nm=size)
    return image if size is None else image.with_pixel_size(size)


def as_pixel_size_nm(stated: object) -> tuple[float, float]:
    """Pixel size along (y, x) from one number or two.

    Parameters
    ----------
    stated
        In nm. Text passes as well: ``0.01,0.02`` on the command line, ``2e-2`` in YAML.

    Raises
    ------
    ValueError
        For anything that is no distance between two pixels of a microscope's image.

    Examples
    --------
    >>> as_pixel_size_nm(0.02), as_pixel_size_nm("0.01,0.02")
    ((0.02, 0.02), (0.01, 0.02))
    """
    low, high = PLAUSIBLE_PIXEL_SIZE_NM
    sides = stated.split(",") if isinstance(stated, str) else stated
    sides = tuple(sides) if isinstance(sides, list | tuple) else (sides,)
    try:
        along_y, along_x = (float(s) for s in sides * (3 - len(sides)) if not isinstance(s, bool))
    except (TypeError, ValueError):
        along_y = along_x = math.nan
    if not (low <= along_y <= high and low <= along_x <= high):
        raise ValueError(
            f"{stated!r} is no pixel size: it is one number or two, (y, x), in nanometres without "
            f"a unit, from {low:g} to {high:g}; a wrong unit or a reciprocal axis gives others"
        )
    return along_y, along_x


def _check_companion(image: Micrograph, signal: Signal, companion: Micrograph) -> None:
    if companion.signal is not signal or signal is image.signal:
        raise ValueError(
            f"a companion of signal {companion.signal} cannot stand under {signal} beside an image "
            f"of signal {image.signal}: each signal has one image, under its own name"
        )
    if companion.shape != image.shape:
        raise ValueError(
            f"the {signal} has shape {companion.shape}, and the {image.signal} beside it "
            f"{image.shape}: channels of one scan lie on one raster"
        )
    if companion.companions:
        raise ValueError(f"the {signal} has companions of its own: give all of them to one image")


def _native(data: NDArray[Any]) -> RealImage:
    """Bring any real array to native byte order and a type that loses nothing that was measured."""
    if data.dtype.kind == "c":
        raise ValueError("a complex image has no single signal: pass its amplitude or its phase")
    if data.dtype.kind not in "buif":
        raise ValueError(f"data of type {data.dtype} are not an image")
    if data.dtype.kind in "ui" and data.dtype.itemsize > 2:
        # float32 holds integers up to 2**24: an offset beyond that would eat the signal.
        lowest = int(data.min())
        if max(abs(lowest), abs(int(data.max()))) > 2**24:
            data = data.astype(np.float64) - lowest  # in integers the difference can overflow
        return data.astype(np.float32)
    if data.dtype.kind in "ui":
        return data.astype(data.dtype.newbyteorder("="), copy=False)
    return data.astype(np.float32, copy=False)
