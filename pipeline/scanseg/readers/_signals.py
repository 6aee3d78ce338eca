"""The signal of a channel, from the words a file has for its detector."""

from __future__ import annotations

import re

from scanseg.micrograph import Signal

__all__ = ["signal_of"]

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
