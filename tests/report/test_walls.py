"""Walls in pictures and in the report: where they are, how long they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scanseg.micrograph import Micrograph, Signal
from scanseg.report import class_lengths, draw_walls, render_report
from scanseg.report.walls.digest import digest_walls

COLOURS = {"ferroelectric": "#ff5a36", "ferroelastic": "#38d6ff"}
SIZE_NM = (10.0, 20.0)


def _line(start, end, *, branch, name, frame=0):
    """Points a pixel apart on a straight wall."""
    n_points = round(float(np.hypot(*np.subtract(end, start)))) + 1
    places = np.linspace(start, end, n_points)
    return pd.DataFrame(
        {
            "frame": frame,
            "branch": branch,
            "y_px": places[:, 0],
            "x_px": places[:, 1],
            "class": name,
            "probability": 0.9,
        }
    )


def _walls(points):
    """Rows of walls.csv that belong to the points of straight walls."""
    rows = []
    for branch, line in points.groupby("branch"):
        step = np.ptp(line[["y_px", "x_px"]].to_numpy(), axis=0)
        length = float(np.hypot(*step))
        rows.append(
            {
                "frame": 0,
                "branch": branch,
                "class": line["class"].iloc[0],
                "length_px": length,
                "length_nm": float(np.hypot(*(step * SIZE_NM))),
                "orientation_deg": 90.0,
                "width_px": 4.0 if branch == 0 else np.nan,
                "width_nm": 60.0 if branch == 0 else np.nan,
            }
        )
    columns = ["class", "length_px", "length_nm", "orientation_deg", "width_px", "width_nm"]
    return pd.DataFrame(rows, columns=["frame", "branch", *columns])


POINTS = pd.concat(
    [
        _line((10.3, 20.7), (50.3, 20.7), branch=0, name="ferroelectric"),
        _line((30.0, 40.0), (30.0, 80.0), branch=1, name="ferroelastic"),
    ]
)


def _picture(shape=(60, 90), *, points=POINTS, junctions=(), signals=(Signal.PFM_AMPLITUDE,)):
    rng = np.random.default_rng(4)
    channels = [
        Micrograph(rng.normal(90, 5, shape), signal=signal, pixel_size_nm=SIZE_NM)
        for signal in signals
    ]
    first, *others = channels
    image = Micrograph(
        first.data,
        signal=first.signal,
        pixel_size_nm=SIZE_NM,
        companions={each.signal: each for each in others},
    )
    picture = draw_walls(
        image, _walls(points), points, colours=COLOURS, junction_px=np.reshape(junctions, (-1, 2))
    )
    return np.asarray(picture).astype(int)


def _near(picture, colour):
    """Pixels of a colour, (y, x); lines are blended with what is below them at their rims."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere(np.abs(picture - rgb).max(axis=2) < 30)


@pytest.mark.parametrize("shape", [(60, 90), (256, 300), (2300, 1150)])
def test_a_line_lies_on_its_wall_at_every_scale(shape):
    factor = min(shape) / 60
    points = POINTS.assign(y_px=POINTS["y_px"] * factor, x_px=POINTS["x_px"] * factor)
    picture = _picture(shape, points=points)
    scale = picture.shape[1] / shape[1]
    drawn = _near(picture[: round(shape[0] * scale)], COLOURS["ferroelectric"])
    # The middle of the wall; its column is known to half a pixel of the canvas.
    middle = drawn[np.abs(drawn[:, 0] - 30 * factor * scale) < 8 * factor * scale]
    assert middle[:, 1].mean() == pytest.approx((20.7 * factor + 0.5) * scale - 0.5, abs=0.5)
    top, bottom = drawn[:, 0].min(), drawn[:, 0].max()
    reach = 1.5 * max(scale, 1)  # half of the line's width, with its round end
    assert top == pytest.approx((10.3 * factor + 0.5) * scale, abs=reach + 1)
    assert bottom == pytest.approx((50.3 * factor + 0.5) * scale, abs=reach + 1)


def test_walls_are_not_joined_and_have_the_colours_of_their_classes():
    picture = _picture()
    scale = picture.shape[1] / 90
    within = picture[: round(60 * scale)]
    elastic = _near(within, COLOURS["ferroelastic"]) / scale
    assert elastic[:, 1].min() > 38
    assert np.ptp(elastic[:, 0]) < 2
    between = within[int(20 * scale) : int(29 * scale), int(24 * scale) : int(38 * scale)]
    assert np.ptp(between, axis=2).max() == 0  # grey


def test_small_scans_are_enlarged_and_junctions_are_dots():
    plain, dotted = _picture(), _picture(junctions=[(30.0, 60.0)])
    assert plain.shape[1] == 9 * 90
    changed = np.argwhere((plain != dotted).any(axis=2)) / 9
    np.testing.assert_allclose(changed.mean(axis=0), (30.4, 60.4), atol=0.3)
    assert np.ptp(changed, axis=0).max() < 1.5


def test_without_an_amplitude_the_phase_is_drawn_in_two_greys():
    picture = _picture(signals=(Signal.PFM_PHASE, Signal.TOPOGRAPHY))
    grey = picture[100:400, 600:800, 0]
    assert grey.min() > 30
    assert grey.max() < 225


def test_a_scan_without_walls_and_one_with_gaps_can_be_drawn():
    _picture(points=POINTS.iloc[:0])
    data = np.full((40, 30), np.nan, np.float32)
    data[:20] = np.arange(30)
    image = Micrograph(data, signal=Signal.PFM_AMPLITUDE)
    draw_walls(image, _walls(POINTS), POINTS, colours=COLOURS, junction_px=np.empty((0, 2)))


def test_lengths_are_added_up_by_class():
    walls = _walls(POINTS)
    assert class_lengths(walls, COLOURS, in_nm=False) == {"ferroelectric": 40, "ferroelastic": 40}
    in_nm = class_lengths(walls, COLOURS, in_nm=True)
    assert in_nm == pytest.approx({"ferroelectric": 400, "ferroelastic": 800})
    assert class_lengths(walls.iloc[:0], COLOURS, in_nm=True) == dict.fromkeys(COLOURS, 0)


def _write(folder, points=POINTS):
    folder.mkdir(parents=True)
    _walls(points).to_csv(folder / "walls.csv", index=False)
    points.to_csv(folder / "wall_points.csv", index=False)
    domains = {
        "domain": [1, 2, 3],
        "area_nm2": [2e6, 4e6, 9e6],
        "area_px": [1e4, 2e4, 4.5e4],
        "touches_edge": [False, False, True],
    }
    pd.DataFrame(domains).to_csv(folder / "domains.csv", index=False)


def _entry(name, n_objects, *, size_nm=SIZE_NM, task="walls"):
    row = {"image": name, "frame": 0, "status": "done", "height_px": 60, "width_px": 90}
    if size_nm:
        row |= {"pixel_size_y_nm": size_nm[0], "pixel_size_x_nm": size_nm[1]}
    return {
        "name": name,
        "path": f"/in/{name}",
        "sha256": "f" * 64,
        "status": "done",
        "task": task,
        "n_objects": n_objects,
        "failures": [],
        "frames": [row],
        "outputs": {"walls.csv": ""},
    }


def test_numbers_of_walls_are_those_of_the_tables(tmp_path):
    points = POINTS.assign(probability=np.linspace(1.0, 0.5, len(POINTS)))
    _write(tmp_path / "scan", points)
    digest = digest_walls(tmp_path / "scan", 2, 100)
    assert (digest.n_walls, digest.length_px, digest.n_domains) == (2, 80.0, 3)
    assert digest.length_nm == pytest.approx(1200)
    assert digest.mean_probability == pytest.approx(0.75)
    assert digest.share_not_fitted == 0.5
    assert digest.doubt == pytest.approx(0.25 + 0.5 / 4)
    assert digest.doubtful_px == (30.0, 80.0)
    assert digest.domains["area_nm2"].tolist() == [2e6, 4e6]


def test_the_page_tells_lengths_widths_and_areas(tmp_path):
    _write(tmp_path / "a.ibw")
    _write(tmp_path / "b.ibw")
    entries = [_entry(name, 2) for name in ("a.ibw", "b.ibw")]
    page = render_report(tmp_path, {"colours": COLOURS}, entries)
    for text in (
        "<b>4</b><span>walls",
        "<b>2.4 µm</b>",
        "2 walls · ferroelastic 800 nm · ferroelectric 400 nm · 3 domains · probability 0.900",
        "median 3 µm²",
        "median 60 nm",
        '<i class="dot" style="background:#38d6ff"></i>ferroelastic</td><td>2</td>'
        "<td>1.6 µm</td><td>66.7%</td>",
        "<h2>Distributions</h2>",
        "least certain place on a wall",
    ):
        assert text in page
    # 2.4 µm in 2 x 60 x 90 pixels of 200 nm².
    assert f"<b>{2.4 / (2 * 60 * 90 * 200e-6):.2f}</b>" in page


def test_without_a_calibration_the_page_counts_pixels(tmp_path):
    _write(tmp_path / "a.ibw")
    page = render_report(tmp_path, {}, [_entry("a.ibw", 2, size_nm=None)])
    assert "<b>80 px</b>" in page
    assert "length of walls, px" in page


def test_a_scan_without_walls_has_a_page(tmp_path):
    _write(tmp_path / "a.ibw", POINTS.iloc[:0])
    page = render_report(tmp_path, {}, [_entry("a.ibw", 0)])
    assert "0 walls" in page
    assert "length of walls: no values" in page
