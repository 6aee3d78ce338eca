"""Sample images that napari offers under File > Open Sample."""

from __future__ import annotations

from importlib.resources import as_file, files

from scanseg.napari_plugin.content import LayerTuple
from scanseg.napari_plugin.reading import read_image

__all__ = ["pfm", "stem"]


def stem() -> list[LayerTuple]:
    """A grain boundary in strontium titanate."""
    return _sample("strontium_titanate_grain_boundary.tif")


def pfm() -> list[LayerTuple]:
    """Amplitude, phase and topography of twins with 180-degree domains."""
    return _sample("pfm_twins.tif")


def _sample(name: str) -> list[LayerTuple]:
    with as_file(files("scanseg.sample_data") / name) as path:
        return read_image(path)
