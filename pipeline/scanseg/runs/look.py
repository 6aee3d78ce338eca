"""What a run would read from each file, told without running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from scanseg.errors import NotRecognised
from scanseg.micrograph import Micrograph
from scanseg.readers import Contents, look_into
from scanseg.runs.checks import check_image
from scanseg.runs.failures import failure_of
from scanseg.runs.inputs import InputConfig
from scanseg.runs.manifest import Failure
from scanseg.runs.plan import InputFile, Plan

__all__ = ["ChannelReport", "FileReport", "look_at", "look_at_all"]


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """A channel of a file.

    Parameters
    ----------
    index, name
        Either of them chooses it.
    taken
        Whether a run takes it: one image, or amplitude, phase and topography of a PFM scan.
    dtype, unit
        Of the values as stored; the unit is empty where the file gives none.
    pixel_size_nm
        Along (y, x), or None.
    calibration
        Where the pixel size comes from: ``given``, ``sidecar``, a convention of the file such as
        ``imagej`` or ``vendor``, or ``none``.
    reciprocal
        Whether it shows a diffraction pattern or a Fourier transform.
    lowest, highest
        Finite values of the first frame; None where there are none.
    """

    index: int
    name: str
    taken: bool
    signal: str
    n_frames: int
    height_px: int
    width_px: int
    dtype: str
    unit: str
    pixel_size_nm: tuple[float, float] | None
    calibration: str
    frame_time_s: float | None
    reciprocal: bool
    lowest: float | None
    highest: float | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileReport:
    """What is in a file, or why it cannot be used.

    Parameters
    ----------
    path
        The file.
    status
        ``ok``, ``failed``, or ``skipped`` for a file that nobody said is an image.
    kind
        What was checked: ``image``.
    format
        The format, empty where it was not recognised.
    modality
        ``STEM`` or ``PFM``, which chooses the model; empty where there is none for it.
    failure
        Why a run would fail on it, as in failures.csv.
    """

    path: str
    status: Literal["ok", "failed", "skipped"]
    kind: str = "image"
    format: str = ""
    modality: str = ""
    channels: tuple[ChannelReport, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def look_at_all(plan: Plan, settings: InputConfig) -> Iterator[FileReport]:
    """Report on the files of a plan, one after the other."""
    return (look_at(file, settings) for file in plan.files)


def look_at(file: InputFile, settings: InputConfig) -> FileReport:
    """Report on a file; every channel is opened, and the first frame of each is read."""
    path = str(file.path)
    try:
        contents = look_into(
            file.path, channel=settings.channel, pixel_size_nm=settings.pixel_size_nm
        )
        channels = tuple(_channels(contents))
    except Exception as error:
        skipped = isinstance(error, NotRecognised) and not file.expected
        return FileReport(
            path,
            "skipped" if skipped else "failed",
            format=getattr(error, "format", ""),
            failure=failure_of(error, "read", file.name),
        )
    warnings, failure = _opened(contents, file)
    return FileReport(
        path,
        "failed" if failure else "ok",
        format=str(contents.taken.metadata.get("layout", contents.format)),
        modality=contents.taken.signal.modality,
        channels=channels,
        warnings=warnings,
        failure=failure,
    )


def _channels(contents: Contents) -> Iterator[ChannelReport]:
    for index, channel in enumerate(contents.channels):
        image = channel.open(contents.path, contents.format)
        low, high = _range(image.frame(0))
        yield ChannelReport(
            index=index,
            name=channel.name,
            taken=any(channel is each for each in contents.of_scan),
            signal=str(image.signal),
            n_frames=image.n_frames,
            height_px=image.shape[0],
            width_px=image.shape[1],
            dtype=image.metadata["dtype"],
            unit=image.metadata.get("unit", ""),
            pixel_size_nm=image.pixel_size_nm,
            calibration=image.metadata["calibration"],
            frame_time_s=image.frame_time_s,
            reciprocal=channel.reciprocal,
            lowest=low,
            highest=high,
            warnings=image.warnings,
        )


def _range(image: Micrograph) -> tuple[float | None, float | None]:
    finite = image.data[np.isfinite(image.data)]
    return (float(finite.min()), float(finite.max())) if finite.size else (None, None)


def _opened(contents: Contents, file: InputFile) -> tuple[tuple[str, ...], Failure | None]:
    """What is said of the image that would be taken, and why nothing can come of it."""
    try:
        image = contents.open()
    except Exception as error:
        return contents.warnings, failure_of(error, "check", file.name)
    try:
        check_image(image.frame(0))
    except Exception as error:
        return image.warnings, failure_of(error, "check", file.name)
    return image.warnings, None
