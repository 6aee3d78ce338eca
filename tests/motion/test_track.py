from dataclasses import dataclass

import numpy as np
import pytest

from scanseg.micrograph import Micrograph, Signal
from scanseg.motion import MotionTracking, WallFrame, track_walls
from scanseg.simulate import PfmScene, simulate_pfm_frames
from scanseg.simulate.wall_lines import draw_walls
from scanseg.walls import trace_lines

SHAPE = (90, 120)
SIZE_NM = (10.0, 5.0)


@dataclass(frozen=True, eq=False)
class Line:
    position_px: np.ndarray
    position_err_px: np.ndarray
    class_index: np.ndarray


def line(points, *, err=0.05, index=1):
    points = np.asarray(points, float)
    return Line(points, np.full(len(points), err), np.full(len(points), index))


def across(y, *, x=(0, 119), **options):
    """A wall along x; its right is below."""
    at = np.arange(x[0], x[1] + 1.0)
    return line(np.stack([np.full(len(at), y), at], 1), **options)


def along(x, **options):
    at = np.arange(0.0, 90.0)
    return line(np.stack([at, np.full(90, x)], 1), **options)


SURFACE = np.random.default_rng(1).normal(size=SHAPE)
SURFACE = SURFACE + np.roll(SURFACE, 1, 0) + np.roll(SURFACE, 1, 1)


def scan(up, *, phase=True, size_nm=SIZE_NM):
    """Channels of a crystal that did not drift and points up where ``up`` is true."""
    channels = {
        Signal.TOPOGRAPHY: SURFACE,
        Signal.PFM_AMPLITUDE: np.ones(SHAPE),
        Signal.PFM_PHASE: np.where(up, 10.0, 190.0),
    }
    if not phase:
        del channels[Signal.PFM_PHASE]
    return {k: Micrograph(v, pixel_size_nm=size_nm, signal=k) for k, v in channels.items()}


ROW = np.arange(SHAPE[0])[:, None] * np.ones(SHAPE)


def below(y):
    """Up above a wall at y."""
    return y > ROW


def moving(*positions, times=None, phase=True, size_nm=SIZE_NM, extra=()):
    times = times or [None] * len(positions)
    return [
        WallFrame((across(y), *extra), scan(below(y), phase=phase, size_nm=size_nm), time_s=t)
        for y, t in zip(positions, times, strict=True)
    ]


def test_displacements_are_positive_where_up_grows_in_px_nm_and_nm_a_second():
    motion = track_walls(moving(40.0, 43.0, 41.0, times=[0.0, 2.0, 6.0]))
    for frame, moved, seconds in ((0, 3.0, 2.0), (1, -2.0, 4.0)):
        part = motion.points[motion.points["frame"] == frame]
        np.testing.assert_allclose(part["displacement_px"], moved, atol=0.02)
        np.testing.assert_allclose(part["displacement_nm"], 10 * moved, atol=0.2)
        np.testing.assert_allclose(part["velocity_nm_per_s"], 10 * moved / seconds, atol=0.2)
        np.testing.assert_allclose(part[["normal_y", "normal_x"]], [(1, 0)] * 120, atol=1e-6)
        assert set(part["state"]) == {"moved"}
        assert set(part["sign"]) == {"up"}
        assert not part["pinned"].any()
        np.testing.assert_array_equal(part["y_px"], 40.0 if frame == 0 else 43.0)
    assert motion.warnings == ()
    assert motion.events.empty


def test_pixels_need_not_be_square():
    # A wall at 45° in nm: 1 px down is 10 nm, 1 px across 5 nm.
    n = np.arange(0.0, 40.0)
    wall = np.stack([10 + n, 15 + 2 * n], 1)
    up = (np.arange(120)[None] - 15) * 5 > (ROW - 10) * 10
    shifted = (np.arange(120)[None] - 19) * 5 > (ROW - 10) * 10
    later = line(wall + np.array([0, 4]))
    frames = [WallFrame((line(wall),), scan(up)), WallFrame((later,), scan(shifted))]
    motion = track_walls(frames)
    inner = motion.points.iloc[4:-4]
    np.testing.assert_allclose(inner["displacement_nm"], -20 / np.sqrt(2), atol=0.1)
    # Along (1, -1) / sqrt 2 in nm, that is 1 px down for 2 px to the left.
    np.testing.assert_allclose(inner["displacement_px"], -np.hypot(1, 2), atol=0.02)


def test_without_phase_signs_follow_the_line_and_a_warning_says_so():
    motion = track_walls(moving(40.0, 43.0, phase=False))
    np.testing.assert_allclose(motion.points["displacement_px"], 3.0, atol=0.02)  # right is below
    assert set(motion.points["sign"]) == {"right"}
    assert motion.switched_in is None
    assert "polarity is not known" in motion.warnings[0]


def test_without_a_calibration_nanometres_are_empty():
    motion = track_walls(moving(40.0, 43.0, size_nm=None))
    assert motion.points["displacement_nm"].isna().all()
    np.testing.assert_allclose(motion.points["displacement_px"], 3.0, atol=0.02)


def test_pinned_parts_and_dwell_times():
    # The left half stays while the right half walks on.
    frames = []
    for n in range(5):
        steps = 20 + 4.0 * n
        y = np.where(np.arange(120) < 60, 20.0, np.minimum(steps, 20 + (np.arange(120) - 59)))
        wall = line(np.stack([y, np.arange(120.0)], 1))
        frames.append(WallFrame((wall,), scan(y[None] > ROW), time_s=10.0 * n))
    motion = track_walls(frames)
    left = motion.points[motion.points["x_px"] < 50]
    assert left["pinned"].all()
    assert set(left["dwell_frames"]) == {5}
    np.testing.assert_allclose(left["dwell_s"], 40.0)
    right = motion.points[motion.points["x_px"] > 80]
    assert not right["pinned"].any()
    assert set(right["dwell_frames"]) == {1}
    first = motion.pinned_segments[motion.pinned_segments["frame"] == 0]
    assert first["length_nm"].max() == pytest.approx(60 * 5, abs=25)
    assert motion.frames["pinned_fraction"][0] == pytest.approx(0.5, abs=0.05)


def test_uncertain_displacements_are_neither_motion_nor_rest():
    wall = across(40.0, err=np.nan)
    motion = track_walls(
        [WallFrame((wall,), scan(below(40.0)))] * 2, config=MotionTracking(smoothing_px=0)
    )
    assert set(motion.points["state"]) == {"unsure"}  # 0.5 px each from the network alone
    assert not motion.points["pinned"].any()


def test_drift_is_taken_out_and_is_in_the_error_bar():
    frames = moving(40.0, 40.0)
    shifted = {
        k: Micrograph(np.roll(v.data, (3, -2), (0, 1)), pixel_size_nm=SIZE_NM, signal=k)
        for k, v in frames[1].scan.items()
    }
    motion = track_walls([frames[0], WallFrame((across(43.0),), shifted)])
    np.testing.assert_allclose(motion.drifts[0].shift_px, (3, -2), atol=0.02)
    found = motion.points[motion.points["displacement_px"].notna()]
    assert len(found) > 110
    np.testing.assert_allclose(found["displacement_px"], 0, atol=0.05)
    # Twice 0.05 px of noise, hardly less by smoothing, 0.1 px systematic, and the drift's.
    assert (found["displacement_err_px"] >= np.sqrt(2 * (0.045**2 + 0.1**2))).all()


def test_a_nucleated_domain_and_its_wall_are_events():
    angle = np.linspace(0, 2 * np.pi, 60)
    ring = line(np.stack([70 + 9 * np.sin(angle), 60 + 9 * np.cos(angle)], 1))
    inside = np.hypot(ROW - 70, np.arange(120)[None] - 60) < 9
    before = WallFrame((across(40.0),), scan(below(40.0)))
    after = WallFrame((across(40.0), ring), scan(below(40.0) | inside))
    events = track_walls([before, after]).events.set_index("event")
    assert set(events.index) == {"appeared", "nucleated"}
    assert events.loc["nucleated", "area_px"] == pytest.approx(np.pi * 81, rel=0.1)
    assert events.loc["nucleated", "area_nm2"] == pytest.approx(50 * np.pi * 81, rel=0.1)
    assert events.loc["nucleated", ["y_px", "x_px"]].tolist() == pytest.approx([70, 60], abs=0.5)
    assert events.loc["nucleated", "polarity"] == 1
    assert events.loc["appeared", "branch"] == 1
    back = track_walls([after, before]).events["event"]
    assert set(back) == {"vanished", "collapsed"}


def test_domains_that_merge_and_part():
    x = np.arange(120)[None] * np.ones(SHAPE)
    apart = [along(y) for y in (30.0, 50.0, 60.0, 90.0)]
    two = ((x > 30) & (x < 50)) | ((x > 60) & (x < 90))
    before = WallFrame(apart, scan(two))
    after = WallFrame([apart[0], apart[3]], scan((x > 30) & (x < 90)))
    kinds = track_walls([before, after]).events["event"].tolist()
    # One down domain between them went, as two walls did.
    assert sorted(kinds) == ["collapsed", "merged", "vanished", "vanished"]
    back = track_walls([after, before]).events["event"].tolist()
    assert sorted(back) == ["appeared", "appeared", "nucleated", "split"]


def test_the_switch_map_tells_when():
    motion = track_walls(moving(20.0, 30.0, 30.0, 50.0))
    column = motion.switched_in[:, 60]
    assert set(column[:19]) == {0}
    assert set(column[22:29]) == {1}
    assert set(column[32:49]) == {3}
    assert set(column[52:]) == {0}
    np.testing.assert_allclose(
        motion.frames["switched_fraction"], [0, 1 / 9, 1 / 9, 3 / 9], atol=0.02
    )


def test_pinning_by_ferroelastic_walls_shows_in_the_ratio():
    # Pinned within 10 px of ferroelastic walls at x = 20 and 80, free elsewhere.
    x = np.arange(120.0)
    held = (np.abs(x - 20) < 10) | (np.abs(x - 80) < 10)
    elastic = (along(20.0, index=2), along(80.0, index=2))
    frames = []
    for n in range(3):
        y = 30 + 3.0 * n * ~held
        walls = tuple(
            line(np.stack([y, x], 1)[part]) for part in np.split(np.arange(120), [11, 30, 71, 90])
        )
        frames.append(WallFrame((*walls, *elastic), scan(y[None] > ROW, size_nm=(5.0, 5.0))))
    sites = track_walls(frames).sites
    assert sites.unit == "nm"
    assert sites.distance == pytest.approx(5 * 5, rel=0.2)
    assert sites.ratio < 0.6
    assert sites.ratio + 2 * sites.ratio_err < 1
    assert sites.angle_deg > 80


def test_walls_that_leave_the_scan_have_not_vanished():
    frames = moving(40.0, 40.0)
    part = {
        k: Micrograph(
            np.where(ROW < 60, v.data, np.nan), pixel_size_nm=SIZE_NM, signal=k
        )
        for k, v in frames[1].scan.items()
    }  # fmt: skip
    first = WallFrame((across(40.0), across(75.0)), scan((ROW < 40) | (ROW > 75)))
    motion = track_walls([first, WallFrame((across(40.0),), part)])
    state = motion.points.groupby("branch")["state"].agg(set)
    assert state[0] == {"stayed"} or state[0] == {"stayed", "outside"}
    assert state[1] == {"outside"}
    assert "vanished" not in set(motion.events["event"])


def test_scans_without_walls_and_too_few_scans():
    empty = WallFrame((), scan(below(40.0)))
    motion = track_walls([empty, empty])
    assert len(motion.points) == 0
    assert motion.sites is None
    assert motion.frames["n_walls"].tolist() == [0, 0]
    with pytest.raises(ValueError, match="two scans or more"):
        track_walls([empty])


def test_walls_of_simulated_scans_sweep_over_what_switched():
    config = PfmScene(
        layouts={"domains": 1.0}, missing={}, partial_fraction=0.0, lateral_fraction=0.0,
        disorder=0.0, noise=(0.05, 0.05), pixel_size_nm=(12.0, 12.0),
        wall_half_width_nm=(25.0, 25.0), domain_px=(40.0, 60.0),
    )  # fmt: skip
    shape = (130, 150)
    pair = list(
        simulate_pfm_frames(
            np.random.default_rng(4), n_frames=2, field_step=0.05, shape=shape, config=config
        )
    )
    frames = []
    for each in pair:
        seen = draw_walls(each.walls, shape, radius_px=1.5, visible_contrast=0)
        probability = np.stack([seen == index for index in range(3)]).astype(np.float32)
        lines, _ = trace_lines(probability, each.micrographs())
        frames.append(WallFrame(lines, each.micrographs()))
    motion = track_walls(frames)
    known = motion.points[motion.points["displacement_px"].notna()]
    assert len(known) > 0.8 * len(motion.points)
    # Points are a pixel apart, so their displacements add up to the area in pixels.
    swept = np.abs(known["displacement_px"]).sum()
    switched = (pair[0].polarity != pair[1].polarity).sum()
    assert swept > 100
    # Walls that bend change length on their way, and walls at rest add their noise.
    assert swept == pytest.approx(switched, rel=0.2)
    # The field prefers one polarity: every wall gives way to it.
    assert np.abs(known["displacement_px"].sum()) == pytest.approx(swept, rel=0.1)
