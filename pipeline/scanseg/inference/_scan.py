"""Prediction of PFM scans: all channels at once, pixel by pixel as measured."""

from __future__ import annotations

import numpy as np

from scanseg.bundle import Model
from scanseg.errors import ScansegError
from scanseg.inference._segment import planes_source, segment
from scanseg.inference.engines import Engine
from scanseg.inference.familiarity import scan_statistics, unfamiliar
from scanseg.inference.prediction import Prediction
from scanseg.inference.settings import InferenceConfig
from scanseg.micrograph import Micrograph, Signal
from scanseg.preprocess import Grid
from scanseg.preprocess.scan import scan_planes

__all__ = ["predict_scan"]

SCAN_SIGNALS = (Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY)


def predict_scan(
    image: Micrograph, model: Model, engine: Engine, config: InferenceConfig
) -> Prediction:
    """Apply a network for walls to a scan.

    Raises
    ------
    ScansegError
        When the scan has neither amplitude nor phase.
    """
    image, warnings = _as_scan(image, model)
    channels = image.channels()
    planes = scan_planes({signal: each.data for signal, each in channels.items()})
    grid = Grid(image.shape, image.shape)
    contract = model.contract
    found = segment(planes_source(planes), grid, engine, contract, config=config)
    # Class by class in bytes: their sum does not fit into one.
    foreground = found.foreground.sum(0, dtype=np.uint16).astype(np.float32) / np.float32(255)
    statistics = scan_statistics(planes, foreground)
    if (foreground < contract.threshold).all():
        warnings += ("No domain wall was seen.",)
    return Prediction(
        image=image,
        model=model,
        grid=grid,
        spacing=None,
        intensity=None,
        foreground=found.foreground,
        spread=found.spread,
        engine=engine.description,
        warnings=(*image.warnings, *warnings, *unfamiliar(statistics, contract.familiar)),
    )


def _as_scan(image: Micrograph, model: Model) -> tuple[Micrograph, tuple[str, ...]]:
    """The image with signals that a model for walls knows, and what must be said of them."""
    if image.signal is Signal.UNKNOWN:
        taken = Micrograph(
            image.data,
            pixel_size_nm=image.pixel_size_nm,
            signal=Signal.PFM_AMPLITUDE,
            channel=image.channel,
            source=image.source,
            metadata=image.metadata,
            warnings=image.warnings,
        )
        return taken, (
            "The file does not tell what was detected: the image was taken for an amplitude.",
        )
    channels = image.channels()
    unknown = sorted(str(signal) for signal in channels if signal not in SCAN_SIGNALS)
    if unknown:
        raise ScansegError(
            f"'{model.name}' is for scans of a force microscope, and this is {unknown[0]}.",
            hint="Choose a model for it, or correct its signal in a note beside the file.",
        )
    if Signal.PFM_PHASE in channels:
        return image, ()
    return image, (
        "The scan has no phase, so classes of walls were told by their looks in the amplitude "
        "alone.",
    )
