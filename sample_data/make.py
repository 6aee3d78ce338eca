"""Make the sample images anew, the same files again: ``python sample_data/make.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scanseg.simulate import PfmScene, StemScene, simulate, simulate_pfm
from scanseg.simulate.files import write_pfm, write_stem

# name: (shape, seed, settings of the scene)
IMAGES: dict[str, tuple[tuple[int, int], int, dict[str, object]]] = {
    "graphene_silicon_dopants": (
        (256, 288), 14,
        {"materials": ["graphene"], "layouts": {"crystal": 1}, "signal": "dark-field",
         "spacing_px": (17, 17), "dose_e_per_a2": (2e5, 2e5), "disorder": 0.6},
    ),
    "mos2_vacancies": (
        (384, 320), 4,
        {"materials": ["MoS2"], "layouts": {"crystal": 1}, "signal": "dark-field",
         "spacing_px": (14, 14), "dose_e_per_a2": (4e4, 4e4), "disorder": 0.7},
    ),
    "strontium_titanate_grain_boundary": (
        (320, 416), 7,
        {"materials": ["SrTiO3[001]"], "layouts": {"grains": 1}, "signal": "dark-field",
         "spacing_px": (13, 13), "counts_per_column": (900, 900), "disorder": 0.5},
    ),
    "silicon_dumbbells": (
        (320, 320), 3,
        {"materials": ["Si[011]"], "layouts": {"crystal": 1}, "signal": "dark-field",
         "spacing_px": (21, 21), "counts_per_column": (600, 600), "disorder": 0.5,
         "sigma_of_spacing": (0.2, 0.24)},
    ),
    "gold_particle_on_carbon": (
        (384, 384), 12,
        {"materials": ["Au[011]"], "layouts": {"particle": 1}, "signal": "dark-field",
         "spacing_px": (15, 15), "counts_per_column": (500, 500), "disorder": 0.6},
    ),
    "barium_titanate_bright_field": (
        (288, 352), 5,
        {"materials": ["BaTiO3[001]"], "layouts": {"crystal": 1}, "signal": "bright-field",
         "spacing_px": (15, 15), "counts_per_column": (900, 900), "disorder": 0.4},
    ),
}  # fmt: skip

# A good scan on a good day: all channels, whole, tracked in frequency.
GOOD_SCAN: dict[str, object] = {
    "missing": {}, "partial_fraction": 0.0, "lateral_fraction": 0.0, "resonance_fraction": 0.0,
    "disorder": 0.5, "noise": (0.04, 0.06),
}  # fmt: skip
SCANS: dict[str, tuple[tuple[int, int], int, dict[str, object]]] = {
    "pfm_labyrinth": (
        (192, 256), 3,
        {"layouts": {"domains": 1}, "domain_px": (22, 30), "pixel_size_nm": (15.6, 15.6),
         "wall_half_width_nm": (40, 40)},
    ),
    "pfm_twins": (
        (192, 256), 11,
        {"layouts": {"blocks": 1}, "domain_px": (30, 50), "period_px": (16, 24),
         "grain_px": (90, 140), "pixel_size_nm": (9.8, 9.8), "wall_half_width_nm": (18, 18)},
    ),
    "pfm_polycrystal": (
        (192, 256), 6,
        {"layouts": {"grains": 1}, "domain_px": (25, 40), "period_px": (12, 18),
         "grain_px": (60, 90), "pixel_size_nm": (11.7, 11.7), "wall_half_width_nm": (20, 20)},
    ),
}  # fmt: skip


def main() -> None:
    """Write every image and its truth beside this file."""
    folder = Path(__file__).parent
    for name, (shape, seed, settings) in IMAGES.items():
        scene = StemScene.from_settings({"random_lattice_fraction": 0.0, **settings}, origin=name)
        image = simulate(np.random.default_rng(seed), shape=shape, config=scene)
        write_stem(image, folder / name)
        print(
            f"{name}: {image.visible.sum()} visible columns, {image.pixel_size_nm:.5f} nm a pixel"
        )
    for name, (shape, seed, settings) in SCANS.items():
        walls = PfmScene.from_settings({**GOOD_SCAN, **settings}, origin=name)
        scan = simulate_pfm(np.random.default_rng(seed), shape=shape, config=walls)
        write_pfm(scan, folder / name, config=walls)
        length_px = sum(wall.length_px for wall in scan.walls)
        print(f"{name}: {length_px:.0f} px of walls, {scan.pixel_size_nm:.2f} nm a pixel")


if __name__ == "__main__":
    main()
