import numpy as np
import pytest

from scanseg.walls import lamella_period, lamella_table

SHAPE = (120, 150)


def twins(straight, *, angle_deg, widths_nm, pixel_size_nm=(1.0, 1.0), n=12):
    """Parallel walls through a scan, at alternating distances."""
    angle = np.deg2rad(angle_deg)
    along, across = (
        np.array([np.sin(angle), np.cos(angle)]),
        np.array([np.cos(angle), -np.sin(angle)]),
    )
    scale = np.array(pixel_size_nm)
    middle = np.array(SHAPE) / 2 * scale
    at = np.concatenate([[0], np.cumsum(np.resize(widths_nm, n - 1))])
    at -= at.mean()
    half = 0.4 * min(SHAPE) * min(scale)
    return [
        straight(
            (middle + d * across - half * along) / scale,
            (middle + d * across + half * along) / scale,
            index=2,
        )
        for d in at
    ]


@pytest.mark.parametrize("angle_deg", [0, 25, 90, 130])
@pytest.mark.parametrize("pixel_size_nm", [(1.0, 1.0), (10.0, 16.0)])
def test_period_and_duty_of_twins(straight, walls_of, angle_deg, pixel_size_nm):
    widths_nm = np.array([6.0, 12.0]) * max(pixel_size_nm)
    lines = twins(
        straight, angle_deg=angle_deg, widths_nm=widths_nm, pixel_size_nm=pixel_size_nm, n=6
    )
    walls = walls_of(*lines, shape=SHAPE, pixel_size_nm=pixel_size_nm)
    table = lamella_table(walls, pixel_size_nm=pixel_size_nm)
    assert list(table["branch"]) == [1, 2, 3, 4]  # the outermost have a neighbour on one side
    np.testing.assert_allclose(table["period_nm"], widths_nm.sum(), rtol=0.01)
    period = lamella_period(table)
    assert period.period_nm == pytest.approx(widths_nm.sum(), rel=0.01)
    assert period.duty == pytest.approx(1 / 3, rel=0.02)
    across = np.deg2rad(angle_deg)
    to_px = np.hypot(np.cos(across) / pixel_size_nm[0], np.sin(across) / pixel_size_nm[1])
    assert period.period_px == pytest.approx(widths_nm.sum() * to_px, rel=0.02)


def test_walls_that_cross_are_no_lamellae(straight, walls_of):
    lines = twins(straight, angle_deg=0, widths_nm=[20.0], n=3)
    crossing = straight((5, 40), (110, 45), index=2)
    other_class = straight((50, 20), (50, 100), index=1)
    walls = walls_of(*lines, crossing, other_class, shape=SHAPE)
    table = lamella_table(walls, pixel_size_nm=None)
    assert list(table["branch"]) == [1]
    assert table["period_px"][0] == pytest.approx(40)
    assert table["period_nm"].isna().all()


def test_lone_walls_have_no_period(straight, walls_of):
    walls = walls_of(straight((20, 20), (20, 90), index=2))
    period = lamella_period(lamella_table(walls, pixel_size_nm=None))
    assert np.isnan(period.period_px)
    assert period.length_px == 0
    assert len(lamella_table(walls_of(), pixel_size_nm=(1.0, 1.0))) == 0
