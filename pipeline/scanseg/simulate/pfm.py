"""Labelled PFM scans: domains, tip, resonance, recording, and exact walls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat

from scanseg.config import Config
from scanseg.micrograph import FloatImage, Mask, Micrograph, Signal
from scanseg.simulate.domain_scenes import DomainLayout, MovingWalls, Sizes, draw_domains
from scanseg.simulate.domains import Domains
from scanseg.simulate.lock_in import Recording, draw_recording, record, wrapped_phase_deg
from scanseg.simulate.piezoresponse import (
    Cantilever,
    ComplexImage,
    Response,
    Tip,
    blur,
    piezoresponse,
    resonance,
)
from scanseg.simulate.relief import Surface, draw_surface, scan_topography
from scanseg.simulate.resolved import resolved_walls
from scanseg.simulate.stem import Range
from scanseg.simulate.wall_lines import (
    Visible,
    Wall,
    WallClass,
    contrast_at,
    draw_walls,
    zero_lines,
)

__all__ = ["PfmScene", "SimulatedPfm", "simulate_pfm", "simulate_pfm_frames"]

# The field of view is rendered with this margin, so that Fourier wrap-round stays outside.
MARGIN_PX = 16
# So far from any border the middle of a domain lies.
FAR_PX = 1e3
# Narrower walls would be undersampled, wider ones a scan of nothing but walls.
WALL_HALF_WIDTH_PX = (0.9, 8.0)

Channel = Literal["amplitude", "phase", "topography"]
Share = Annotated[float, Field(ge=0, le=1)]


def _one_is_left(missing: dict[Channel, float]) -> dict[Channel, float]:
    if missing.get("amplitude", 0) == 1 and missing.get("phase", 0) == 1:
        raise ValueError("a scan has an amplitude or a phase")
    return missing


def _any(layouts: dict[DomainLayout, float]) -> dict[DomainLayout, float]:
    if not sum(layouts.values()) > 0:
        raise ValueError("one of them must be drawn")
    return layouts


class PfmScene(Config):
    """What is drawn, and from which ranges. A range is (low, high), drawn evenly by factors."""

    layouts: Annotated[dict[DomainLayout, NonNegativeFloat], AfterValidator(_any)] = {
        "domains": 0.3,
        "twins": 0.22,
        "blocks": 0.2,
        "grains": 0.22,
        "empty": 0.06,
    }
    """How often each layout is drawn, in any unit: 180° domains alone, a/c twins, blocks of twins
    at right angles, a polycrystal with twins, no wall at all."""
    pixel_size_nm: Range = (4.0, 40.0)
    """Pixel size."""
    wall_half_width_nm: Range = (15.0, 100.0)
    """Half width w of the image of a 180° wall, tanh(x / w): the tip's, not the crystal's."""
    domain_px: Range = (9.0, 80.0)
    """Width of 180° domains; at least 3.5 half widths of a wall."""
    period_px: Range = (8.0, 60.0)
    """Distance of neighbouring lamellae; at least 2.5 half widths of a wall."""
    grain_px: Range = (35.0, 180.0)
    """Size of grains and of blocks of twins."""
    noise: Range = (0.02, 0.4)
    """Noise of amplitude over its median; three times that where there is no wall at all."""
    lateral_fraction: Share = 0.15
    """Part of the scans that show the lateral response."""
    resonance_fraction: Share = 0.3
    """Part of the scans driven at one frequency, whose topography shows in amplitude and phase."""
    missing: Annotated[dict[Channel, Share], AfterValidator(_one_is_left)] = {
        "amplitude": 0.06,
        "phase": 0.12,
        "topography": 0.2,
    }
    """How often each channel is missing."""
    partial_fraction: Share = 0.05
    """Part of the scans that were stopped early; the rows that are missing are NaN."""
    disorder: float = Field(default=1.0, ge=0, le=2)
    """Scales drift, jumps, dirt and background; 0 is a perfect instrument."""
    wall_radius_px: PositiveFloat = 1.5
    """Half the width of a wall in the class map."""
    visible_contrast: NonNegativeFloat = 2.0
    """Change of response across a wall, in s.d. of the noise, from which it is in the class map."""


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedPfm:
    """A scan and its truth; all images have its shape (height, width).

    Parameters
    ----------
    amplitude_pm, phase_deg, topography_nm
        What the file would hold, NaN where the scan was stopped; None for a missing channel.
    response
        Complex response without noise, after everything but the recording.
    walls
        All walls of the part that was measured, faint ones included, exactly where they are.
    drawn_walls
        The same as the class map shows them: a lamella narrower than the tip is one line, see
        ``resolved_walls``.
    class_map
        0 background, 1 ferroelectric wall, 2 ferroelastic wall, 255 a wall too faint to tell.
    polarity
        +1 where the polarisation points up, -1 where down; int8.
    pixel_size_nm
        Along y and x alike.
    wall_half_width_px
        w of the profile tanh(x / w) of a 180° wall.
    noise
        S.d. of the noise, in the unit of ``response``.
    description
        Layout and kind of response.
    """

    amplitude_pm: FloatImage | None
    phase_deg: FloatImage | None
    topography_nm: FloatImage | None
    response: ComplexImage
    walls: tuple[Wall, ...]
    drawn_walls: tuple[Wall, ...]
    class_map: NDArray[np.uint8]
    polarity: NDArray[np.int8]
    pixel_size_nm: float
    wall_half_width_px: float
    noise: float
    description: str

    def micrographs(self) -> dict[Signal, Micrograph]:
        """The channels that there are, as ``read_pfm`` would return them."""
        channels = (
            (Signal.PFM_AMPLITUDE, self.amplitude_pm, "pm"),
            (Signal.PFM_PHASE, self.phase_deg, "deg"),
            (Signal.TOPOGRAPHY, self.topography_nm, "nm"),
        )
        return {
            signal: Micrograph(
                data,
                pixel_size_nm=(self.pixel_size_nm, self.pixel_size_nm),
                signal=signal,
                channel=signal.value,
                source=f"simulated: {self.description}",
                metadata={"unit": unit},
            )
            for signal, data, unit in channels
            if data is not None
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """A sample under an instrument, before it is scanned."""

    domains: Domains
    moving: MovingWalls | None
    surface: Surface
    tip: Tip
    response: Response
    cantilever: Cantilever
    cross_talk: complex
    rotation: complex
    noise: float
    amplitude_pm: float
    lowest_phase_deg: float
    pixel_size_nm: float
    kept: frozenset[Channel]
    stopped_at: float
    grain_walls: bool
    description: str


def simulate_pfm(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int] = (256, 256),
    config: PfmScene | None = None,
) -> SimulatedPfm:
    """Simulate one scan.

    Parameters
    ----------
    rng
        Source of all randomness: the same state gives the same scan.
    shape
        (height, width) in pixels.
    config
        What to draw.
    """
    config = config or PfmScene()
    return _scan(_draw_scene(rng, shape, config), rng, config)


def simulate_pfm_frames(
    rng: np.random.Generator,
    *,
    n_frames: int,
    field_step: float = 0.05,
    steps_a_frame: int = 20,
    shape: tuple[int, int] = (256, 256),
    config: PfmScene | None = None,
) -> Iterator[SimulatedPfm]:
    """Scans of one place while a field grows: walls move, and stay pinned where they are held.

    Parameters
    ----------
    rng
        Source of all randomness.
    n_frames
        How many scans.
    field_step
        Growth of the field between scans; 0.38 switches a perfect crystal.
    steps_a_frame
        Steps of 0.2 in time that the polarisation has to follow.
    shape, config
        As for ``simulate_pfm``. Layouts whose walls cannot move are drawn again.
    """
    config = config or PfmScene()
    if not any(config.layouts.get(layout) for layout in ("domains", "twins", "blocks", "grains")):
        raise ValueError("an empty crystal has no wall that could move")
    scene = _draw_scene(rng, shape, config)
    while scene.moving is None:
        scene = _draw_scene(rng, shape, config)
    moving = scene.moving
    for frame in range(n_frames):
        if frame:
            moving = moving.after(applied_field=frame * field_step, n_steps=steps_a_frame)
        domains = replace(scene.domains, level=moving.level())
        yield _scan(replace(scene, domains=domains), rng, config)


def _draw_scene(rng: np.random.Generator, shape: tuple[int, int], config: PfmScene) -> _Scene:
    names = tuple(config.layouts)
    weights = np.array([config.layouts[name] for name in names])
    layout = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    pixel_size_nm = _log_uniform(rng, config.pixel_size_nm)
    sizes = _draw_sizes(rng, pixel_size_nm, config)
    padded = (shape[0] + 2 * MARGIN_PX, shape[1] + 2 * MARGIN_PX)
    domains, moving = draw_domains(rng, padded, layout, sizes, disorder=config.disorder)
    response = _draw_response(rng, config)
    return _Scene(
        domains=domains,
        moving=moving,
        surface=draw_surface(
            domains,
            rng,
            pixel_size_nm=pixel_size_nm,
            wall_px=sizes.wall_px,
            grooves=layout == "grains",
            disorder=config.disorder,
        ),
        tip=_draw_tip(rng, sizes.wall_px, config.disorder),
        response=response,
        cantilever=_draw_cantilever(rng, config),
        cross_talk=complex(*rng.normal(0, 0.02 * config.disorder, 2)),
        rotation=complex(np.exp(1j * rng.uniform(0, 2 * np.pi))),
        noise=_log_uniform(rng, config.noise) * (3.0 if layout == "empty" else 1.0),
        amplitude_pm=_log_uniform(rng, (5.0, 600.0)),
        lowest_phase_deg=float(rng.choice([-90.0, -180.0, 0.0], p=[0.6, 0.3, 0.1])),
        pixel_size_nm=pixel_size_nm,
        kept=_draw_channels(rng, config),
        stopped_at=rng.uniform(0.2, 0.95) if rng.uniform() < config.partial_fraction else 1.0,
        grain_walls=layout == "grains",
        description=f"{layout}, {response.direction}",
    )


def _draw_sizes(rng: np.random.Generator, pixel_size_nm: float, config: PfmScene) -> Sizes:
    wall_nm = _log_uniform(rng, config.wall_half_width_nm)
    wall_px = float(np.clip(wall_nm / pixel_size_nm, *WALL_HALF_WIDTH_PX))
    return Sizes(
        domain_px=max(_log_uniform(rng, config.domain_px), 3.5 * wall_px),
        period_px=max(_log_uniform(rng, config.period_px), 2.5 * wall_px),
        grain_px=_log_uniform(rng, config.grain_px),
        wall_px=wall_px,
    )


def _draw_tip(rng: np.random.Generator, wall_px: float, disorder: float) -> Tip:
    doubled = rng.uniform() < 0.05 * disorder
    return Tip(
        half_width_px=wall_px,
        tail_fraction=float(rng.choice([0.0, rng.uniform(0.02, 0.25)])) * min(disorder, 1.0),
        tail_px=wall_px * rng.uniform(2, 6),
        twin_fraction=rng.uniform(0.1, 0.35) if doubled else 0.0,
        twin_shift_px=tuple(rng.uniform(-12, 12, 2)),
    )


def _draw_response(rng: np.random.Generator, config: PfmScene) -> Response:
    # Measured on seven scans: |b| of 0.07 to 0.43. Above 1 the phase does not flip.
    background = complex(rng.uniform(-0.4, 0.4), rng.uniform(-0.25, 0.25))
    if rng.uniform() < 0.04:
        background *= 4.0
    like_c = rng.uniform() < 0.4  # twins that differ little, seen by their walls
    return Response(
        direction="lateral" if rng.uniform() < config.lateral_fraction else "vertical",
        a_vertical=rng.uniform(0.5, 0.95) if like_c else rng.uniform(0.02, 0.4),
        c_lateral=rng.uniform(0.0, 0.3),
        buckling=float(rng.choice([0.0, rng.uniform(-0.2, 0.2)])),
        lever_rad=rng.uniform(0, 2 * np.pi),
        wall_softness=rng.uniform(0.3, 0.9) if like_c else rng.uniform(0.0, 0.4),
        background=background * min(config.disorder, 1.0),
    )


def _draw_cantilever(rng: np.random.Generator, config: PfmScene) -> Cantilever:
    tracked = rng.uniform() >= config.resonance_fraction
    spread = rng.uniform(0.0, 0.1) if tracked else rng.uniform(0.1, 0.9)
    return Cantilever(
        detuning=rng.normal(0, 0.6), topography_detuning=spread * min(config.disorder, 1.0)
    )


def _draw_channels(rng: np.random.Generator, config: PfmScene) -> frozenset[Channel]:
    missing = {name for name, share in config.missing.items() if rng.uniform() < share}
    if {"amplitude", "phase"} <= missing:
        missing.remove("amplitude" if config.missing["amplitude"] < 1 else "phase")
    every: tuple[Channel, ...] = ("amplitude", "phase", "topography")
    return frozenset(name for name in every if name not in missing)


def _scan(scene: _Scene, rng: np.random.Generator, config: PfmScene) -> SimulatedPfm:
    inner = np.s_[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    response = _response(scene)[inner]
    height = response.shape[0]
    recording = draw_recording(height, rng, noise=scene.noise, disorder=config.disorder)
    response = np.ascontiguousarray(response) * recording.row_factor[:, None]
    typical = float(np.median(np.abs(response[::2, ::2])))
    measured = record(response, recording, rng)
    topography = scan_topography(scene.surface, rng, disorder=config.disorder)[inner]
    n_measured = max(8, round(scene.stopped_at * height))
    measured_rows = np.zeros(response.shape, bool)
    measured_rows[:n_measured] = True

    noise = scene.noise * typical
    seen = _seen(scene, response, recording, noise)
    walls = tuple(_walls(scene, seen, measured_rows))
    drawn = resolved_walls(walls, seen["ferroelastic"])
    class_map = draw_walls(
        drawn,
        response.shape,
        radius_px=config.wall_radius_px,
        visible_contrast=config.visible_contrast,
    )
    class_map[n_measured:] = 0
    scale = scene.amplitude_pm / max(float(np.median(np.abs(measured[::2, ::2]))), 1e-9)
    images: dict[Channel, FloatImage] = {
        "amplitude": np.abs(measured) * np.float32(scale),
        "phase": wrapped_phase_deg(measured, lowest_deg=scene.lowest_phase_deg),
        "topography": np.ascontiguousarray(topography),
    }
    for image in images.values():
        image[n_measured:] = np.nan
    kept = {name: image for name, image in images.items() if name in scene.kept}
    return SimulatedPfm(
        amplitude_pm=kept.get("amplitude"),
        phase_deg=kept.get("phase"),
        topography_nm=kept.get("topography"),
        response=response,
        walls=walls,
        drawn_walls=drawn,
        class_map=class_map,
        polarity=np.where(scene.domains.level[inner] >= 0, 1, -1).astype(np.int8),
        pixel_size_nm=scene.pixel_size_nm,
        wall_half_width_px=scene.tip.half_width_px,
        noise=noise,
        description=scene.description,
    )


def _response(scene: _Scene) -> ComplexImage:
    """Response under the tip, at the lock-in's phase, margin included."""
    surface = scene.surface
    response = piezoresponse(scene.domains, scene.tip, scene.response)
    slope = np.gradient(surface.height_nm, axis=1)
    slope /= max(float(slope.std()), 1e-6)
    response += np.complex64(scene.cross_talk) * np.clip(slope, -4, 4)
    if surface.dirt.any():
        response *= 1 - surface.dirt
    if scene.cantilever.topography_detuning:
        response *= resonance(blur(surface.height_nm, Tip(1.5)), scene.cantilever)
    return response * np.complex64(scene.rotation)


def _seen(
    scene: _Scene, response: ComplexImage, recording: Recording, noise: float
) -> dict[WallClass, Visible]:
    """What each class of walls adds to the scan that is seen.

    The response less that of the same scene without these walls: a gradient of something else, such
    as a wide wall of the other class, does not make a wall visible.
    """
    inner = np.s_[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    domains = scene.domains
    without: dict[WallClass, Domains] = {
        "ferroelectric": replace(domains, level=np.full_like(domains.level, FAR_PX)),
        "ferroelastic": replace(domains, twin=np.full_like(domains.twin, -FAR_PX)),
    }

    def shown(of: ComplexImage) -> Visible:
        return Visible.of_channels(
            of,
            amplitude="amplitude" in scene.kept,
            phase="phase" in scene.kept,
            row_noise=np.float32(noise) * recording.row_noise,
            half_width_px=scene.tip.half_width_px,
        )

    whole = shown(response)
    return {
        kind: whole.less(
            shown(_response(replace(scene, domains=other))[inner] * recording.row_factor[:, None])
        )
        for kind, other in without.items()
    }


def _walls(scene: _Scene, seen: dict[WallClass, Visible], measured: Mask) -> Iterator[Wall]:
    inner = np.s_[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    one_grain = measured & ~_at_grain_boundary(scene.domains.grain[inner])
    families: tuple[tuple[WallClass, FloatImage, Mask], ...] = (
        ("ferroelectric", scene.domains.level[inner], measured),
        # Twins end at grain boundaries, which are no walls themselves.
        ("ferroelastic", scene.domains.twin[inner], one_grain if scene.grain_walls else measured),
    )
    for kind, level, where in families:
        for line in zero_lines(level, where):
            yield Wall(line, kind, contrast_at(line, kind, seen[kind]))


def _at_grain_boundary(grain: NDArray[np.int32]) -> Mask:
    """Pixels with a neighbour, below or to the right, of another grain."""
    boundary = np.zeros(grain.shape, bool)
    boundary[:-1] |= grain[:-1] != grain[1:]
    boundary[:, :-1] |= grain[:, :-1] != grain[:, 1:]
    return boundary


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    low, high = limits
    return float(low * (high / low) ** rng.uniform())
