"""Simulated scans with domain walls for training, the same for the same seed and number.

Patch *n* of a seed depends on nothing else, see ``atom_patches``. A scan is simulated once for
several patches, since simulating takes as long as training on it; these are spread over a group of
scans, so that a step seldom sees the same scan twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from scanseg.micrograph import FloatImage, RealImage, Signal
from scanseg.preprocess.scan import SCAN_PLANES, scan_planes
from scanseg.simulate.pfm import SimulatedPfm, simulate_pfm
from scanseg.train.augment import mirror_border
from scanseg.train.recipe import WallRecipe
from scanseg.train.task import Example, Patch

__all__ = ["SimulatedWalls", "WallPatch", "draw_wall_patch", "turned"]

SCANS_A_GROUP = 32
# Planes that turn over with the polarity, and those that turn over with the sign of the phase.
POLAR = tuple(
    SCAN_PLANES.index(name) for name in SCAN_PLANES if name.startswith(("phase", "contrast"))
)
ODD = tuple(SCAN_PLANES.index(name) for name in ("phase_sin", "contrast_across"))


@dataclass(frozen=True, slots=True, eq=False)
class WallPatch(Patch):
    """A patch and what decides how hard it is.

    Parameters
    ----------
    image, class_map
        See ``Patch``.
    complete
        Whether amplitude, phase and topography are all there.
    noise
        S.d. of the noise over the typical amplitude.
    """

    complete: bool
    noise: float


def draw_wall_patch(rng: np.random.Generator, recipe: WallRecipe) -> WallPatch:
    """Simulate a scan and bring it to a network's input."""
    scan = simulate_pfm(rng, shape=(recipe.patch_px, recipe.patch_px), config=recipe.scene)
    channels = _channels(scan)
    typical = float(np.median(np.abs(scan.response[::2, ::2])))
    return WallPatch(
        image=scan_planes(channels),
        class_map=scan.class_map,
        complete=len(channels) == 3,
        noise=scan.noise / max(typical, 1e-9),
    )


def _channels(scan: SimulatedPfm) -> dict[Signal, RealImage]:
    return {signal: image.data for signal, image in scan.micrographs().items()}


class SimulatedWalls(Dataset[Example]):
    """Patches of a recipe, drawn when they are asked for.

    Parameters
    ----------
    recipe
        What to draw.
    numbers
        Which patches of the recipe's stream.
    """

    def __init__(self, recipe: WallRecipe, numbers: Sequence[int]) -> None:
        self._recipe = recipe
        self._numbers = numbers
        self._scans: dict[int, WallPatch] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Example:
        """Network input (6, height, width) and class map (height, width)."""
        number = self._numbers[index]
        recipe = self._recipe
        group, place = divmod(number, SCANS_A_GROUP * recipe.uses)
        order = np.random.default_rng((recipe.seed, group, 1)).permutation(
            SCANS_A_GROUP * recipe.uses
        )
        scan = self._scan(group * SCANS_A_GROUP + int(order[place]) // recipe.uses)
        rng = np.random.default_rng((recipe.seed, number, 2))
        image, class_map = turned(scan.image, scan.class_map, rng)
        if rng.uniform() < recipe.mirrored_border:
            image, class_map = mirror_border(image, class_map, rng, deepest_px=32)
        return (
            torch.from_numpy(np.ascontiguousarray(image)),
            torch.from_numpy(class_map.astype(np.int64)),
        )

    def _scan(self, number: int) -> WallPatch:
        """A scan of this or the last group, simulated when it is first asked for."""
        if number not in self._scans:
            oldest = (number // SCANS_A_GROUP - 1) * SCANS_A_GROUP
            self._scans = {n: scan for n, scan in self._scans.items() if n >= oldest}
            rng = np.random.default_rng((self._recipe.seed, number, 0))
            self._scans[number] = draw_wall_patch(rng, self._recipe)
        return self._scans[number]


def turned(
    image: FloatImage, class_map: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[FloatImage, NDArray[np.uint8]]:
    """Mirror along either axis, and turn over polarity and sign of the phase.

    Quarter turns would make columns of rows, along which alone an instrument jumps.
    """
    if rng.uniform() < 0.5:
        image, class_map = image[:, ::-1], class_map[::-1]
    if rng.uniform() < 0.5:
        image, class_map = image[:, :, ::-1], class_map[:, ::-1]
    image = image.copy()
    if rng.uniform() < 0.5:
        image[list(POLAR)] *= -1
    if rng.uniform() < 0.5:
        image[list(ODD)] *= -1
    return image, class_map
