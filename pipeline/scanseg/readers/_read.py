"""The two entrances: the image of a file, and everything image-like in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scanseg.errors import ConfigError, LoadError, NoImage, NotRecognised, Truncated
from scanseg.micrograph import PLAUSIBLE_PIXEL_SIZE_NM, Micrograph, Signal, Stack
from scanseg.readers._channel import Channel
from scanseg.readers._registry import HEADER_BYTES, Reader, readers
from scanseg.readers._safety import library_errors_become_load_errors

__all__ = ["format_names", "read", "read_channels"]

# Which of several channels is the image: atom columns are bright and separate in HAADF, so it
# leads; a detector that is named leads one that is not.
PREFERENCE = (
    Signal.HAADF,
    Signal.ADF,
    Signal.ABF,
    Signal.BF,
    Signal.PFM_AMPLITUDE,
    Signal.UNKNOWN,
    Signal.PFM_PHASE,
    Signal.TOPOGRAPHY,
)


def read(
    path: str | Path,
    *,
    channel: str | int | None = None,
    pixel_size_nm: float | tuple[float, float] | None = None,
) -> Micrograph | Stack:
    """Read the image of a file, or its movie.

    The format is recognised by the contents. Of several channels the one with the preferred signal
    is taken (HAADF, ADF, ABF, BF, unnamed), then the largest, then the first; the others are named
    in ``warnings``.

    Parameters
    ----------
    path
        The file.
    channel
        Name of a channel (upper and lower case are alike), or its index in ``read_channels``.
    pixel_size_nm
        Calibration, one number or (y, x); overrides the file's own. Without it the file's
        calibration is kept, or None where the file has none.

    Raises
    ------
    LoadError
        Whatever is wrong with the file, with what to do.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "scan.npy"
    ...     np.save(file, np.zeros((4, 6), np.float32))
    ...     image = read(file, pixel_size_nm=0.02)
    >>> image.shape, image.pixel_size_nm
    ((4, 6), (0.02, 0.02))
    """
    calibration = _calibration(pixel_size_nm)
    file, reader, channels = _open(path)
    chosen = _choose(file, reader.format, channels, channel)
    warnings = () if channel is not None else _says_which(chosen, channels)
    image = chosen.open(file, reader.format, warnings=warnings)
    return image if calibration is None else image.with_pixel_size(calibration)


def read_channels(path: str | Path) -> tuple[Micrograph | Stack, ...]:
    """Read every image and movie of a file, in the order in which the file holds them."""
    file, reader, channels = _open(path)
    return tuple(each.open(file, reader.format) for each in channels)


def format_names() -> tuple[str, ...]:
    """Formats that can be read, sorted."""
    return tuple(sorted(reader.format for reader in readers() if reader.readable))


def _open(path: str | Path) -> tuple[Path, Reader, Sequence[Channel]]:
    file = Path(path)
    header = _first_bytes(file)
    reader = _recognise(file, header)
    with library_errors_become_load_errors(file, reader.format):
        channels = [each for each in reader.load(file) if each.n_pixels > 0]
    if not channels:
        raise NoImage(
            file,
            "the file was read, and holds no image of one measured value a pixel.",
            format=reader.format,
            hint="Leave it out, or export the image from it.",
        )
    return file, reader, channels


def _first_bytes(file: Path) -> bytes:
    if file.is_dir():
        raise LoadError(file, "this is a folder.", hint="Give a file.")
    try:
        with file.open("rb") as handle:
            header = handle.read(HEADER_BYTES)
    except FileNotFoundError as error:
        raise LoadError(file, "there is no such file.", hint="Check the path.") from error
    except OSError as error:
        raise LoadError(
            file, f"it cannot be opened ({error.strerror}).", hint="Check disk and permissions."
        ) from error
    if not header:
        raise Truncated(file, "the file is empty.", hint="Copy or export it again.")
    return header


def _recognise(file: Path, header: bytes) -> Reader:
    fitting = [reader for reader in readers() if reader.recognises(header)]
    if not fitting:
        ends_in = f" although it ends in {file.suffix}" if file.suffix else ""
        raise NotRecognised(
            file,
            f"no reader knows its first bytes {header[:12]!r}{ends_in}.",
            hint="Export it as TIFF, or see the list of formats in the manual.",
        )
    suffix = file.suffix.lower()
    return next((reader for reader in fitting if suffix in reader.suffixes), fitting[0])


def _choose(
    file: Path, format: str, channels: Sequence[Channel], wanted: str | int | None
) -> Channel:
    if wanted is None:
        # min() keeps the first of equals, so the order in the file is the last rule
        return min(channels, key=_rank)
    if isinstance(wanted, str):
        alike = [each for each in channels if each.name.casefold() == wanted.strip().casefold()]
        if alike:
            return alike[0]
        if not wanted.strip().isdecimal():
            raise _no_such_channel(file, format, channels, wanted)
    index = int(wanted)
    if not 0 <= index < len(channels):
        raise _no_such_channel(file, format, channels, wanted)
    return channels[index]


def _rank(channel: Channel) -> tuple[bool, int, int]:
    return channel.reciprocal, PREFERENCE.index(channel.signal), -channel.n_pixels


def _no_such_channel(
    file: Path, format: str, channels: Sequence[Channel], wanted: str | int
) -> NoImage:
    return NoImage(
        file,
        f"there is no channel {wanted!r}; the file has {_named(channels)}.",
        format=format,
        hint="Give one of these names, or its index counted from 0.",
    )


def _says_which(chosen: Channel, channels: Sequence[Channel]) -> tuple[str, ...]:
    others = [each for each in channels if each is not chosen]
    if not others:
        return ()
    return (
        f"The file holds {len(channels)} channels: {_named([chosen])} was taken, not "
        f"{_named(others)}. Choose another with channel=.",
    )


def _named(channels: Sequence[Channel], at_most: int = 8) -> str:
    names = [each.name or f"unnamed {each.shape[0]}x{each.shape[1]}" for each in channels]
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def _calibration(
    pixel_size_nm: float | tuple[float, float] | None,
) -> tuple[float, float] | None:
    if pixel_size_nm is None:
        return None
    if isinstance(pixel_size_nm, int | float):
        pixel_size_nm = (float(pixel_size_nm), float(pixel_size_nm))
    low, high = PLAUSIBLE_PIXEL_SIZE_NM
    if not all(low <= size <= high for size in pixel_size_nm):
        raise ConfigError(
            f"A pixel size of {pixel_size_nm} nm is outside {low:g} to {high:g} nm.",
            hint="Give the distance between two pixels in nanometres, one number or (y, x).",
        )
    return float(pixel_size_nm[0]), float(pixel_size_nm[1])
