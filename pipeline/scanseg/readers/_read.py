"""The entrances: the image of a file, the three of a PFM scan, and everything image-like in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scanseg.errors import ConfigError, LoadError, NoImage, NotRecognised, Truncated
from scanseg.micrograph import Micrograph, Signal, Stack, as_pixel_size_nm
from scanseg.readers._channel import Channel
from scanseg.readers._choice import PFM_SIGNALS, choose, choose_pfm, says_which
from scanseg.readers._ome_zarr import OME_ZARR, is_image_folder
from scanseg.readers._registry import HEADER_BYTES, Reader, readers
from scanseg.readers._safety import library_errors_become_load_errors
from scanseg.readers._scan import of_other_shape, open_scan
from scanseg.readers._sidecar import read_sidecar

__all__ = [
    "Contents",
    "format_names",
    "image_suffixes",
    "look_into",
    "read",
    "read_channels",
    "read_pfm",
]


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What is in a file, before any pixel is loaded.

    Parameters
    ----------
    path, format
        The file, and the format that it is.
    channels
        Everything image-like, in the order of the file.
    taken
        The one that ``read`` opens, or with which it begins.
    by_rule
        Whether it was taken by the rule, not by a name that was given or noted.
    """

    path: Path
    format: str
    channels: tuple[Channel, ...]
    taken: Channel
    by_rule: bool = True

    @property
    def of_scan(self) -> tuple[Channel, ...]:
        """Amplitude, phase and topography of a PFM scan; of any other file the one that is taken.

        A channel that was named is taken alone.
        """
        return choose_pfm(self.channels) if self._is_scan else (self.taken,)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which of several channels belong to the scan."""
        if not self.by_rule:
            return ()
        scan = self.of_scan
        strangers = of_other_shape(scan, self.channels) if self._is_scan else ()
        return (*strangers, *says_which(scan, self.channels))

    @property
    def _is_scan(self) -> bool:
        return self.by_rule and self.taken.signal in PFM_SIGNALS[:2]

    def open(self) -> Micrograph | Stack:
        """Open the channel that was taken; of a PFM scan all that belong to it."""
        if self._is_scan:
            return open_scan(self.of_scan, self.channels, path=self.path, format=self.format)
        return self.taken.open(self.path, self.format, warnings=self.warnings)

    def open_all(self) -> tuple[Micrograph | Stack, ...]:
        """Open every channel."""
        return tuple(each.open(self.path, self.format) for each in self.channels)


def read(
    path: str | Path,
    *,
    channel: str | int | None = None,
    pixel_size_nm: float | tuple[float, float] | None = None,
) -> Micrograph | Stack:
    """Read the image of a file, or its movie.

    The format is recognised by the contents. Of several channels the one with the preferred signal
    is taken (HAADF, ADF, ABF, BF, unnamed), retrace before trace, then the largest, then the first;
    the others are named in ``warnings``. Of a PFM scan it is the amplitude, or the phase, with what
    was recorded beside it on the same raster in ``companions``; a channel of another shape, or of a
    single value, is left out with a warning. A note beside the file (``scan.tif.scanseg.yaml``)
    with ``pixel_size_nm``, ``signal`` or ``channel`` overrides the file, and an argument the note.

    Parameters
    ----------
    path
        The file.
    channel
        Name of a channel (upper and lower case are alike), or its index in ``read_channels``; it is
        taken alone.
    pixel_size_nm
        Calibration, one number or (y, x); overrides the file's own. Without it the file's
        calibration is kept, or None where the file has none. ``metadata["calibration"]`` says where
        it comes from: ``given``, ``sidecar``, a convention of the file such as ``imagej`` or
        ``vendor``, or ``none``.

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
    >>> image.shape, image.pixel_size_nm, image.metadata["calibration"]
    ((4, 6), (0.02, 0.02), 'given')
    """
    return look_into(path, channel=channel, pixel_size_nm=pixel_size_nm).open()


def read_pfm(
    path: str | Path,
    *,
    channels: Mapping[Signal, str | int] | None = None,
    pixel_size_nm: float | tuple[float, float] | None = None,
) -> Mapping[Signal, Micrograph | Stack]:
    """Read amplitude, phase and topography of a PFM scan, those of them that are there.

    All three are of one pass: the retrace where there is one, the main scan before interleaved
    ones, vertical before lateral. What was taken is said in ``warnings`` of each.

    Parameters
    ----------
    path
        The file.
    channels
        Names or numbers of channels that are taken instead of those the rule would take, also where
        their name does not tell what they are: ``{Signal.PFM_PHASE: "UserIn0Retrace"}``.
    pixel_size_nm
        Calibration, as for ``read``.

    Raises
    ------
    NoImage
        When there is neither amplitude nor phase, or no channel of a name.
    """
    contents = look_into(path, pixel_size_nm=pixel_size_nm)
    chosen = {
        signal: choose(contents.channels, wanted, path=contents.path, format=contents.format)
        for signal, wanted in (channels or {}).items()
    }
    by_rule = {each.signal: each for each in choose_pfm(contents.channels)}
    taken = {**by_rule, **chosen}
    if not any(signal in taken for signal in PFM_SIGNALS[:2]):
        raise NoImage(
            contents.path,
            "it holds neither an amplitude nor a phase of the piezoresponse.",
            format=contents.format,
            hint="Run scanseg check on it to see its channels.",
        )
    said = says_which(tuple(taken.values()), contents.channels)
    return {
        signal: replace(each, signal=signal).open(contents.path, contents.format, warnings=said)
        for signal, each in taken.items()
    }


def read_channels(path: str | Path) -> tuple[Micrograph | Stack, ...]:
    """Read every image and movie of a file, in the order in which the file holds them."""
    return look_into(path).open_all()


def look_into(
    path: str | Path,
    *,
    channel: str | int | None = None,
    pixel_size_nm: float | tuple[float, float] | None = None,
) -> Contents:
    """Find out what is in a file, and which of it would be read; the arguments are ``read``'s."""
    given = _given_calibration(pixel_size_nm)
    file, reader, channels = _open(path)
    note = read_sidecar(file)
    size, origin = (given, "given") if given is not None else (note.pixel_size_nm, "sidecar")
    if size is not None:
        channels = [_calibrated(each, size, origin) for each in channels]
    wanted = channel if channel is not None else note.channel
    taken = choose(channels, wanted, path=file, format=reader.format)
    if note.signal is not None:
        named = replace(taken, signal=note.signal)
        channels = [named if each is taken else each for each in channels]
        taken = named
    return Contents(file, reader.format, tuple(channels), taken, by_rule=wanted is None)


def format_names() -> tuple[str, ...]:
    """Formats that can be read, sorted."""
    return tuple(sorted(reader.format for reader in readers() if reader.readable))


def image_suffixes() -> frozenset[str]:
    """Extensions, lower case, of the formats that can be read."""
    known = (reader.suffixes for reader in readers() if reader.readable)
    return frozenset(suffix for suffixes in known for suffix in suffixes)


def _calibrated(channel: Channel, pixel_size_nm: tuple[float, float], origin: str) -> Channel:
    metadata: dict[str, Any] = {**channel.metadata, "calibration": origin}
    if channel.pixel_size_nm is not None:
        metadata["file_pixel_size_nm"] = channel.pixel_size_nm
    return replace(channel, pixel_size_nm=pixel_size_nm, metadata=metadata)


def _open(path: str | Path) -> tuple[Path, Reader, Sequence[Channel]]:
    file = Path(path)
    reader = _reader_of_folder(file) if file.is_dir() else _recognise(file, _first_bytes(file))
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


def _reader_of_folder(folder: Path) -> Reader:
    if not is_image_folder(folder):
        raise LoadError(folder, "this is a folder.", hint="Give a file.")
    return next(reader for reader in readers() if reader.format == OME_ZARR)


def _first_bytes(file: Path) -> bytes:
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for, for ever
            raise LoadError(file, "this is a pipe or a device.", hint="Give a file.")
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
        is_usual = file.suffix.lower() in image_suffixes()
        ends_in = f" although it ends in {file.suffix}" if is_usual else ""
        raise NotRecognised(
            file,
            f"no reader knows its first bytes {header[:12]!r}{ends_in}.",
            hint="Export it as TIFF, or see the list of formats in the manual.",
        )
    suffix = file.suffix.lower()
    return next((reader for reader in fitting if suffix in reader.suffixes), fitting[0])


def _given_calibration(
    pixel_size_nm: float | tuple[float, float] | None,
) -> tuple[float, float] | None:
    try:
        return None if pixel_size_nm is None else as_pixel_size_nm(pixel_size_nm)
    except ValueError as error:
        raise ConfigError(
            f"{error}.", hint="Give the distance between two pixels in nanometres."
        ) from None
