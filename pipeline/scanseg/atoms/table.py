"""The table of atom columns that users publish from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scanseg.atoms.find import Detection, find_columns
from scanseg.atoms.refine import Refinement, refine_columns
from scanseg.config import Config
from scanseg.inference import Prediction

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AtomConfig", "find_atoms"]


class AtomConfig(Config):
    """From a prediction to a table of columns."""

    detection: Detection = Detection()
    """When a top of the probability map is a column."""
    refinement: Refinement = Refinement()
    """How positions are refined."""


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
        calibration), ``class``, ``probability``, ``y_err_px``, ``x_err_px`` (one standard
        deviation), ``amplitude``, ``sigma_px``, ``background`` (in the image's units), ``at_edge``,
        ``fit_ok``. Columns that could not be fitted keep the position that the network gave,
        without error bars.

    Notes
    -----
    Left out is what the network saw at the border but is no column of this image: a flank whose
    centre the fit finds more than 4 % of the spacing outside, and what could not be fitted on the
    outermost pixels (see `inside` of :class:`scanseg.atoms.RefinedColumns`).
    """
    from pandas import DataFrame

    config = config or AtomConfig()
    candidates = find_columns(result, config=config.detection)
    spacing_px = result.spacing.spacing_px if result.spacing else _model_spacing_px(result)
    refined = refine_columns(
        result.image.data,
        candidates.position_px,
        class_index=candidates.class_index - 1,
        spacing_px=spacing_px,
        config=config.refinement,
    )
    names = np.array(result.model.contract.class_names)
    kept = refined.inside
    y_px, x_px = refined.position_px[kept].T
    y_err_px, x_err_px = refined.position_err_px[kept].T
    size = result.image.pixel_size_nm or (np.nan, np.nan)
    return DataFrame(
        {
            "atom": np.arange(len(y_px)),
            "y_px": y_px,
            "x_px": x_px,
            "y_nm": y_px * size[0],
            "x_nm": x_px * size[1],
            "class": names[candidates.class_index[kept]],
            "probability": candidates.probability[kept],
            "y_err_px": y_err_px,
            "x_err_px": x_err_px,
            "amplitude": refined.amplitude[kept],
            "sigma_px": refined.sigma_px[kept],
            "background": refined.background[kept],
            "at_edge": refined.at_edge[kept],
            "fit_ok": refined.fit_ok[kept],
        }
    )


def _model_spacing_px(result: Prediction) -> float:
    """Spacing in image pixels that a given grid supposes."""
    return float(result.model.contract.spacing_px / np.sqrt(np.prod(result.grid.scale)))
