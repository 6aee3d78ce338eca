"""The table of atom columns that users publish from."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from scanseg.atoms.find import find_columns
from scanseg.atoms.refine import refine_columns
from scanseg.atoms.settings import AtomConfig
from scanseg.inference import Prediction
from scanseg.micrograph import Mask

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["find_atoms"]

Value = TypeVar("Value", bound=np.generic)


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
        gave, without error bars.

    Notes
    -----
    Left out is what the network saw at the border but is no column of this image: a flank whose
    centre the fit finds more than 4 % of the spacing outside, and what could not be fitted on the
    outermost pixels (see `inside` of :class:`scanseg.atoms.RefinedColumns`).
    """
    from pandas import Categorical, DataFrame, Index

    config = config or AtomConfig()
    candidates = find_columns(result, config=config.detection)
    spacing_px = result.spacing.spacing_px if result.spacing else _model_spacing_px(result)
    refined = refine_columns(
        result.image.data,
        candidates.position_px,
        class_index=candidates.class_index,
        spacing_px=spacing_px,
        config=config.refinement,
    )
    kept = refined.inside
    y_px, x_px = _those(kept, refined.position_px).T
    y_err_px, x_err_px = _those(kept, refined.position_err_px).T
    size = result.image.pixel_size_nm or (np.nan, np.nan)
    names = Index(result.model.contract.class_names[1:])
    return DataFrame(
        {
            "atom": np.arange(len(y_px)),
            "y_px": y_px,
            "x_px": x_px,
            "y_nm": y_px * size[0],
            "x_nm": x_px * size[1],
            "class": Categorical.from_codes(
                _those(kept, candidates.class_index) - 1, categories=names
            ),
            "probability": _those(kept, candidates.probability),
            "y_err_px": y_err_px,
            "x_err_px": x_err_px,
            "amplitude": _those(kept, refined.amplitude),
            "sigma_px": _those(kept, refined.sigma_px),
            "background": _those(kept, refined.background),
            "at_edge": _those(kept, refined.at_edge),
            "fit_ok": _those(kept, refined.fit_ok),
        },
        copy=False,
    )


def _those(kept: Mask, values: NDArray[Value]) -> NDArray[Value]:
    """Rows that are kept, moved together in place: millions of them are not held twice."""
    count = int(kept.sum())
    if count < len(kept):
        values[:count] = values[kept]
    return values[:count]


def _model_spacing_px(result: Prediction) -> float:
    """Spacing in image pixels that a given grid supposes."""
    return float(result.model.contract.spacing_px / np.sqrt(np.prod(result.grid.scale)))
