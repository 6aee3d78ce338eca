"""Prediction of PFM scans: all channels at once, pixel by pixel as measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scanseg.bundle import Model
from scanseg.errors import ScansegError
from scanseg.inference._segment import planes_source, segment
from scanseg.inference.engines import Engine
from scanseg.inference.familiarity import scan_statistics, unfamiliar
from scanseg.inference.prediction import Prediction
from scanseg.inference.settings import InferenceConfig
from scanseg.micrograph import Micrograph, RealImage, Signal
from scanseg.preprocess import Grid
from scanseg.preprocess.scan import scan_planes

__all__ = ["as_scan", "predict_scan", "varying_channels"]

_NAMES = {
    Signal.PFM_AMPLITUDE: "amplitude",
    Signal.PFM_PHASE: "phase",
    Signal.TOPOGRAPHY: "topography",
}


def predict_scan(
    image: Micrograph, model: Model, engine: Engine, config: InferenceConfig
) -> Prediction:
    """Apply a network for walls to a scan.

    Raises
    ------
    ScansegError
        When the scan has neither amplitude nor phase, or nothing varies in them.
    """
    scan, warnings = as_scan(image, model.name)
    channels = varying_channels(scan)
    planes = scan_planes(channels)
    grid = Grid(scan.shape, scan.shape)
    contract = model.contract
    if config.augment == "dihedral":
        # Quarter turns would make columns of rows, along which alone an instrument jumps.
        config = config.model_copy(update={"augment": "flips"})
    found = segment(planes_source(planes), grid, engine, contract, config=config)
    # Class by class in bytes: their sum does not fit into one.
    foreground = found.foreground.sum(0, dtype=np.uint16).astype(np.float32) / np.float32(255)
    if (foreground < contract.threshold).all():
        warnings += ("No domain wall was seen.",)
    return Prediction(
        image=scan,
        model=model,
        grid=grid,
        spacing=None,
        intensity=None,
        foreground=found.foreground,
        spread=found.spread,
        engine=engine.description,
        warnings=(
            *scan.warnings,
            *_left_out(scan, channels),
            *warnings,
            *unfamiliar(scan_statistics(planes, foreground), contract.familiar),
        ),
    )


def as_scan(image: Micrograph, model_name: str) -> tuple[Micrograph, tuple[str, ...]]:
    """The image with signals that a model for walls knows, and what must be said of that."""
    said: tuple[str, ...] = ()
    if image.signal is Signal.UNKNOWN and Signal.PFM_AMPLITUDE not in image.companions:
        image = replace(image, signal=Signal.PFM_AMPLITUDE)
        said = ("The file does not tell what was detected: the image was taken for an amplitude.",)
    others = sorted(str(signal) for signal in image.channels() if signal not in _NAMES)
    if others:
        raise ScansegError(
            f"'{model_name}' is for scans of a force microscope, and this is {others[0]}.",
            hint="Choose a model for it, or correct its signal in a note beside the file.",
        )
    return image, said


def varying_channels(scan: Micrograph) -> dict[Signal, RealImage]:
    """Channels that hold more than one value: to a network, a constant one is a missing one."""
    channels = {signal: each.data for signal, each in scan.channels().items()}
    varying = {signal: data for signal, data in channels.items() if _varies(data)}
    responses = [_NAMES[signal] for signal in channels if signal is not Signal.TOPOGRAPHY]
    if responses and set(varying) <= {Signal.TOPOGRAPHY}:
        raise ScansegError(
            f"The scan has the same {' and '.join(responses)} everywhere, so there is nothing to "
            "see.",
            hint="Choose another channel, or another file.",
        )
    return varying


def _varies(data: RealImage) -> bool:
    measured = data[np.isfinite(data)]
    return bool(measured.size and measured.min() < measured.max())


def _left_out(scan: Micrograph, used: Mapping[Signal, RealImage]) -> tuple[str, ...]:
    """What the network did not get to see, and what that means."""
    said = tuple(
        f"The {_NAMES[signal]} is the same everywhere and was left out."
        for signal in scan.channels()
        if signal not in used
    )
    if Signal.PFM_PHASE in used:
        return said
    return (
        *said,
        "The scan has no phase, so classes of walls were told by their looks in the amplitude "
        "alone.",
    )
