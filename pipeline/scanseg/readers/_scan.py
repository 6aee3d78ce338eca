"""Channels of one PFM scan become one image with companions; what does not fit stays out, aloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from scanseg.micrograph import Micrograph, Stack
from scanseg.readers._channel import Channel
from scanseg.readers._choice import PFM_SIGNALS, rivals, says_which

__all__ = ["of_other_shape", "open_scan"]


def open_scan(
    taken: Sequence[Channel], channels: Sequence[Channel], *, path: Path, format: str
) -> Micrograph | Stack:
    """Open the channels of a scan together.

    Parameters
    ----------
    taken
        Amplitude, phase and topography, those of them that are there, all of one shape.
    channels
        All of the file.

    Returns
    -------
    image
        The amplitude, or the phase where there is none, with the others as companions. A channel
        that holds a single value says nothing of the sample and is left out. Of a movie the first
        channel alone.
    """
    if any(each.n_frames > 1 for each in taken):
        leading = taken[0]
        return leading.open(path, format, warnings=says_which([leading], channels))
    opened = [(each, each.open(path, format).frame(0)) for each in taken]
    flat = [each for each, image in opened if not _varies(image)]
    kept = [pair for pair in opened if pair[0] not in flat]
    if not any(each.signal in PFM_SIGNALS[:2] for each, _ in kept):
        kept, flat = opened[:1], []  # nothing to see: whoever takes the image says so
    (_, first), *others = kept
    said = (
        *(text for _, image in kept for text in image.warnings),
        *of_other_shape(taken, channels),
        *(f"{_name(each)} has the same value everywhere, so it is left out." for each in flat),
        *says_which([each for each, _ in kept], channels, others=rivals(taken, channels)),
    )
    return replace(
        first,
        warnings=tuple(dict.fromkeys(said)),
        companions={image.signal: image for _, image in others},
    )


def of_other_shape(taken: Sequence[Channel], channels: Sequence[Channel]) -> tuple[str, ...]:
    """Tell of what signal there are channels, but none on the raster of the scan."""
    height, width = taken[0].shape
    missing = [signal for signal in PFM_SIGNALS if all(each.signal != signal for each in taken)]
    strangers = [next((c for c in channels if c.signal is signal), None) for signal in missing]
    return tuple(
        f"{_name(each)} has {each.shape[0]} x {each.shape[1]} pixels, not "
        f"{height} x {width}, so it is left out."
        for each in strangers
        if each is not None
    )


def _name(channel: Channel) -> str:
    return channel.name or str(channel.signal)


def _varies(image: Micrograph) -> bool:
    finite = image.data[np.isfinite(image.data)]
    return finite.size > 0 and bool(finite.min() < finite.max())
