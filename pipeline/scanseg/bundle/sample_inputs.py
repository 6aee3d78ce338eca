"""Inputs that look like what a network sees in use: the sample images, prepared for it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np

from scanseg.bundle.model import Model
from scanseg.errors import BundleError
from scanseg.micrograph import FloatImage, Micrograph, Signal
from scanseg.preprocess import Grid, Window, measure_range, normalise, resample_window
from scanseg.preprocess.scan import SCAN_PLANES, scan_planes
from scanseg.preprocess.spacing import estimate_lattice_spacing

__all__ = ["sample_inputs"]

# Cut out of the middle, about; not square, and of several sizes, so that no size is built in.
SHAPES_PX = ((192, 256), (256, 160), (320, 224))
_SAMPLES = {
    "STEM": ("mos2_vacancies.tif", "strontium_titanate_grain_boundary.tif"),
    "PFM": ("pfm_labyrinth.tif", "pfm_twins.tif"),
}


def sample_inputs(model: Model) -> Iterator[FloatImage]:
    """The test input of a bundle, then cuts of sample images, shape (N, channels, h, w) each."""
    try:
        stored = np.load(model.test_input_path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"The test input of '{model.name}' cannot be read: {error}.",
            hint="Copy or download the whole folder again.",
        ) from None
    yield stored
    contract = model.contract
    if contract.modality == "PFM" and contract.channels != SCAN_PLANES:
        return  # a network for planes of its own; only its test input is known
    names = _SAMPLES[contract.modality]
    for name, shape in zip(names, SHAPES_PX, strict=False):
        planes = _prepared(_sample(name), model)
        yield np.ascontiguousarray(_cut(planes, shape, contract.size_multiple_px)[None])


def _sample(name: str) -> Micrograph:
    from scanseg.readers import read

    image = read(Path(str(files("scanseg.sample_data") / name)))
    assert isinstance(image, Micrograph)  # the samples are single images
    return image


def _prepared(image: Micrograph, model: Model) -> FloatImage:
    """Planes (channels, height, width) at the sampling of a model."""
    contract = model.contract
    if contract.normalisation is None:
        scan = image.channels()
        return scan_planes({signal: scan[signal].data for signal in Signal if signal in scan})
    intensity = measure_range(image.data, contract.normalisation)
    spacing = estimate_lattice_spacing(image.data, intensity)
    scale = contract.spacing_px / spacing.spacing_px if spacing else 1.0
    grid = Grid.at_scale(image.shape, scale)
    sampled = resample_window(image.data, grid, Window(0, 0, *grid.shape), intensity)
    return normalise(sampled, intensity, contract.normalisation)[None]


def _cut(planes: FloatImage, shape: tuple[int, int], multiple_px: int) -> FloatImage:
    height, width = (-(-side // multiple_px) * multiple_px for side in shape)
    missing = [
        max(0, side - have) for side, have in zip((height, width), planes.shape[1:], strict=True)
    ]
    padded = np.pad(planes, ((0, 0), (0, missing[0]), (0, missing[1])), mode="symmetric")
    return padded[:, :height, :width]
