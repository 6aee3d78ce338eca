"""Simulated images as files that are read like measured ones, each with its truth beside it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scanseg.micrograph import FloatImage, Micrograph
from scanseg.simulate.pfm import PfmScene, SimulatedPfm
from scanseg.simulate.stem import SimulatedStem
from scanseg.writers import write, write_array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["columns_table", "true_points_table", "write_pfm", "write_stem"]


def write_stem(simulated: SimulatedStem, stem: Path) -> None:
    """Write ``<stem>.tif`` with its calibration and ``<stem>_atoms.csv`` with the truth."""
    write_array(
        _smallest_type(simulated.image),
        stem.with_suffix(".tif"),
        pixel_size_nm=(simulated.pixel_size_nm, simulated.pixel_size_nm),
        signal=simulated.signal,
        title=f"simulated: {simulated.description}",
    )
    columns_table(simulated).to_csv(
        stem.with_name(stem.name + "_atoms.csv"), index=False, float_format="%.6f"
    )


def write_pfm(simulated: SimulatedPfm, stem: Path, *, config: PfmScene | None = None) -> None:
    """Write a scan and its truth.

    Parameters
    ----------
    simulated
        The scan.
    stem
        ``<stem>.tif`` holds the channels that there are, ``<stem>_class_map.tif`` the class of each
        pixel (255 where a wall is too faint to tell), ``<stem>_wall_points.csv`` the walls.
    config
        What the scan was drawn from: it says from which contrast on a wall is visible.
    """
    first, *others = [
        replace(each, data=_as_recorded(each.data), channel=name)
        for each, name in zip(simulated.micrographs().values(), _names(simulated), strict=True)
    ]
    scan: Micrograph = replace(first, companions={each.signal: each for each in others})
    title = f"simulated: {simulated.description}"
    image = stem.with_name(f"{stem.name}.tif")
    write(scan, image, title=title)
    write_array(
        simulated.class_map,
        stem.with_name(f"{stem.name}_class_map.tif"),
        pixel_size_nm=(simulated.pixel_size_nm, simulated.pixel_size_nm),
        title=f"{title}, classes of walls",
    )
    points = true_points_table(simulated, config=config, image=image.name)
    digits = _digits(simulated.pixel_size_nm)
    points.round(digits).to_csv(stem.with_name(f"{stem.name}_wall_points.csv"), index=False)


def columns_table(simulated: SimulatedStem) -> pd.DataFrame:
    """Where every column is: ``y_px, x_px, y_nm, x_nm, species, visible``."""
    import pandas as pd

    position_nm = simulated.position_px * simulated.pixel_size_nm
    return pd.DataFrame(
        {
            "y_px": simulated.position_px[:, 0],
            "x_px": simulated.position_px[:, 1],
            "y_nm": position_nm[:, 0],
            "x_nm": position_nm[:, 1],
            "species": simulated.species,
            "visible": simulated.visible,
        }
    )


def true_points_table(
    simulated: SimulatedPfm, *, config: PfmScene | None = None, image: str = "", frame: int = 0
) -> pd.DataFrame:
    """Points of every wall in order along it, in the columns of found ones.

    ``visible`` takes the place of ``probability``. The two sides of a lamella that is narrower than
    the tip are one line, as in the class map.
    """
    import pandas as pd

    contrast = (config or PfmScene()).visible_contrast
    walls = simulated.drawn_walls
    # Contours have a point at every edge of a pixel: each second one is 1.4 px from the last.
    kept = [np.unique([*range(0, len(w.position_px), 2), len(w.position_px) - 1]) for w in walls]
    count = [len(which) for which in kept]
    lines = [wall.position_px[which] for wall, which in zip(walls, kept, strict=True)]
    shown = [wall.contrast[which] >= contrast for wall, which in zip(walls, kept, strict=True)]
    position = np.concatenate([np.empty((0, 2)), *lines])
    return pd.DataFrame(
        {
            "image": image,
            "frame": frame,
            "branch": np.repeat(np.arange(len(walls)), count),
            "point": np.concatenate([np.empty(0, int), *(np.arange(n) for n in count)]),
            "y_px": position[:, 0],
            "x_px": position[:, 1],
            "y_nm": position[:, 0] * simulated.pixel_size_nm,
            "x_nm": position[:, 1] * simulated.pixel_size_nm,
            "class": np.repeat(np.array([wall.kind for wall in walls], object), count),
            "visible": np.concatenate([np.empty(0, bool), *shown]),
        }
    )


def _names(simulated: SimulatedPfm) -> list[str]:
    """Names of the channels that there are, as an instrument would call them."""
    channels = {
        "amplitude": simulated.amplitude_pm,
        "phase": simulated.phase_deg,
        "topography": simulated.topography_nm,
    }
    return [name for name, data in channels.items() if data is not None]


def _digits(pixel_size_nm: float) -> dict[str, int]:
    """Decimals that keep positions to 0.001 px: noise moves found ones a hundred times as far."""
    nm = max(0, math.ceil(-math.log10(0.002 * pixel_size_nm)))
    return {"y_px": 3, "x_px": 3, "y_nm": nm, "x_nm": nm}


def _smallest_type(image: Any) -> Any:
    """Counts as 16-bit integers where these hold them exactly: half the size, and usual."""
    whole = image.min() >= 0 and image.max() < 2**16 and np.array_equal(image, np.rint(image))
    return image.astype(np.uint16) if whole else image


def _as_recorded(image: FloatImage) -> FloatImage:
    """Values to 12 bits, off by 1/8000 at most where noise is 1/50: files shrink to half."""
    mantissa, exponent = np.frexp(image)
    return np.asarray(np.ldexp(np.rint(mantissa * 2**12) / 2**12, exponent), np.float32)
