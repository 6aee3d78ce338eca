"""What the names of scanning probe channels say: quantity, direction, pass, and so the signal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scanseg.micrograph import Signal

__all__ = ["ProbeName", "probe_facts"]

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
