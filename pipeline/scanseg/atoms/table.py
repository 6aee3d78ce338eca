"""The table of atom columns that users publish from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from scanseg.atoms.find import Candidates, find_columns
from scanseg.atoms.refine import RefinedColumns, refine_strips
from scanseg.atoms.settings import AtomConfig
from scanseg.inference import Prediction

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["find_atom_strips", "find_atoms"]


def find_atoms(result: Prediction, *, config: AtomConfig | None = None) -> DataFrame:
    """Find every atom column of a predicted image, to a fraction of a pixel.

    Parameters
    ----------
    result
        A prediction, see :func:`scanseg.predict`.
    config
        Detection and refinement.

    Returns
    -------
    atoms
        One row a column, from the top row of the image to the bottom: ``atom`` (number), ``y_px``,
        ``x_px`` (the centre of pixel (0, 0) is the origin), ``y_nm``, ``x_nm`` (empty without a
        calibration), ``class`` (categorical), ``probability``, ``y_err_px``, ``x_err_px`` (one
        standard deviation), ``amplitude``, ``sigma_px``, ``background`` (in the image's units),
        ``at_edge``, ``fit_ok``. Columns that could not be fitted keep the position that the network
        gave, without error bars, and so do vacancies. Where the model knows several classes also
        ``intensity_class`` and ``intensity_probability``, see
        :func:`scanseg.lattice.class_by_intensity`.

    Notes
    -----
    Left out is what the network saw at the border but is no column of this image: a flank whose
    centre the fit finds more than 4 % of the spacing outside, and what could not be fitted on the
    outermost pixels (see `inside` of :class:`scanseg.atoms.RefinedColumns`).
    """
    from pandas import concat

    strips = list(find_atom_strips(result, config=config))
    return strips[0] if len(strips) == 1 else concat(strips, ignore_index=True)


def find_atom_strips(
    result: Prediction, *, config: AtomConfig | None = None
) -> Iterator[DataFrame]:
    """The table of :func:`find_atoms` in parts, from the top of the image to the bottom.

    What is known of a column takes a hundred bytes, and an image of 32,768² has ten million.
    """
    config = config or AtomConfig()
    candidates = find_columns(result, config=config.detection)
    empty = np.array([each.empty for each in result.model.contract.classes])
    is_gap = empty[candidates.class_index]
    columns, gaps = candidates.select(~is_gap), candidates.select(is_gap)
    n_atoms = n_gaps = 0
    for place, refined in refine_strips(
        result.image.data,
        columns.position_px,
        class_index=columns.class_index,
        spacing_px=result.spacing.spacing_px if result.spacing else _model_spacing_px(result),
        config=config.refinement,
    ):
        strip = _as_table(result, columns, place, refined, first=n_atoms)
        if len(gaps.position_px):
            below = columns.position_px[place.stop :, 0]
            above = gaps.position_px[:, 0] < (below[0] if len(below) else np.inf)
            new = slice(n_gaps, int(above.sum()))
            n_gaps = new.stop
            strip = _merged(strip, _as_table(result, gaps, new, _unfitted(gaps, new), first=0))
        strip["atom"] = np.arange(n_atoms, n_atoms + len(strip))
        n_atoms += len(strip)
        yield _with_intensity_class(strip) if len(strip["class"].cat.categories) > 1 else strip


def _as_table(
    result: Prediction, candidates: Candidates, place: slice, refined: RefinedColumns, *, first: int
) -> DataFrame:
    """Those of some columns that belong to the image, numbered from ``first``."""
    from pandas import Categorical, DataFrame, Index

    kept = refined.inside
    y_px, x_px = refined.position_px[kept].T
    y_err_px, x_err_px = refined.position_err_px[kept].T
    size = result.image.pixel_size_nm or (np.nan, np.nan)
    names = Index(result.model.contract.class_names[1:])
    return DataFrame(
        {
            "atom": np.arange(first, first + len(y_px)),
            "y_px": y_px,
            "x_px": x_px,
            "y_nm": y_px * size[0],
            "x_nm": x_px * size[1],
            "class": Categorical.from_codes(
                candidates.class_index[place][kept] - 1, categories=names
            ),
            "probability": candidates.probability[place][kept],
            "y_err_px": y_err_px,
            "x_err_px": x_err_px,
            "amplitude": refined.amplitude[kept],
            "sigma_px": refined.sigma_px[kept],
            "background": refined.background[kept],
            "at_edge": refined.at_edge[kept],
            "fit_ok": refined.fit_ok[kept],
        },
        copy=False,
    )


def _unfitted(candidates: Candidates, place: slice) -> RefinedColumns:
    """What is known of candidates that are no columns: where they are."""
    position = candidates.position_px[place]
    unknown = np.full(len(position), np.nan, np.float32)
    never = np.zeros(len(position), bool)
    return RefinedColumns(
        position_px=position,
        position_err_px=np.full((len(position), 2), np.nan, np.float32),
        amplitude=unknown,
        sigma_px=unknown,
        background=unknown,
        residual=unknown,
        fit_ok=never,
        at_edge=never,
        inside=~never,
        n_iterations=np.zeros(len(position), np.uint16),
        noise=None,
    )


def _merged(columns: DataFrame, gaps: DataFrame) -> DataFrame:
    """Both tables, from top to bottom."""
    from pandas import concat

    if not len(gaps):
        return columns
    both = concat([columns, gaps], ignore_index=True) if len(columns) else gaps
    return both.sort_values("y_px", kind="stable", ignore_index=True)


def _with_intensity_class(strip: DataFrame) -> DataFrame:
    from scanseg.lattice import class_by_intensity

    return class_by_intensity(strip)


def _model_spacing_px(result: Prediction) -> float:
    """Spacing in image pixels that a given grid supposes."""
    return float(result.model.contract.spacing_px / np.sqrt(np.prod(result.grid.scale)))
