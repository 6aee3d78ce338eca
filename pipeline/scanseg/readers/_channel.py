"""A plane of a file before its pixels are loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from scanseg.micrograph import PLAUSIBLE_PIXEL_SIZE_NM, Micrograph, RealImage, Signal, Stack
from scanseg.readers._safety import check_fits_memory, library_errors_become_load_errors

__all__ = ["RECIPROCAL", "Channel"]

RECIPROCAL = (
    "It shows reciprocal space (a diffraction pattern or a Fourier transform), so it has no pixel "
    "size in nm and no atom columns."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channel:
    """One image or movie of a file: what is known of it, and how to load its frames.

    Parameters
    ----------
    name
        As the file calls it, cleaned.
    shape
        (height, width) in pixels.
    load
        Returns the pixels of frame ``index``, shape (height, width), real. It opens and closes the
        file itself, or holds an array.
    n_frames
        1 makes a Micrograph, more make a Stack.
    bytes_per_pixel
        As stored, for the memory check.
    pixel_size_nm
        Along (y, x); None where the file does not say.
    metadata
        What else the file says. Common entries: ``unit`` of the values, ``direction`` (trace or
        retrace), ``line`` (main or nap), ``calibration``: where the pixel size comes from, taken
        for ``vendor`` where nothing is said. ``format`` and ``dtype`` (as stored) are added when
        the channel is opened.
    warnings
        What a user must know of this channel, one sentence each.
    reciprocal
        Whether it shows a diffraction pattern or a Fourier transform; such a channel is taken only
        where there is no other.
    """

    name: str
    shape: tuple[int, int]
    load: Callable[[int], RealImage]
    n_frames: int = 1
    bytes_per_pixel: int = 4
    pixel_size_nm: tuple[float, float] | None = None
    signal: Signal = Signal.UNKNOWN
    frame_time_s: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    reciprocal: bool = False

    @property
    def n_pixels(self) -> int:
        """Pixels of one frame."""
        return prod(self.shape)

    def open(
        self, path: Path, format: str, *, warnings: tuple[str, ...] = ()
    ) -> Micrograph | Stack:
        """Load the image, or the first frame of the movie."""
        check_fits_memory(path, format, self.n_pixels * self.bytes_per_pixel, what="one frame")
        lock = threading.Lock()  # one file handle serves all frames

        def load(index: int) -> RealImage:
            with lock, library_errors_become_load_errors(path, format):
                return self.load(index)

        pixel_size_nm, doubts = _plausible(self.pixel_size_nm)
        if self.reciprocal:
            doubts += (RECIPROCAL,)
        origin = self.metadata.get("calibration") or "vendor"
        data = load(0)
        with library_errors_become_load_errors(path, format):
            first = Micrograph(
                data,
                pixel_size_nm=pixel_size_nm,
                signal=self.signal,
                channel=self.name,
                frame_time_s=self.frame_time_s,
                source=str(path),
                metadata={
                    "format": format,
                    "dtype": data.dtype.newbyteorder("=").name,
                    **self.metadata,
                    "calibration": "none" if pixel_size_nm is None else origin,
                },
                warnings=(*self.warnings, *doubts, *warnings),
            )
        return first if self.n_frames == 1 else Stack(load, self.n_frames, first)


def _plausible(
    pixel_size_nm: tuple[float, float] | None,
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Drop a pixel size that no microscope scans with, and say so."""
    low, high = PLAUSIBLE_PIXEL_SIZE_NM
    if pixel_size_nm is None or all(low <= size <= high for size in pixel_size_nm):
        return pixel_size_nm, ()
    along_y, along_x = pixel_size_nm
    return None, (
        f"The file states a pixel of {along_y:g} x {along_x:g} nm, which is a wrong unit or a "
        "reciprocal axis: the calibration is taken as unknown.",
    )
