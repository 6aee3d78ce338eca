"""What a force microscope might have done to a scan that it recorded well."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import RealImage, Signal
from scanseg.simulate.lock_in import Recording, record, wrapped_phase_deg
from scanseg.simulate.piezoresponse import ComplexImage
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import WallArtefact
from scanseg.train.scan_warp import draw_warp

__all__ = ["disturb_scan"]

# Jitter is a part of it; walls are about as wide.
WALL_PX = 8.0


def disturb_scan(
    channels: Mapping[Signal, RealImage],
    class_map: NDArray[np.uint8],
    rng: np.random.Generator,
    probability: Mapping[WallArtefact, float],
) -> tuple[dict[Signal, RealImage], NDArray[np.uint8]]:
    """Draw artefacts and put them on a scan and its labels.

    Amplitude and phase are disturbed together, as the response that they are of; a channel that is
    missing stays so, and so does what was not measured.

    Parameters
    ----------
    channels
        Amplitude, phase in degrees and topography, those that there are, (h, w) each.
    class_map
        Shape (h, w).
    rng
        Source of all randomness.
    probability
        Of each artefact.
    """
    drawn = {name for name, share in probability.items() if rng.uniform() < share}
    shape = class_map.shape
    height, width = shape
    unmeasured = np.isnan(np.stack(list(channels.values()))).any(axis=0)
    response = _response(channels, unmeasured)
    topography = channels.get(Signal.TOPOGRAPHY)
    if drawn & {"drift", "line_jitter"}:
        warp = draw_warp(
            (height, width), rng, drift="drift" in drawn, jitter="line_jitter" in drawn,
            spacing_px=WALL_PX,
        )  # fmt: skip
        response = np.asarray(warp.drawn(response.real) + 1j * warp.drawn(response.imag))
        if topography is not None:
            known = np.where(np.isnan(topography), np.nanmedian(topography), topography)
            topography = warp.drawn(np.asarray(known, np.float32))
        class_map = warp.labels(class_map)
        unmeasured = warp.labels(unmeasured.astype(np.uint8)) == 1
    recording = _recording(height, rng, drawn)
    factor = recording.row_factor[:, None]
    response = record(np.asarray(response * factor, np.complex64), recording, rng)
    disturbed: dict[Signal, RealImage] = {}
    for signal, channel in channels.items():
        if signal is Signal.PFM_AMPLITUDE:
            new: RealImage = np.abs(response)
        elif signal is Signal.PFM_PHASE:
            new = wrapped_phase_deg(response, lowest_deg=-180.0)
        else:
            new = channel if topography is None else topography
        disturbed[signal] = np.where(unmeasured, np.float32(np.nan), new).astype(np.float32)
    return disturbed, np.where(unmeasured, np.uint8(IGNORED), class_map)


def _response(channels: Mapping[Signal, RealImage], unmeasured: NDArray[np.bool_]) -> ComplexImage:
    """Amplitude at its phase; a missing one counts as 1 or 0°, and 0 where nothing was measured."""
    shape = unmeasured.shape
    amplitude = channels.get(Signal.PFM_AMPLITUDE, np.ones(shape, np.float32))
    phase = np.deg2rad(channels.get(Signal.PFM_PHASE, np.zeros(shape, np.float32)))
    response = np.where(unmeasured, 0, amplitude * np.exp(1j * phase))
    return np.asarray(response, np.complex64)


def _recording(n_rows: int, rng: np.random.Generator, drawn: set[WallArtefact]) -> Recording:
    """Rows of a recording with these artefacts and no other, as strong as simulated ones."""
    rows = np.arange(n_rows)
    gain, louder = np.ones(n_rows), np.ones(n_rows, np.float32)
    phase, offset = np.zeros(n_rows), np.zeros(n_rows, np.complex64)
    if "phase_offset" in drawn:
        phase += rng.uniform(-np.pi, np.pi) + np.deg2rad(rng.normal(0, 8.0)) * rows / n_rows
    if "row_jumps" in drawn:
        onward = rows >= rng.integers(n_rows // 8, n_rows)  # the tip changes
        gain *= np.where(onward, rng.uniform(0.5, 1.6), 1.0)
        phase += onward * np.deg2rad(rng.normal(0, 15.0))
        first = rng.integers(0, n_rows)
        band = (rows >= first) & (rows < first + rng.integers(1, max(2, n_rows // 12)))
        gain *= np.where(band, rng.uniform(0.1, 1.1), 1.0)
        louder = np.where(band, rng.uniform(1.0, 5.0), 1.0).astype(np.float32)
        gain *= np.exp(rng.uniform(0.005, 0.06) * rng.normal(size=n_rows))
    return Recording(
        row_factor=(gain * np.exp(1j * phase)).astype(np.complex64),
        row_offset=offset,
        row_noise=louder,
        noise=float(rng.uniform(0.05, 0.3)) if "noise" in drawn else 0.0,
        lag=float(rng.uniform(0.05, 0.6)) if "lag" in drawn else 0.0,
        saturation=np.inf,
    )
