"""Points and lines of labels: our own tables, napari's CSV, GeoJSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scanseg.errors import ConfigError
from scanseg.evaluate.results import read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_positions"]

# What napari calls the columns of a shapes layer.
_NAPARI = {"index": "branch", "vertex-index": "point"}


def read_positions(path: Path, *, pixel_size_nm: tuple[float, float] | None) -> pd.DataFrame:
    """Read points, or points of lines, of one image.

    Parameters
    ----------
    path
        A CSV with ``y_px, x_px`` (or ``y_nm, x_nm``), a CSV of napari with ``axis-0, axis-1`` in
        pixels, or GeoJSON. ``class`` or ``species`` says what it is, ``visible`` whether it must be
        found, ``branch`` and ``point`` which line a point is of.
    pixel_size_nm
        (y, x), for positions in nm.

    Returns
    -------
    table
        ``y_px, x_px, class, visible`` and, for lines, ``branch, point``; class 1 where the file
        names none.

    Raises
    ------
    ConfigError
        When there are no positions, or they are in nm and the image has no pixel size.
    """
    import pandas as pd

    table = _of_napari(path) if path.suffix.lower() == ".csv" else None
    table = read_table(path) if table is None else table
    if "frame" in table and table["frame"].nunique() > 1:
        raise ConfigError(
            f"{path.name} has labels of {table['frame'].nunique()} frames, and one image is asked "
            "for.",
            hint="Export the frames as images, each with its own labels.",
        )
    if "y_px" not in table:
        if pixel_size_nm is None:
            raise ConfigError(
                f"{path.name} has positions in nm, and the image has no pixel size.",
                hint="Add y_px and x_px, or calibrate the image with a note beside it.",
            )
        table["y_px"] = table["y_nm"] / pixel_size_nm[0]
        table["x_px"] = table["x_nm"] / pixel_size_nm[1]
    if not all(pd.api.types.is_numeric_dtype(table[name]) for name in ("y_px", "x_px")):
        raise ConfigError(f"{path.name} has positions that are no numbers.", hint="Export it anew.")
    if table[["y_px", "x_px"]].isna().to_numpy().any():
        raise ConfigError(f"{path.name} has rows without a position.", hint="Remove them.")
    if "class" not in table:
        table["class"] = table.get("species", 1)
    if "visible" not in table:
        table["visible"] = True
    return table.reset_index(drop=True)


def _of_napari(path: Path) -> pd.DataFrame | None:
    """A table of napari with our names, or None where it is not one."""
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path.name} cannot be read as a table: {error}.") from None
    axes = sorted(str(name) for name in table.columns if str(name).startswith("axis-"))
    if len(axes) < 2 or "y_px" in table:
        return None
    table = table.rename(columns={axes[-2]: "y_px", axes[-1]: "x_px", **_NAPARI})
    if len(axes) > 2:
        table["frame"] = table[axes[-3]]
    return table
