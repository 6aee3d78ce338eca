"""Which objects need a look first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["suspects"]


def suspects(features: Any) -> NDArray[np.intp]:
    """Rows of a table, the least certain first, as the report of a run orders them.

    Parameters
    ----------
    features
        A DataFrame with ``probability`` and perhaps ``fit_ok``; what could not be fitted comes
        before all else, what a person has placed comes last.

    Examples
    --------
    >>> import pandas as pd
    >>> suspects(pd.DataFrame({"probability": [0.9, 0.2, 0.8], "fit_ok": [True, True, False]}))
    array([2, 1, 0])
    """
    n_rows = len(features)
    certainty = np.ones(n_rows)
    if "probability" in features:
        certainty = np.nan_to_num(np.asarray(features["probability"], float), nan=2.0)
    if "fit_ok" in features:
        column = features["fit_ok"]
        if column.dtype.kind != "b":  # empty cells of atoms that a person has placed
            column = column.fillna(True).astype(bool)
        fitted = column.to_numpy()
        certainty = np.where(fitted, certainty, certainty - 1)
    if "status" in features:
        placed = ~features["status"].isin(["", np.nan, None]).to_numpy()
        certainty = np.where(placed, 3.0, certainty)
    return np.argsort(certainty, kind="stable")
