"""Channels of scanning probe files, each with a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scanseg.micrograph import RealImage
from scanseg.readers._channel import Channel
from scanseg.readers.probe._names import probe_facts

__all__ = ["probe_channel", "told_apart"]


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
