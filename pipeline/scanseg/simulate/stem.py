"""Atom-resolved STEM images with the exact position, species and visibility of every column.

The order is that of a microscope: a scene of columns, the probe that scans it, the electrons that
are counted. Dark-field images are incoherent: expected counts are the columns' cross-sections times
the dose, behind the probe, on a background. Bright-field-like images (ABF, BF) are a bright
background from which the columns take away.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat
from scipy import ndimage

from scanseg.config import Config
from scanseg.micrograph import FloatImage, Micrograph, Signal
from scanseg.simulate.columns import VACANCY, Columns, nearest_distance
from scanseg.simulate.crystals import crystal_names, sublattice_border, sublattice_of
from scanseg.simulate.graphene import grains_of
from scanseg.simulate.imaging import (
    Detector,
    Probe,
    count,
    draw_drift,
    render_columns,
    row_jitter,
    spread,
)
from scanseg.simulate.scenery import granular_field, smooth_field
from scanseg.simulate.scenes import Layout, Scene, build_scene

__all__ = ["Range", "SimulatedStem", "StemScene", "simulate"]


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("the lower number comes first")
    return limits


def _known(materials: tuple[str, ...]) -> tuple[str, ...]:
    for name in materials:
        if name not in crystal_names():
            near = difflib.get_close_matches(name, crystal_names(), n=3, cutoff=0.4)
            known = (
                f"near are {', '.join(near)}" if near else f"known: {', '.join(crystal_names())}"
            )
            raise ValueError(f"there is no crystal '{name}', {known}")
    return materials


def _any(weights: dict[Layout, float]) -> dict[Layout, float]:
    if not sum(weights.values()) > 0:
        raise ValueError("one of them must be drawn")
    return weights


Range = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ascending)]

# The field of view is rendered with this margin, so that Fourier wrap-round stays outside.
MARGIN_PX = 12
# A lone column has to stand out so much more than one of a lattice, which tells where to look.
LONE = 2.5
# A column weaker than this part of the strongest one beside it cannot be told from its flank.
FAINT = 0.07
# Columns closer than this many probe widths make one peak (Sparrow: 2 for equal ones).
UNRESOLVED = 2.15
# The atoms round a vacancy are 1 or, where two are missing, 1.3 bonds away; the next ones 1.7.
AROUND = 1.45


class StemScene(Config):
    """What is drawn, and from which ranges. A range is (low, high)."""

    materials: Annotated[tuple[str, ...], AfterValidator(_known)] = ()
    """Crystals to draw from, as ``SrTiO3[001]``; empty for all that are known."""
    random_lattice_fraction: float = Field(default=0.35, ge=0, le=1)
    """Part of the images that show a lattice of no known crystal."""
    monolayer_fraction: float = Field(default=0.25, ge=0, le=1)
    """Part of the images that show a monolayer (graphene, hBN, MX2), where no material is given."""
    layouts: Annotated[dict[Layout, NonNegativeFloat], AfterValidator(_any)] = {
        "crystal": 0.32,
        "grains": 0.16,
        "edge": 0.17,
        "particle": 0.14,
        "isolated": 0.11,
        "empty": 0.10,
    }
    """How often each layout is drawn, in any unit."""
    signal: Literal["dark-field", "bright-field", "any"] = "any"
    """Bright columns on dark (HAADF), dark on bright (ABF), or one in four of the latter."""
    spacing_px: Range = (7.0, 18.0)
    """Square root of the area a column takes, in pixels, drawn with equal weight a factor."""
    sigma_of_spacing: Range = (0.14, 0.38)
    """Width (s.d.) of a column over the distance of the nearest two."""
    counts_per_column: Range = (2.0, 8_000.0)
    """Counts of a typical column, drawn with equal weight a factor; used when no dose is given."""
    dose_e_per_a2: Range | None = None
    """Dose in electrons per square angstrom; sets the counts where it is given."""
    background_of_peak: Range = (0.02, 2.0)
    """Even background over the height of a typical column, drawn with equal weight a factor."""
    disorder: float = Field(default=1.0, ge=0)
    """Scales defects, displacements, dirt, scan distortion and detector faults; 0 is none."""
    defects: Literal["usual", "alloy", "graphene"] = "usual"
    """What is wrong with the crystals: what all of them have, the same with substituted columns on
    one sublattice alone, or silicon, vacancies and holes of a sheet of graphene."""
    dirt: float = Field(default=0.0, ge=0, le=1)
    """Part of the images with hydrocarbon on the crystal that is brighter than its columns."""
    visible_snr: NonNegativeFloat = 1.5
    """Signal-to-noise ratio from which a column counts as visible; a lone one needs more."""

    def magnified(self, factor: float) -> StemScene:
        """The same scene with ``factor`` times as many pixels a spacing."""
        low, high = self.spacing_px
        return self.model_copy(update={"spacing_px": (low * factor, high * factor)})


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedStem:
    """An image and its truth; N columns lie in the field of view.

    Parameters
    ----------
    image
        What the file would hold, shape (height, width).
    position_px
        (y, x), shape (N, 2).
    species
        Chemical symbols, shape (N,).
    sublattice
        ``heavy``, ``light``, or empty for a column between the two, shape (N,). See
        :func:`scanseg.simulate.crystals.sublattice_border`.
    peak
        Height above the surroundings in expected counts, shape (N,); negative for dark columns.
    snr
        Signal-to-noise ratio behind a matched filter, shape (N,); for a column among others that
        of a lone column with the same curvature at its top.
    visible
        Whether the column can be told from noise, flanks and speckle, shape (N,).
    vacancy_px
        Middle of the gaps where one atom or two are missing, (y, x), shape (V, 2). They are no
        columns.
    vacancy_visible
        Whether the atoms round the gap are there and seen well enough to tell, shape (V,).
    sigma_px
        Width of a column.
    spacing_px
        Distance of nearest visible columns: the median; nan without any pair.
    pixel_size_nm
        Along y and x alike.
    dose_e_per_a2
        Dose; nan where there is nothing to scatter.
    signal
        HAADF or ABF.
    description
        Layout and material.
    """

    image: FloatImage
    position_px: NDArray[np.float64]
    species: NDArray[np.str_]
    sublattice: NDArray[np.str_]
    peak: NDArray[np.float64]
    snr: NDArray[np.float64]
    visible: NDArray[np.bool_]
    vacancy_px: NDArray[np.float64]
    vacancy_visible: NDArray[np.bool_]
    sigma_px: float
    spacing_px: float
    pixel_size_nm: float
    dose_e_per_a2: float
    signal: Signal
    description: str

    def micrograph(self) -> Micrograph:
        """The image as a reader would return it."""
        return Micrograph(
            self.image,
            pixel_size_nm=(self.pixel_size_nm, self.pixel_size_nm),
            signal=self.signal,
            channel=self.signal.value,
            source=f"simulated: {self.description}",
        )


def simulate(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int] = (256, 256),
    config: StemScene | None = None,
) -> SimulatedStem:
    """Simulate one image.

    Parameters
    ----------
    rng
        Source of all randomness: the same state gives the same image.
    shape
        (height, width) in pixels.
    config
        What to draw.
    """
    config = config or StemScene()
    padded = (shape[0] + 2 * MARGIN_PX, shape[1] + 2 * MARGIN_PX)
    scene = build_scene(rng, padded, config)
    probe = _draw_probe(rng, scene, config)
    columns, position = _scan(rng, scene, padded, config)
    empty = columns.species == VACANCY
    gap, columns, position = position[empty], columns.select(~empty), position[~empty]
    typical = _typical_strength(columns)
    peak_counts = _typical_peak(rng, typical, probe, config)
    peak = columns.strength * (peak_counts / typical)
    bright_field = scene.bright_field

    jitter = _draw_jitter(rng, padded[0], scene.spacing_px, config)
    signal = spread(render_columns(padded, position, peak, probe.sigma_px, jitter), probe)
    background, speckle = _background(rng, scene, padded, peak_counts, probe, config)
    if bright_field:
        depth = rng.uniform(0.08, 0.5)
        level = peak_counts / depth
        expected = level * np.maximum(
            1.0 - depth * (signal + (background - background.mean())) / peak_counts, 0.05
        )
    else:
        expected = signal + background
    detector = _draw_detector(rng, expected, config)
    image = count(np.asarray(expected, np.float32), rng, detector)

    inside = _inside(position, shape)
    at = position[inside]
    pixel = tuple(np.clip(np.round(at).astype(int), 0, np.array(padded) - 1).T)
    noise = np.sqrt(np.maximum(expected[pixel], 1e-9) + detector.read_noise**2)
    # A smoothing filter or a slow detector blurs columns as it blurs noise: no ratio changes.
    snr = _relief(signal, probe.sigma_px)[pixel] * np.sqrt(np.pi) * probe.sigma_px / noise
    visible = snr >= config.visible_snr * (LONE if scene.sparse else 1.0)
    if config.defects == "graphene":
        visible &= _has_company(at, visible, scene.nearest_px) | (snr >= LONE * config.visible_snr)
    visible &= _stands_out(position, peak, probe.sigma_px)[inside]
    visible &= peak[inside] > 2.5 * speckle[pixel]
    truth = at - MARGIN_PX
    gap = gap[_inside(gap, shape)] - MARGIN_PX
    sign = -1.0 if bright_field else 1.0
    nearest = nearest_distance(truth[visible])
    return SimulatedStem(
        image=np.ascontiguousarray(image[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]),
        position_px=truth,
        species=columns.species[inside],
        sublattice=_sublattices(columns.nominal[inside], visible, scene),
        peak=sign * peak[inside],
        snr=np.asarray(snr, np.float64),
        visible=visible,
        vacancy_px=gap,
        vacancy_visible=_surrounded(
            gap,
            truth,
            np.where(visible, snr, 0.0),
            reach_px=AROUND * scene.nearest_px,
            snr=LONE * config.visible_snr,
        ),
        sigma_px=probe.sigma_px,
        spacing_px=float(np.median(nearest)) if len(nearest) > 1 else float("nan"),
        pixel_size_nm=scene.pixel_size_nm,
        dose_e_per_a2=_dose(peak_counts, typical, probe) if len(columns) else float("nan"),
        signal=Signal.ABF if bright_field else Signal.HAADF,
        description=scene.description,
    )


def _log_uniform(rng: np.random.Generator, limits: Range) -> float:
    low, high = limits
    return float(low * (high / low) ** rng.uniform())


def _draw_probe(rng: np.random.Generator, scene: Scene, config: StemScene) -> Probe:
    sigma = max(rng.uniform(*config.sigma_of_spacing) * scene.nearest_px, 0.9)
    # Half of the probes are nearly clean, half have the tails of real ones.
    tails = float(rng.choice([0.0, rng.uniform(0.05, 0.4)])) * min(config.disorder, 1.0)
    return Probe(
        sigma_px=sigma,
        tail_fraction=tails,
        tail_sigma_px=sigma * rng.uniform(2.0, 4.0),
        astigmatism=min(config.disorder, 1.0) * max(0.0, rng.normal(0.0, 0.35)),
        astigmatism_angle_rad=rng.uniform(0, np.pi),
    )


def _scan(
    rng: np.random.Generator, scene: Scene, shape: tuple[int, int], config: StemScene
) -> tuple[Columns, NDArray[np.float64]]:
    """Columns of the scene and where the scan puts them, in padded pixels."""
    position = scene.columns.position_nm / scene.pixel_size_nm - 0.5
    if config.disorder and rng.uniform() < 0.5:
        position = draw_drift(shape, rng, shear=0.012 * config.disorder).moved(position)
    near = _inside(position, shape, margin=5.0 * scene.spacing_px, origin=0)
    return scene.columns.select(near), position[near]


def _inside(
    position: NDArray[np.float64], shape: tuple[int, int], *, margin: float = 0.0,
    origin: int = MARGIN_PX,
) -> NDArray[np.bool_]:  # fmt: skip
    y, x = (position - origin).T
    inside: NDArray[np.bool_] = (
        (y > -0.5 - margin) & (y < shape[0] - 0.5 + margin)
        & (x > -0.5 - margin) & (x < shape[1] - 0.5 + margin)
    )  # fmt: skip
    return inside


def _typical_strength(columns: Columns) -> float:
    """Median strength of the columns that are meant to be seen."""
    if not len(columns):
        return 1.0
    strong = columns.strength[columns.strength > 0.15 * columns.strength.max()]
    return float(np.median(strong))


def _typical_peak(
    rng: np.random.Generator, typical: float, probe: Probe, config: StemScene
) -> float:
    """Expected counts at the top of a typical column."""
    counts = _log_uniform(rng, config.counts_per_column)
    if config.dose_e_per_a2 is not None:
        counts = _log_uniform(rng, config.dose_e_per_a2) * typical
    return counts / (2 * np.pi * probe.sigma_px**2)


def _dose(peak_counts: float, typical: float, probe: Probe) -> float:
    return float(peak_counts * 2 * np.pi * probe.sigma_px**2 / typical)


def _draw_jitter(
    rng: np.random.Generator, n_rows: int, spacing_px: float, config: StemScene
) -> NDArray[np.float64]:
    if not config.disorder or rng.uniform() < 0.4:
        return np.zeros(n_rows)
    largest = 0.04 * spacing_px * config.disorder  # 0.02 to 0.6 px at usual samplings
    hum = largest * float(rng.choice([0.0, rng.uniform()]))
    return row_jitter(n_rows, rng, jitter_px=largest * rng.uniform(0.05, 1.0), hum_px=hum)


def _background(
    rng: np.random.Generator, scene: Scene, shape: tuple[int, int], peak: float, probe: Probe,
    config: StemScene,
) -> tuple[FloatImage, FloatImage]:  # fmt: skip
    """Expected counts of all that is no column, and the rms of its speckle at each pixel."""
    level = _log_uniform(rng, config.background_of_peak)
    background = np.full(shape, level, np.float32)
    speckle = np.zeros(shape, np.float32)
    if config.disorder:
        if rng.uniform() < 0.6:  # wedges and slow changes of thickness
            slow = smooth_field(shape, rng, feature_px=rng.uniform(0.4, 1.5) * max(shape))
            background *= np.exp(np.clip(rng.uniform(0, 0.5) * config.disorder * slow, -2, 2))
        if rng.uniform() < 0.35:  # contamination: bright and smooth, often brighter than atoms
            size = rng.uniform(2.0, 10.0) * scene.spacing_px
            brightness = _log_uniform(rng, (0.2, 0.5 + size / (3.0 * scene.spacing_px)))
            dirt = smooth_field(shape, rng, feature_px=size) - rng.uniform(-0.5, 1.5)
            background += np.float32(brightness) * np.maximum(dirt, 0)
        if scene.support is not None:
            grain = probe.sigma_px * rng.uniform(0.75, 2.2)
            film = _log_uniform(rng, (0.03, 0.3)) * config.disorder
            support = film if scene.sparse else film * _log_uniform(rng, (1.0, 6.0))
            speckle[:] = np.where(scene.support, support, film if scene.film else 0.0)
            background += speckle * (granular_field(shape, rng, grain_px=grain) + 1.5)
    if scene.dirt is not None:
        mean, uneven = scene.dirt
        background += mean + grains_of(uneven, rng, spacing_px=scene.spacing_px)
        speckle = np.asarray(np.hypot(speckle, uneven), np.float32)
    return np.maximum(background, 0.0) * np.float32(peak), speckle * np.float32(peak)


def _draw_detector(rng: np.random.Generator, expected: FloatImage, config: StemScene) -> Detector:
    if not config.disorder:
        return Detector()
    noise = float(np.sqrt(max(float(expected.mean()), 1e-6)))
    return Detector(
        read_noise=float(rng.choice([0.0, rng.uniform(0, 0.7)], p=[0.6, 0.4])) * noise,
        lag=float(rng.choice([0.0, rng.uniform(0.05, 0.6)], p=[0.7, 0.3])),
        gain=_log_uniform(rng, (0.1, 50.0)),
        offset=float(rng.choice([0.0, rng.uniform(0, 1000.0)])),
        filter_sigma_px=float(rng.choice([0.0, rng.uniform(0.5, 1.6)], p=[0.75, 0.25])),
        levels=int(rng.choice([0, 256, int(rng.integers(12, 80))], p=[0.65, 0.25, 0.1])),
    )


def _relief(signal: FloatImage, sigma_px: float) -> FloatImage:
    """Height of a lone column with the curvature that the signal has at each pixel.

    Behind a Gaussian filter of the column's own width: a lone column keeps its height, one whose
    neighbours fill the gaps between them loses most of it.
    """
    curvature = ndimage.gaussian_laplace(signal, sigma_px, mode="nearest", truncate=3.0)
    return np.asarray(-2.0 * sigma_px**2 * curvature, np.float32)


def _sublattices(
    nominal: NDArray[np.float64], visible: NDArray[np.bool_], scene: Scene
) -> NDArray[np.str_]:
    """Heavy and light columns, shape (N,), by the kinds of which half can be seen at least.

    Oxygen that is not resolved must not make a light column beside it a heavy one.
    """
    if scene.sparse or not len(nominal):
        return np.full(len(nominal), "heavy")
    seen = [
        kind
        for kind in np.unique(scene.kinds)
        if (same := np.isclose(nominal, kind, rtol=0.02)).any() and visible[same].mean() >= 0.5
    ]
    return sublattice_of(nominal, sublattice_border(np.array(seen or scene.kinds)))


def _has_company(
    position: NDArray[np.float64], visible: NDArray[np.bool_], nearest_px: float
) -> NDArray[np.bool_]:
    """Whether half of the places round a column show one: silicon is alone where carbon fades."""
    from scipy.spatial import cKDTree

    if visible.sum() < 2:
        return np.zeros(len(position), bool)
    near = cKDTree(position[visible]).query_ball_point(
        position, 2.2 * nearest_px, return_length=True
    )
    return np.asarray(near - visible >= 5)  # of 9 within 2.2 bonds


def _surrounded(
    gap: NDArray[np.float64], position: NDArray[np.float64], snr_of: NDArray[np.float64], *,
    reach_px: float, snr: float,
) -> NDArray[np.bool_]:  # fmt: skip
    """Whether three columns or more lie round each gap, and their mean ``snr_of`` is enough."""
    from scipy.spatial import cKDTree

    if not len(gap) or not len(position):
        return np.zeros(len(gap), bool)
    around = cKDTree(position).query_ball_point(gap, reach_px)
    return np.array([len(near) >= 3 and float(snr_of[near].mean()) >= snr for near in around])


def _stands_out(
    position: NDArray[np.float64], peak: NDArray[np.float64], sigma_px: float
) -> NDArray[np.bool_]:
    """Whether each column is a peak of its own beside its neighbours, shape (N,)."""
    from scipy.spatial import cKDTree

    alone = np.ones(len(position), bool)
    if len(position) < 2:
        return alone
    tree = cKDTree(position)
    pairs = tree.query_pairs(6.0 * sigma_px, output_type="ndarray")
    gap = np.hypot(*(position[pairs[:, 0]] - position[pairs[:, 1]]).T)
    for one, other in (pairs.T, pairs[:, ::-1].T):
        weak = peak[one] <= peak[other]
        ratio = peak[one] / np.maximum(peak[other], 1e-12)
        # The weaker the column, the farther it must be: its top has to rise above the flank.
        needed = sigma_px * np.sqrt(UNRESOLVED**2 + 2.0 * np.log(1.0 / np.clip(ratio, 1e-6, 1.0)))
        hidden = weak & ((gap < needed) | (ratio < FAINT))
        alone[one[hidden]] = False
    return alone
