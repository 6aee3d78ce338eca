"""Atom columns of files, found and true, scored frame by frame."""

from __future__ import annotations

from scanseg.errors import ConfigError
from scanseg.evaluate.columns import ColumnScore, score_columns
from scanseg.evaluate.results import ImageResults, pixel_size_of, read_table

__all__ = ["score_column_files"]


def score_column_files(
    found: ImageResults,
    truth: ImageResults,
    *,
    pixel_size_nm: tuple[float, float] | None = None,
    radius_px: float | None = None,
    radius_nm: float | None = None,
) -> ColumnScore:
    """Score the columns of an image over the frames whose truth is known.

    Parameters
    ----------
    found, truth
        Results with tables of atoms.
    pixel_size_nm
        (y, x); overrides what the tables say.
    radius_px, radius_nm
        As for ``score_columns``.

    Raises
    ------
    ConfigError
        When a table has no positions in pixels, or a radius in nm meets no pixel size.
    """
    import pandas as pd

    found_table = read_table(found.files["atoms"], image=found.image)
    truth_table = read_table(truth.files["atoms"], image=truth.image)
    for results, table in ((found, found_table), (truth, truth_table)):
        if "y_px" not in table:
            raise ConfigError(
                f"{results.files['atoms']} has positions in nm alone.",
                hint="Add y_px and x_px, the centre of pixel (0, 0) being the origin.",
            )
    size = pixel_size_nm or pixel_size_of(truth_table) or pixel_size_of(found_table)
    if radius_nm is not None and size is None:
        raise ConfigError(
            f"No pixel size of {found.name} is known, so {radius_nm:g} nm is no distance in it.",
            hint="Give --pixel-size-nm, or a radius in pixels.",
        )
    frames = sorted(set(truth_table["frame"])) or [0]
    return sum(
        (
            score_columns(
                pd.DataFrame(found_table[found_table["frame"] == frame]),
                pd.DataFrame(truth_table[truth_table["frame"] == frame]),
                shape=_shape(found),
                pixel_size_nm=size,
                radius_px=radius_px,
                radius_nm=radius_nm,
            )
            for frame in frames
        ),
        ColumnScore(),
    )


def _shape(found: ImageResults) -> tuple[int, int] | None:
    """(height, width) from the class map beside the table, without loading it."""
    from scanseg.readers import look_into

    if "class_map" not in found.files:
        return None
    return look_into(found.files["class_map"]).taken.shape
