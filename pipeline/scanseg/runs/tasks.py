"""The kinds of results a run can have, and the names of their files and columns.

Importing this module loads nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ATOMS", "TABLES", "TASKS", "WALLS", "Task", "occurring"]


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of result.

    Parameters
    ----------
    name
        As models call it; also the word for what is found.
    tables
        Tables of an image, and of the run as a whole.
    numbers
        Columns of images.csv. Rows may have more, such as those of single classes.
    files
        Other files of an image that only this kind has.
    """

    name: str
    tables: tuple[str, ...]
    numbers: tuple[str, ...]
    files: tuple[str, ...] = ()


ATOMS = Task("atoms", ("atoms.csv",), ("spacing_px", "spacing_nm", "n_atoms"))
WALLS = Task(
    "walls",
    ("walls.csv", "wall_points.csv", "domains.csv"),
    ("n_walls", "n_domains", "wall_length_px", "wall_length_nm", "wall_density_um_per_um2"),
    ("walls.geojson",),
)
TASKS = (ATOMS, WALLS)
TABLES = tuple(name for task in TASKS for name in task.tables)


def occurring(names: Iterable[str]) -> tuple[Task, ...]:
    """The tasks of some results, in one order; a run without any has the tables of atoms, empty.

    Examples
    --------
    >>> [task.name for task in occurring(["walls", "atoms", "walls"])]
    ['atoms', 'walls']
    """
    found = set(names)
    return tuple(task for task in TASKS if task.name in found) or (ATOMS,)
