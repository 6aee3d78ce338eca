import numpy as np
import pytest

from scanseg.errors import ScansegError
from scanseg.walls import TracedWall, wall_roughness


def self_affine(rng, n, zeta):
    """A line whose differences over L have the variance L^(2 zeta) x 0.01, by its spectrum."""
    frequency = np.fft.rfftfreq(16 * n)[1:]
    size = frequency ** -(zeta + 0.5)
    spectrum = size * (rng.normal(size=len(size)) + 1j * rng.normal(size=len(size)))
    line = np.fft.irfft(np.concatenate([[0], spectrum]))
    at_20 = np.sqrt(np.mean((line[20:] - line[:-20]) ** 2))
    return line[:n] * 0.1 * 20**zeta / at_20


def wall(displacement, *, angle_deg=25.0, pixel_size_nm=(1.0, 1.0), error_px=0.0, index=1):
    """A wall in a scan, at an angle in nm, whose displacement across it is in nm."""
    n, angle = len(displacement), np.deg2rad(angle_deg)
    along, across = (np.sin(angle), np.cos(angle)), (np.cos(angle), -np.sin(angle))
    way = np.arange(n)[:, None] * pixel_size_nm[1]
    line = 40.0 + way * along + displacement[:, None] * across
    return TracedWall(
        position_px=line / pixel_size_nm, position_err_px=np.full(n, error_px or np.nan),
        class_index=np.full(n, index), probability=np.ones(n), half_width_px=3.0,
        half_width_err_px=0.1, dip=0.1, dip_err=0.01, start=0, end=1,
    )  # fmt: skip


@pytest.mark.parametrize("zeta", [0.26, 0.5, 0.66, 0.8])
def test_the_exponent_of_self_affine_walls(zeta):
    rng = np.random.default_rng(5)
    found = [
        wall_roughness([wall(self_affine(rng, 250, zeta)) for _ in range(8)], pixel_size_nm=None)
        for _ in range(12)
    ]
    exponents = np.array([each.zeta for each in found])
    # 12 results that scatter by 0.05 leave 0.015; points between which a line is drawn another 0.03
    # on the roughest walls.
    assert exponents.mean() == pytest.approx(zeta, abs=0.06)
    stated = np.mean([each.zeta_err for each in found])
    # The scatter of 12 numbers is known to 21 %.
    assert stated == pytest.approx(exponents.std(ddof=1), rel=0.6)


def test_values_are_those_of_the_line_in_nanometres():
    rng = np.random.default_rng(1)
    size = (8.0, 12.0)
    lines = [10.0 * self_affine(rng, 300, 0.5) for _ in range(12)]
    result = wall_roughness(
        [wall(line, pixel_size_nm=size, angle_deg=60.0) for line in lines], pixel_size_nm=size
    )
    assert (result.unit, result.n_walls) == ("nm", 12)
    assert result.fitted[0] == 72
    # A step of the line is 12 nm: (10 nm)² x 0.01 x L / 12 nm.
    np.testing.assert_allclose(result.mean_square, result.distance / 12, rtol=0.35)
    assert result.prefactor * 100.0 ** (2 * result.zeta) == pytest.approx(100 / 12, rel=0.3)


def test_errors_of_positions_are_no_roughness():
    rng = np.random.default_rng(2)
    smooth = [self_affine(rng, 300, 0.66) for _ in range(10)]
    noisy = [line + rng.normal(0, 0.2, 300) for line in smooth]
    known = wall_roughness([wall(line, error_px=0.2) for line in noisy], pixel_size_nm=None)
    unknown = wall_roughness([wall(line) for line in noisy], pixel_size_nm=None)
    assert known.zeta == pytest.approx(0.66, abs=0.12)
    assert unknown.zeta < known.zeta - 0.05


def test_classes_and_curved_walls_are_told_apart():
    rng = np.random.default_rng(3)
    walls = [wall(self_affine(rng, 200, 0.5)), wall(self_affine(rng, 200, 0.5), index=2)]
    angle = np.linspace(0, np.pi, 300)
    arc = wall(np.zeros(300))
    arc.position_px[:] = 100 + 90 * np.stack([np.sin(angle), np.cos(angle)], 1)
    assert wall_roughness([*walls, arc], pixel_size_nm=None).n_walls == 2
    assert wall_roughness(walls, pixel_size_nm=None, class_index=2).n_walls == 1


def test_short_walls_do_not_tell():
    with pytest.raises(ScansegError, match="72 pixels of an open wall"):
        wall_roughness([wall(np.zeros(40))], pixel_size_nm=None)
    with pytest.raises(ScansegError, match="too small a range"):
        wall_roughness([wall(np.zeros(100))], pixel_size_nm=None, longest_px=8)
