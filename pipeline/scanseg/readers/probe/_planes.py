"""Scanning probe files: what their channels are called, and how their planes of numbers lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import RealImage, Signal
from scanseg.readers._channel import Channel
from scanseg.readers._safety import check_extent, check_fits_memory

__all__ = [
    "ProbeName",
    "lines_of",
    "number",
    "probe_channel",
    "probe_facts",
    "stored_plane",
    "told_apart",
    "unfinished_rows",
]

# What is measured, by the words of a name; the first that fits. Feedback errors and the two parts
# of a lock-in come before the amplitude and the phase whose names they hold.
_QUANTITIES = (
    ("error", r"error"),
    ("in-phase", r"(?<!lock[-_ ])\bin[ _-]?phase"),
    ("quadrature", r"quadrature|quad\b"),
    ("phase", r"phase|\bpha\b"),
    ("amplitude", r"(?<![a-z])amp(litude|l)?(?![a-z])"),
    ("height", r"height|topo|z[ _-]?sensor|z[ _-]?axis|z[ _-]?detector|\bz\b"),
    ("deflection", r"defl"),
    ("frequency", r"freq"),
    ("potential", r"potential|bias"),
    ("current", r"current"),
    ("friction", r"friction|lateral|\blfm\b"),
    ("input", r"user[ _-]?(in|calc)"),
)
_DIRECTIONS = (("retrace", r"retrace|backward"), ("trace", r"trace|forward"))
_PIEZORESPONSE = r"\bpr\b|pfm|piezo"


@dataclass(frozen=True, slots=True)
class ProbeName:
    """What the name of a channel says.

    Parameters
    ----------
    quantity
        ``height``, ``amplitude``, ``phase``, ``deflection``, ``frequency``, ``potential``,
        ``current``, ``friction``, ``error``, ``in-phase``, ``quadrature``, ``input``, or empty.
    direction
        ``trace``, ``retrace``, or empty.
    line
        ``nap`` for the second pass over a line, else ``main``.
    lateral
        Whether the sideways twist of the cantilever was measured.
    """

    quantity: str
    direction: str = ""
    line: str = "main"
    lateral: bool = False

    @classmethod
    def of(cls, name: str) -> ProbeName:
        """Read a name.

        Examples
        --------
        >>> ProbeName.of("NapPhase1Retrace")
        ProbeName(quantity='phase', direction='retrace', line='nap', lateral=False)
        >>> ProbeName.of("LatAmplitudeTrace").lateral, ProbeName.of("Amplitude Error").quantity
        (True, 'error')
        """
        words = re.sub(
            r"(?<=[a-z])(?=[A-Z])", " ", name
        )  # "NapPhase1Retrace" has capitals for gaps
        return cls(
            _first_match(_QUANTITIES, words),
            _first_match(_DIRECTIONS, words),
            "nap" if re.search(r"\bnap\b|interleave|\blift\b", words, re.IGNORECASE) else "main",
            bool(re.search(r"\blat(eral)?\b", words, re.IGNORECASE)),
        )


def _first_match(table: Sequence[tuple[str, str]], text: str) -> str:
    return next((word for word, p in table if re.search(p, text, re.IGNORECASE)), "")


def probe_channel(
    name: str,
    shape: tuple[int, int],
    load: Callable[[], RealImage],
    *,
    unit: str,
    pixel_size_nm: tuple[float, float] | None,
    mode: str = "",
    direction: str = "",
    line: str = "",
    bytes_per_pixel: int = 4,
    calibration: str = "vendor",
    metadata: Mapping[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
) -> Channel:
    """Make the channel of a scan.

    Parameters
    ----------
    name
        As the file has it; it tells the quantity.
    shape
        (height, width).
    load
        Returns the values in ``unit``, row 0 on top.
    unit
        Of the values; empty where the file gives none.
    mode
        Imaging mode as the file has it. Only a PFM scan has a piezoresponse.
    direction, line
        Where the file gives them apart from the name: ``trace`` or ``retrace``, ``main`` or
        ``nap``.
    """
    signal, facts = probe_facts(name, unit=unit, mode=mode, direction=direction, line=line)
    return Channel(
        name=name,
        shape=shape,
        load=lambda index: load(),
        bytes_per_pixel=bytes_per_pixel,
        pixel_size_nm=pixel_size_nm,
        signal=signal,
        metadata={**facts, "calibration": calibration, **(metadata or {})},
        warnings=warnings,
    )


def probe_facts(
    name: str, *, unit: str, mode: str = "", direction: str = "", line: str = ""
) -> tuple[Signal, dict[str, Any]]:
    """Signal of a channel, and its entries in the metadata."""
    said = ProbeName.of(name)
    is_pfm = re.search(_PIEZORESPONSE, f"{mode} {name}", re.IGNORECASE) is not None
    return _signal(said.quantity, is_pfm), {
        "name": name,
        "unit": unit,
        "quantity": said.quantity,
        "direction": direction or said.direction,
        "line": line or said.line,
        "lateral": said.lateral,
        "mode": mode,
    }


def _signal(quantity: str, is_pfm: bool) -> Signal:
    """Signal of a quantity; tapping has amplitudes and phases too, which are no piezoresponse."""
    if quantity == "height":
        return Signal.TOPOGRAPHY
    if is_pfm and quantity == "amplitude":
        return Signal.PFM_AMPLITUDE
    if is_pfm and quantity == "phase":
        return Signal.PFM_PHASE
    return Signal.UNKNOWN


def told_apart(channels: Sequence[Channel]) -> Sequence[Channel]:
    """Put the direction behind names that several channels share, then the line, then a number.

    A Nanoscope file holds two channels "Height": the trace and the retrace of another pass, whose
    means differ by 1.2 µm.
    """
    for key in ("direction", "line"):
        n_named = Counter(each.name for each in channels)
        channels = [
            replace(each, name=f"{each.name} {each.metadata[key]}")
            if n_named[each.name] > 1 and each.metadata.get(key) not in (None, "", "main")
            else each
            for each in channels
        ]
    seen: Counter[str] = Counter()
    numbered = []
    for each in channels:
        seen[each.name] += 1
        n = seen[each.name]
        numbered.append(replace(each, name=f"{each.name} {n}") if n > 1 else each)
    return numbered


def stored_plane(
    path: Path,
    format: str,
    *,
    offset: int,
    dtype: str,
    shape: tuple[int, int],
) -> Callable[[], NDArray[Any]]:
    """Plane of numbers that lies uncompressed in a file, after a check that it lies there at all.

    Parameters
    ----------
    offset
        First byte.
    dtype
        With its byte order, "<f4".
    shape
        (rows, columns) as stored.
    """
    stored = np.dtype(dtype)
    if offset < 0 or min(shape) < 1:
        raise ValueError(f"a plane of {shape[0]} x {shape[1]} pixels at byte {offset}")
    n_bytes = prod(shape) * stored.itemsize
    check_extent(path, format, offset + n_bytes, path.stat().st_size)
    check_fits_memory(path, format, n_bytes)
    return lambda: np.fromfile(path, stored, count=prod(shape), offset=offset).reshape(shape)


def number(text: object, default: float | None = None) -> float:
    """First number of a text such as "500 nm", finite.

    Raises
    ------
    ValueError
        Where there is none and no default.
    """
    found = re.search(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", str(text), re.IGNORECASE)
    value = float(found[0]) if found else float("nan")
    if isfinite(value):
        return value
    if default is None:
        raise ValueError(f"no number in {str(text)[:40]!r}")
    return default


def unfinished_rows(image: RealImage) -> tuple[str, ...]:
    """Warn of rows at the end of a scan that hold one value each: the scan was stopped there."""
    is_flat = (image == image[:, :1]).all(axis=1)
    if is_flat.all() or image.shape[1] < 8:
        return ()
    n_rows = max(_n_leading(is_flat), _n_leading(is_flat[::-1]))
    if n_rows < 2:
        return ()
    return (
        f"{n_rows} rows at an edge hold one value each: the scan was stopped, or the signal was "
        "out of range.",
    )


def _n_leading(flags: NDArray[np.bool_]) -> int:
    return int(np.argmin(flags)) if not flags.all() else len(flags)


def lines_of(text: str) -> Iterator[str]:
    """Lines of a header, whatever ends them."""
    return (line for line in re.split(r"\r\n|\r|\n", text) if line.strip())
