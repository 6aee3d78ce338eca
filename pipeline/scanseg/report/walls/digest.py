"""What the report needs of the tables of walls of an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WallDigest", "digest_walls"]


@dataclass(frozen=True, slots=True, eq=False)
class ClassTotal:
    """Walls of one class: their number and lengths; ``length_nm`` is NaN without calibration."""

    n_walls: int
    length_px: float
    length_nm: float


@dataclass(frozen=True, slots=True, eq=False)
class WallDigest:
    """Numbers of the walls of one image.

    Parameters
    ----------
    classes
        Totals of each class that occurs.
    walls
        ``class, length_*, width_*, orientation_deg`` of every so many-th wall.
    domains
        ``area_*`` of every so many-th domain that does not touch the edge.
    n_domains
        Domains, those at the edge included.
    mean_probability
        Along all walls; NaN where there are none.
    share_not_fitted
        Share of the length whose width was not measured, 0 to 1.
    doubtful_px
        (y, x) of the point of the first frame that is least certain, or None.
    """

    classes: dict[str, ClassTotal]
    walls: pd.DataFrame
    domains: pd.DataFrame
    n_domains: int = 0
    mean_probability: float = np.nan
    share_not_fitted: float = 0.0
    doubtful_px: tuple[float, float] | None = None

    @property
    def n_walls(self) -> int:
        """Walls of all classes."""
        return sum(total.n_walls for total in self.classes.values())

    @property
    def length_px(self) -> float:
        """Length of all walls."""
        return sum(total.length_px for total in self.classes.values())

    @property
    def length_nm(self) -> float:
        """Length of all walls; NaN without a calibration."""
        return sum(total.length_nm for total in self.classes.values())

    @property
    def doubt(self) -> float:
        """How uncertain the walls are, from 0; 0.5 where there are none."""
        if not self.n_walls:
            return 0.5
        return 1 - self.mean_probability + self.share_not_fitted / 4


def digest_walls(folder: Path, n_walls: int, n_sample: int) -> WallDigest:
    """Read ``walls.csv``, ``wall_points.csv`` and ``domains.csv`` of an image.

    Parameters
    ----------
    folder
        Where they are.
    n_walls
        About how many walls there are, from which the step of the sample follows.
    n_sample
        About how many walls the sample holds at most.
    """
    import pandas as pd

    walls = pd.read_csv(folder / "walls.csv")
    points = pd.read_csv(
        folder / "wall_points.csv", usecols=["frame", "y_px", "x_px", "probability"]
    )
    domains = pd.read_csv(folder / "domains.csv")
    step = max(1, -(-n_walls // n_sample))
    inside = domains[~domains["touches_edge"].astype(bool)]
    return WallDigest(
        classes={
            str(name): ClassTotal(
                len(group), group["length_px"].sum(), group["length_nm"].sum(skipna=False)
            )
            for name, group in walls.groupby("class")
        },
        walls=walls.filter(regex="^(class|length_.*|width_(px|nm)|orientation_deg)$")[::step],
        domains=inside.filter(regex="^area_")[::step],
        n_domains=len(domains),
        mean_probability=float(points["probability"].mean()),
        share_not_fitted=_share_not_fitted(walls),
        doubtful_px=_least_certain(points),
    )


def _share_not_fitted(walls: pd.DataFrame) -> float:
    length = float(walls["length_px"].sum())
    return float(walls["length_px"][walls["width_px"].isna()].sum()) / length if length else 0.0


def _least_certain(points: pd.DataFrame) -> tuple[float, float] | None:
    first = points[points["frame"] == 0].dropna(subset="probability")
    if first.empty:
        return None
    least = first.sort_values("probability").iloc[0]
    return float(least["y_px"]), float(least["x_px"])
