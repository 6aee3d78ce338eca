"""Atom columns of files, found and true, scored frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanseg.errors import ConfigError
from scanseg.evaluate.columns import ColumnScore, score_columns
from scanseg.evaluate.results import ImageResults, pixel_size_of, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_tables", "score_column_files", "shape_of_results"]


def score_column_files(
    found: ImageResults,
    truth: ImageResults,
    *,
    pixel_size_nm: tuple[float, float] | None = None,
    radius_px: float | None = None,
    radius_nm: float | None = None,
    counts_per_unit: float | None = None,
) -> ColumnScore:
    """Score the columns of an image over the frames whose truth is known.

    Parameters
    ----------
    found, truth
        Results with tables of atoms.
    pixel_size_nm
        (y, x); overrides what the tables say.
    radius_px, radius_nm, counts_per_unit
        As for ``score_columns``.

    Raises
    ------
    ConfigError
        When a table has no positions in pixels, or a radius in nm meets no pixel size.
    """
    import pandas as pd

    found_table, truth_table = column_tables(found, truth)
    size = pixel_size_nm or pixel_size_of(truth_table) or pixel_size_of(found_table)
    frames = sorted(set(truth_table["frame"])) or [0]
    return sum(
        (
            score_columns(
                pd.DataFrame(found_table[found_table["frame"] == frame]),
                pd.DataFrame(truth_table[truth_table["frame"] == frame]),
                shape=shape_of_results(found),
                pixel_size_nm=size,
                radius_px=radius_px,
                radius_nm=radius_nm,
                counts_per_unit=counts_per_unit,
            )
            for frame in frames
        ),
        ColumnScore(),
    )


def column_tables(found: ImageResults, truth: ImageResults) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of found and true columns of an image, with positions in pixels."""
    tables = []
    for results in (found, truth):
        table = read_table(results.files["atoms"], image=results.image)
        if "y_px" not in table:
            raise ConfigError(
                f"{results.files['atoms']} has positions in nm alone.",
                hint="Add y_px and x_px, the centre of pixel (0, 0) being the origin.",
            )
        tables.append(table)
    return tables[0], tables[1]


def shape_of_results(found: ImageResults) -> tuple[int, int] | None:
    """(height, width) from the class map beside the table, without loading it."""
    from scanseg.readers import look_into

    if "class_map" not in found.files:
        return None
    return look_into(found.files["class_map"]).taken.shape
