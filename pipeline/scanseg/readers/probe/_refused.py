"""Scanning probe formats that are known by their bytes and refused: none is guessed at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads

__all__: list[str] = []

EXPORT_HINT = "Open it in Gwyddion and save it as .gwy."
FORMATS = (
    (
        "Nanonis grid",
        (".3ds",),
        (b"Grid dim=",),
        "it holds a spectrum at every position, and an image has one value.",
        "Save one slice or a fitted parameter of the grid as image.",
    ),
    (
        "NT-MDT",
        (".mdt",),
        (b"\x01\xb0\x93\xff",),
        "it is not read, since nothing at hand tells for certain which way up its images are.",
        EXPORT_HINT,
    ),
    (
        "Digital Surf",
        (".sur", ".pro"),
        (b"DSCOMPRESSED", b"DIGITAL SURF"),
        "this format of profilers is not read.",
        EXPORT_HINT,
    ),
)


def _refuses(format: str, reason: str, hint: str) -> Callable[[Path], Sequence[Channel]]:
    def refuse(path: Path) -> Sequence[Channel]:
        raise Unsupported(path, reason, format=format, hint=hint)

    return refuse


for _format, _suffixes, _starts, _reason, _hint in FORMATS:
    reads(_format, *_suffixes, starts_with=_starts, readable=False)(
        _refuses(_format, _reason, _hint)
    )
