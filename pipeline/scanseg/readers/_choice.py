"""Which of several channels is the image: rules that need no option, and say what they took."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from scanseg.errors import NoImage
from scanseg.micrograph import Signal
from scanseg.readers._channel import Channel

__all__ = ["PFM_SIGNALS", "choose", "choose_pfm", "rivals", "says_which"]

# Atom columns are bright and separate in HAADF, so it leads; a detector that is named leads one
# that is not. Topography alone is no piezoresponse, and every force microscope stores one.
PREFERENCE = (
    Signal.HAADF,
    Signal.ADF,
    Signal.ABF,
    Signal.BF,
    Signal.PFM_AMPLITUDE,
    Signal.PFM_PHASE,
    Signal.UNKNOWN,
    Signal.TOPOGRAPHY,
)
PFM_SIGNALS = (Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY)


def choose(
    channels: Sequence[Channel], wanted: str | int | None, *, path: Path, format: str
) -> Channel:
    """Take a channel by name or number, or the one that leads.

    Parameters
    ----------
    channels
        All of the file, at least one.
    wanted
        A name (upper and lower case are alike), a number from 0, also as text, or None for the
        rule: real space before reciprocal, then by signal, retrace before trace, the main pass
        before interleaved ones, vertical before lateral, the largest, the first.

    Raises
    ------
    NoImage
        Where there is no such channel.
    """
    if wanted is None:
        # min() keeps the first of equals, so the order in the file is the last rule
        return min(channels, key=_rank)
    if isinstance(wanted, str):
        alike = [each for each in channels if each.name.casefold() == wanted.strip().casefold()]
        if alike:
            return alike[0]
    if isinstance(wanted, int) or wanted.strip().isdecimal():
        number = int(wanted)
        if 0 <= number < len(channels):
            return channels[number]
    raise NoImage(
        path,
        f"there is no channel {wanted!r}; the file has {_named(channels)}.",
        format=format,
        hint="Give one of these names, or its index counted from 0.",
    )


def choose_pfm(channels: Sequence[Channel]) -> tuple[Channel, ...]:
    """Amplitude, phase and topography of one pass over one raster, those of them that are there.

    The first that is found decides direction and raster for the others: a phase of the trace does
    not belong to an amplitude of the retrace, which is shifted against it.

    Examples
    --------
    >>> def channel(signal: Signal, direction: str) -> Channel:
    ...     facts = {"direction": direction}
    ...     return Channel(name="", signal=signal, shape=(8, 8), load=lambda i: ..., metadata=facts)
    >>> scan = [channel(signal, way) for way in ("trace", "retrace") for signal in PFM_SIGNALS]
    >>> [scan.index(each) for each in choose_pfm(scan)]
    [3, 4, 5]
    """
    taken: list[Channel] = []
    for signal in PFM_SIGNALS:
        found = [each for each in channels if each.signal is signal]
        if taken:
            found = [each for each in found if each.shape == taken[0].shape]
        if not found:
            continue
        like = _pass(taken[0]) if taken else None
        taken.append(min(found, key=lambda each: (_unlike(_pass(each), like), _rank(each))))
    return tuple(taken)


def _unlike(one: tuple[int, ...], other: tuple[int, ...] | None) -> tuple[bool, bool]:
    """Whether two channels are of different passes; of different sidebands, which matters less."""
    return (False, False) if other is None else (one[:3] != other[:3], one[3] != other[3])


def _rank(channel: Channel) -> tuple[bool, int, tuple[int, ...], int]:
    signal = PREFERENCE.index(channel.signal)
    return channel.reciprocal, signal, _pass(channel), -channel.n_pixels


def _pass(channel: Channel) -> tuple[int, ...]:
    """How far a channel is from the plain one: other line, sideways, other direction, sideband.

    Of trace and retrace, the retrace is what PFM is evaluated on by custom. The second of two
    sidebands of a dual-frequency scan comes after the first.
    """
    facts = channel.metadata
    direction = {"retrace": 0, "trace": 2}.get(str(facts.get("direction")), 1)
    sideband = re.search(r"(?i)(?:amp(?:litude)?|phase) ?(\d)", channel.name)
    return (
        int(facts.get("line", "main") != "main"),
        int(bool(facts.get("lateral"))),
        direction,
        int(sideband[1]) if sideband else 0,
    )


def says_which(
    taken: Sequence[Channel],
    channels: Sequence[Channel],
    *,
    others: Sequence[Channel] | None = None,
) -> tuple[str, ...]:
    """Tell what was taken where there was a choice, by default among all channels."""
    if others is None:
        others = [each for each in channels if not any(each is one for one in taken)]
    if not others:
        return ()
    was = "was" if len(taken) == 1 else "were"
    return (
        f"The file holds {len(channels)} channels: {_named(taken)} {was} taken, not "
        f"{_named(others)}. Choose another with channel=.",
    )


def rivals(taken: Sequence[Channel], channels: Sequence[Channel]) -> list[Channel]:
    """Amplitudes and phases that would have done as well: of the same line and direction.

    The second sideband of a dual-frequency scan, other passes, and what is no piezoresponse are no
    alternatives, so nothing need be said of them.
    """
    responses = [each for each in taken if each.signal in PFM_SIGNALS[:2]]
    if not responses:
        return []
    line, _, direction, sideband = _pass(responses[0])
    return [
        each
        for each in channels
        if each.signal in PFM_SIGNALS[:2]
        and not any(each is one for one in taken)
        and (_pass(each)[0], *_pass(each)[2:]) == (line, direction, sideband)
    ]


def _named(channels: Sequence[Channel], at_most: int = 8) -> str:
    names = [each.name or f"unnamed {each.shape[0]}x{each.shape[1]}" for each in channels]
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
