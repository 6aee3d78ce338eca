"""Everything that is measured on the walls of a scan, as users ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.errors import ScansegError
from scanseg.walls.domains import domains_table, map_domains
from scanseg.walls.graph import WallGraph
from scanseg.walls.settings import WallTracing
from scanseg.walls.table import wall_points_table, walls_table
from scanseg.walls.trace import TracedWall, trace_lines

if TYPE_CHECKING:
    from pandas import DataFrame

    from scanseg.inference import Prediction

__all__ = ["Walls", "trace_walls"]


@dataclass(frozen=True, slots=True, eq=False)
class Walls:
    """The walls and domains of a scan of shape (H, W).

    Parameters
    ----------
    points
        One row a point, see :func:`scanseg.walls.wall_points_table`.
    branches
        One row a wall, see :func:`scanseg.walls.walls_table`.
    domains
        One row a domain, see :func:`scanseg.walls.domains_table`.
    graph
        Branches of the skeleton and the nodes they meet at, in the order of ``branches``.
    lines
        The walls themselves, in the order of ``branches``.
    domain_map
        Number of the domain of each pixel, 0 where nothing was measured; int32, shape (H, W).
    """

    points: DataFrame
    branches: DataFrame
    domains: DataFrame
    graph: WallGraph
    lines: tuple[TracedWall, ...]
    domain_map: NDArray[np.int32]


def trace_walls(prediction: Prediction, *, config: WallTracing | None = None) -> Walls:
    """Trace every domain wall of a predicted scan, and the domains between them.

    Parameters
    ----------
    prediction
        Of a model for walls, see :func:`scanseg.predict`.
    config
        How probabilities become walls.

    Raises
    ------
    ScansegError
        When the prediction is one of atoms.
    """
    contract = prediction.model.contract
    if contract.task != "walls":
        raise ScansegError(
            f"The model {contract.name} finds {contract.task}, not walls.",
            hint="Predict with a model for walls, or pass the result to scanseg.find_atoms.",
        )
    config = config or WallTracing()
    if config.threshold is None:
        config = config.model_copy(update={"threshold": contract.threshold})
    image = prediction.image
    scan = image.channels()
    lines, graph = trace_lines(prediction.probability, scan, config=config)
    mapped = map_domains(lines, graph, scan, config=config.domains)
    size, names = image.pixel_size_nm, contract.class_names
    return Walls(
        points=wall_points_table(lines, class_names=names, pixel_size_nm=size),
        branches=walls_table(lines, class_names=names, shape=image.shape, pixel_size_nm=size),
        domains=domains_table(mapped, pixel_size_nm=size),
        graph=graph,
        lines=lines,
        domain_map=mapped.domain,
    )
