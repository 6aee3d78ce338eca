"""An image and a model in, a prediction out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from scanseg.bundle import Model, ModelContract
from scanseg.errors import ConfigError
from scanseg.inference._scan import predict_scan
from scanseg.inference._segment import Segmentation, counts_source, segment
from scanseg.inference.engines import Engine, open_engine
from scanseg.inference.familiarity import column_statistics, unfamiliar
from scanseg.inference.prediction import Prediction
from scanseg.inference.sampling import Spacing, choose_sampling, probe_windows
from scanseg.inference.settings import InferenceConfig
from scanseg.micrograph import FloatImage, Micrograph, Stack, as_micrograph
from scanseg.preprocess import Grid, IntensityRange, measure_range

__all__ = ["predict"]

_PLAIN = InferenceConfig()
# Sides of the windows that tell whether an image is familiar: 16 columns, as many as in training.
FAMILIAR_PX = 128


def predict(
    image: Micrograph | ArrayLike,
    model: Model,
    *,
    pixel_size_nm: float | tuple[float, float] | None = None,
    grid: Grid | None = None,
    config: InferenceConfig = _PLAIN,
    engine: Engine | None = None,
    scratch: Path | None = None,
) -> Prediction:
    """Apply a trained network to an image.

    Parameters
    ----------
    image
        A micrograph, or an array of shape (height, width). Of a PFM scan all channels are used that
        the micrograph has: its own and its companions.
    model
        A model, see :func:`scanseg.load_model`.
    pixel_size_nm
        Calibration, one number or (y, x); overrides the image's own.
    grid
        How an image of atoms is sampled for the network; by default this is found out from the
        image.
    config
        Tiles and augmentation.
    engine
        What computes; opened for this call when None, so pass one when predicting many images.
    scratch
        Folder for maps that are too large for the memory; by default that of temporary files.

    Raises
    ------
    ScansegError
        When the image holds nothing to see, or the model needs other images.
    """
    if isinstance(image, Stack):
        raise ConfigError(
            f"This is a movie of {image.n_frames} frames, and a prediction is made of one image.",
            hint="Predict image.frame(0), or each of image.frames().",
        )
    measured = as_micrograph(image, pixel_size_nm=pixel_size_nm)
    contract = model.contract
    engine = engine or open_engine(model)
    if contract.task == "walls":
        return predict_scan(measured, model, engine, config)
    assert contract.normalisation is not None  # as models for atoms have one
    intensity = measure_range(measured.data, contract.normalisation)
    spacing: Spacing | None = None
    found: Segmentation | None = None
    warnings: tuple[str, ...] = ()
    if grid is None:
        sampled = choose_sampling(measured, model, engine, intensity)
        grid, spacing, warnings = sampled.grid, sampled.spacing, sampled.warnings
        intensity = sampled.intensity
        found = sampled.seen if config.augment == "none" else None
    elif grid.image_shape != measured.shape:
        raise ValueError(f"a grid for {grid.image_shape} and an image of {measured.shape}")
    else:
        intensity = replace(intensity, dark_columns=measured.signal.has_dark_columns)
    if found is None:
        source = counts_source(measured.data, grid, intensity, contract)
        found = segment(source, grid, engine, contract, config=config, scratch=scratch)
    if contract.familiar and spacing is not None and spacing.method != "none":
        seen = _views(measured, grid, intensity, found, contract)
        statistics = column_statistics(seen, spacing_px=contract.spacing_px)
        warnings += unfamiliar(statistics, contract.familiar)
    return Prediction(
        image=measured,
        model=model,
        grid=grid,
        spacing=spacing,
        intensity=intensity,
        foreground=found.foreground,
        spread=found.spread,
        engine=engine.description,
        warnings=(*measured.warnings, *warnings),
    )


def _views(
    image: Micrograph, grid: Grid, intensity: IntensityRange, found: Segmentation,
    contract: ModelContract,
) -> Iterator[tuple[FloatImage, FloatImage]]:  # fmt: skip
    """What the network got to see and made of it, in four windows of an image."""
    source = counts_source(image.data, grid, intensity, contract)
    for window in probe_windows(grid, 2, FAMILIAR_PX):
        top, left, height, width = window
        inside = slice(top, top + height), slice(left, left + width)
        foreground = found.foreground[:, *inside].sum(0, dtype=np.uint16)
        shape = foreground.shape
        yield (
            source(window)[0][: shape[0], : shape[1]],
            foreground.astype(np.float32) / np.float32(255),
        )
