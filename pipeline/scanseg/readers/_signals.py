"""The signal of a channel, from the words a file has for its detector."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scanseg.micrograph import Signal
from scanseg.readers.probe._names import probe_facts

__all__ = ["signal_of", "signals_of_channels"]

# The order matters: "HAADF" holds "ADF", and "ABF" holds "BF". Digits and segment letters follow
# the name directly (Velox: "DF2", "BF-S", "HAADF 0085").
_WORDS = (
    (Signal.HAADF, r"HAADF"),
    (Signal.ABF, r"ABF"),
    (Signal.ADF, r"[ML]?AADF|ADF|DF|dark[ _-]?field"),
    (Signal.BF, r"BF|bright[ _-]?field"),
)


def signal_of(*texts: object) -> Signal:
    """What was detected, from the first text that names a detector.

    Examples
    --------
    >>> signal_of("SuperScan (HAADF) 3"), signal_of("004_ABF_movie"), signal_of("Ceta")
    (<Signal.HAADF: 'HAADF'>, <Signal.ABF: 'ABF'>, <Signal.UNKNOWN: 'UNKNOWN'>)
    """
    for text in texts:
        for signal, word in _WORDS:
            if re.search(rf"(?<![A-Za-z])(?:{word})(?![A-Za-z])", str(text), re.IGNORECASE):
                return signal
    return Signal.UNKNOWN


def signals_of_channels(names: Sequence[str]) -> tuple[Signal, ...]:
    """What was detected in each channel of one file.

    An amplitude beside a phase is taken for a scan of the piezoresponse: channels of plain files
    carry nothing else that would tell.

    Examples
    --------
    >>> [str(signal) for signal in signals_of_channels(["Amplitude", "Phase", "Height"])]
    ['PFM_AMPLITUDE', 'PFM_PHASE', 'TOPOGRAPHY']
    >>> [str(signal) for signal in signals_of_channels(["HAADF", "Phase", ""])]
    ['HAADF', 'UNKNOWN', 'UNKNOWN']
    """
    pair = {Signal.PFM_AMPLITUDE, Signal.PFM_PHASE}
    as_pfm = [probe_facts(name, unit="", mode="PFM")[0] for name in names]
    as_named = [probe_facts(name, unit="", mode="")[0] for name in names]
    scan = as_pfm if pair <= set(as_pfm) else as_named
    if not pair & set(scan):  # a "z" is the slice of a stack then, no height
        scan = [Signal.UNKNOWN] * len(names)
    detectors = [signal_of(name) for name in names]
    return tuple(
        probe if detector is Signal.UNKNOWN else detector
        for probe, detector in zip(scan, detectors, strict=True)
    )
