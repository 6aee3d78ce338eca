"""Labelled images of atom columns as a network sees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.bundle import Model
from scanseg.inference import Engine
from scanseg.inference.sampling import choose_sampling
from scanseg.micrograph import FloatImage, Signal
from scanseg.preprocess import (
    Grid,
    IntensityRange,
    Window,
    measure_range,
    normalise,
    resample_window,
)
from scanseg.train.atom_artefacts import disturb_atoms
from scanseg.train.atom_patches import AtomPatch
from scanseg.train.augment import augment, build_augmentation, mirror_border
from scanseg.train.labelled import LabelledColumns, LabelledImage
from scanseg.train.labels import IGNORED, draw_labels
from scanseg.train.recipe import AtomRecipe

__all__ = ["LabelledAtoms", "view_atoms"]

# As many columns say how far they are apart; quartiles of a lattice lie this close (the sampling of
# images without labels uses the same limit for clear columns).
ENOUGH = 8
REGULAR = 0.6
# Single atoms are far apart; what is near one is not at the distance of the next.
FARTHEST = 1.5
# Tries to find a crop that has labels in it.
TRIES = 10
# Pixels of the grid over those of the image at which noise is shown. Farther away it is averaged
# and looks the same again; closer up the search for a sampling does not go.
NOISE_SCALES = (0.25, 1.8)


class LabelledAtoms:
    """See ``scanseg.train.task.LabelledView``.

    Parameters
    ----------
    labelled
        Image and columns.
    grid
        Sampling at which columns have the spacing of the model.
    intensity
        Range of the image, and whether its columns are dark.
    recipe
        Of the model.
    """

    def __init__(
        self, labelled: LabelledImage, grid: Grid, intensity: IntensityRange, recipe: AtomRecipe
    ) -> None:
        self.labelled, self.grid = labelled, grid
        self._intensity, self._recipe = intensity, recipe
        self._augmentation = build_augmentation(recipe.augmentation, recipe.normalisation)

    def patch(
        self, grid: Grid, window: Window, rng: np.random.Generator | None = None
    ) -> AtomPatch:
        """A window of the image on a grid, and the columns in it; ``rng`` draws artefacts."""
        recipe, columns = self._recipe, _columns(self.labelled)
        sampled = resample_window(self.labelled.image.data, grid, window, self._intensity)
        position = grid.to_grid(columns.position_px) - (window.top, window.left)
        labelled = _window_of(self.labelled.labelled, grid, window)
        intensity = self._intensity
        if rng is not None and recipe.artefacts:
            sampled, warp = disturb_atoms(
                sampled, rng, recipe.artefacts,
                spacing_px=recipe.spacing_px * grid.scale[0] / self.grid.scale[0],
                dark_columns=intensity.dark_columns,
            )  # fmt: skip
            measured = measure_range(sampled, recipe.normalisation)  # dirt may be brighter
            intensity = replace(measured, dark_columns=intensity.dark_columns)
            if warp is not None:
                position = warp.moved(position)
                labelled = warp.labels(labelled.astype(np.uint8)) == 1
        class_map = draw_labels(
            (window.height, window.width), position, columns.class_index, columns.visible,
            recipe.labels,
        )  # fmt: skip
        class_map[~labelled] = IGNORED
        pixel = np.rint(position).astype(int)
        inside = np.flatnonzero(((pixel >= 0) & (pixel < class_map.shape)).all(axis=1))
        inside = inside[labelled[tuple(pixel[inside].T)]]
        visible = columns.visible[inside]
        nearest = _nearest(position[columns.visible])
        spacing = float(np.median(nearest)) if len(nearest) else float("nan")
        return AtomPatch(
            image=normalise(sampled, intensity, recipe.normalisation)[None],
            class_map=class_map,
            position_px=position[inside],
            visible=visible,
            spacing_px=min(spacing, FARTHEST * recipe.spacing_px),
            snr=float("nan"),
        )

    def crop(self, rng: np.random.Generator) -> tuple[FloatImage, NDArray[np.uint8]]:
        """A crop at any sampling that the network knows, in any orientation, augmented."""
        recipe = self._recipe
        side = recipe.patch_px
        for _ in range(TRIES):
            # As in simulated images, all the spacings that a sampling is looked for at: a network
            # that has learned one of them alone sees columns where there are none at others, and
            # the sampling is taken at which most are seen.
            closest, farthest = recipe.scene.spacing_px
            spacing = closest * (farthest / closest) ** rng.uniform()
            grid = _scaled(self.grid, spacing / recipe.spacing_px)
            top, left = (
                int(rng.integers(max(length - side, 0) + 1)) for length in grid.shape
            )  # fmt: skip
            patch = self.patch(grid, Window(top, left, side, side), rng)
            if (patch.class_map != IGNORED).any():
                break
        image, class_map = patch.image[0], patch.class_map
        turns = int(rng.integers(4))
        image, class_map = np.rot90(image, turns), np.rot90(class_map, turns)
        if rng.uniform() < 0.5:
            image, class_map = image[:, ::-1], class_map[:, ::-1]
        image, class_map = augment(
            np.ascontiguousarray(image), np.ascontiguousarray(class_map), self._augmentation,
            recipe.normalisation, seed=int(rng.integers(2**31)),
        )  # fmt: skip
        if rng.uniform() < recipe.mirrored_border:
            image, class_map = mirror_border(image, class_map, rng, deepest_px=32)
        return image[None], class_map

    def noise(self, rng: np.random.Generator) -> tuple[FloatImage, NDArray[np.uint8]]:
        """Pixels of the image in any order, at any sampling; all of it is background.

        As many counts as there are in the image, and no column. A network that has learned columns
        that hardly stand out of the noise would see them in it.
        """
        recipe, side = self._recipe, self._recipe.patch_px
        low, high = NOISE_SCALES
        scale = low * (high / low) ** rng.uniform()
        length = int(np.ceil(side / scale))
        values = self.labelled.image.data
        values = values[np.isfinite(values)]
        strewn = rng.choice(values, size=(length, length)).astype(np.float32)
        intensity = replace(
            measure_range(strewn, recipe.normalisation), dark_columns=self._intensity.dark_columns
        )
        grid = Grid((length, length), (side, side))
        sampled = resample_window(strewn, grid, Window(0, 0, side, side), intensity)
        image = normalise(sampled, intensity, recipe.normalisation)
        return image[None], np.zeros((side, side), np.uint8)


def view_atoms(
    labelled: LabelledImage, model: Model, engine: Engine, recipe: AtomRecipe
) -> LabelledAtoms:
    """Sample a labelled image for a model.

    Labels that keep a distance say what the sampling is, also where the model does not see the
    columns; single atoms do not, and the image is sampled as for a prediction.
    """
    image = labelled.image
    intensity = measure_range(image.data, recipe.normalisation)
    spacing_px = _spacing_px(_columns(labelled))
    if spacing_px is None:
        sampled = choose_sampling(image, model, engine, intensity)
        return LabelledAtoms(labelled, sampled.grid, sampled.intensity, recipe)
    dark = image.signal.has_dark_columns
    if image.signal is Signal.UNKNOWN:
        dark = _are_dark(labelled)
    aspect = _aspect(image.pixel_size_nm)
    scale = recipe.spacing_px / spacing_px
    grid = Grid.at_scale(image.shape, (scale * aspect, scale / aspect))
    return LabelledAtoms(labelled, grid, replace(intensity, dark_columns=dark), recipe)


def _columns(labelled: LabelledImage) -> LabelledColumns:
    assert labelled.columns is not None  # labels of atoms have them
    return labelled.columns


def _spacing_px(columns: LabelledColumns) -> float | None:
    """Distance of nearest columns in pixels of the image; None where they keep none."""
    nearest = _nearest(columns.position_px[columns.visible])
    if len(nearest) < ENOUGH:
        return None
    lower, middle, upper = np.percentile(nearest, (25, 50, 75))
    return float(middle) if upper - lower <= REGULAR * middle else None


def _are_dark(labelled: LabelledImage) -> bool:
    """Whether the image is darker on its columns than elsewhere."""
    columns, data = _columns(labelled), labelled.image.data
    pixel = np.rint(columns.position_px[columns.visible]).astype(int)
    pixel = np.clip(pixel, 0, np.array(data.shape) - 1)
    return bool(np.nanmean(data[tuple(pixel.T)]) < np.nanmean(data))


def _window_of(mask: NDArray[np.bool_], grid: Grid, window: Window) -> NDArray[np.bool_]:
    """A window of a mask on a grid, nearest pixel; False beyond the grid."""
    rows, columns = (
        np.floor((np.arange(start, start + length) + 0.5) / scale).astype(int)
        for start, length, scale in zip(window[:2], window[2:], grid.scale, strict=True)
    )
    taken = mask[
        np.clip(rows, 0, mask.shape[0] - 1)[:, None], np.clip(columns, 0, mask.shape[1] - 1)
    ]
    inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None]
    return np.asarray(taken & inside & (columns >= 0) & (columns < mask.shape[1]))


def _nearest(position: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(position) < 2:
        return np.empty(0)
    distance, _ = cKDTree(position).query(position, k=2)
    return np.asarray(distance[:, 1], np.float64)


def _scaled(grid: Grid, factor: float) -> Grid:
    return Grid.at_scale(grid.image_shape, (grid.scale[0] * factor, grid.scale[1] * factor))


def _aspect(pixel_size_nm: tuple[float, float] | None) -> float:
    """Factor along y, and inverse along x, that makes the pixels of an image square."""
    if pixel_size_nm is None:
        return 1.0
    return float(np.sqrt(pixel_size_nm[0] / pixel_size_nm[1]))
