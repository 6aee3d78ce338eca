"""Atoms of simulated movies, whose identity is known, linked to tracks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanseg.simulate.movies import AtomMovie, observe_atoms, simulate_atom_movie
from scanseg.tracks import (
    Tracking,
    TrackLinker,
    TransitionCounter,
    cut_patch,
    describe_neighbourhoods,
    follow_atoms,
    measure_shift,
)

ERR_PX = 0.4


def shot(seed, *, missing=0.005, extra=0.002, misnamed=0.0, **settings):
    """Tables of a movie with identities, and the true frames."""
    rng = np.random.default_rng(seed)
    config = AtomMovie(**{"n_frames": 25, "shape": (230, 310), **settings})
    truth = list(simulate_atom_movie(config, rng))
    noise = {"err_px": ERR_PX, "missing": missing, "extra": extra, "misnamed": misnamed}
    return config, [observe_atoms(frame, rng, **noise) for frame in truth], truth


def right_links(tables, points, *, gap=4):
    """Of atoms seen again within some frames: part whose track is the same."""
    seen, right = {}, []
    identity = np.concatenate([table["identity"] for table in tables])
    for who, frame, track in zip(identity, points["frame"], points["track"], strict=True):
        if who >= 0:
            if who in seen and frame - seen[who][0] <= gap:
                right.append(seen[who][1] == track)
            seen[who] = frame, track
    return np.array(right)


@pytest.mark.parametrize("drift_px", [0.0, 2.0, 8.0])
def test_links_of_a_movie_with_jumps(drift_px):
    config, tables, truth = shot(3, drift_px=drift_px, exchange_rate=0.05, hop_rate=0.2)
    tracks = follow_atoms(tables, shape=config.shape)
    right = right_links(tables, tracks.points)
    assert len(right) > 4000
    assert right.mean() > 0.99  # 0.98 is the aim; 0.999 is usual
    # The drift is the median over some 200 atoms, each 0.4 px off.
    drift = np.array([frame.drift_px for frame in truth])
    np.testing.assert_allclose(tracks.frames[["drift_y_px", "drift_x_px"]], drift, atol=0.4)
    jumps = sum(frame.jumped.sum() for frame in truth[1:])
    told = tracks.events["event"].value_counts()
    assert 2 * told["exchange"] + told["jump"] == pytest.approx(jumps, rel=0.25)


def test_dopants_keep_their_identity_when_they_exchange_places():
    config, tables, truth = shot(5, missing=0, extra=0, exchange_rate=0.1, hop_rate=0.0)
    tracks = follow_atoms(tables, shape=config.shape)
    identity = np.concatenate([table["identity"] for table in tables])
    silicon = (tracks.points["class"] == "Si").to_numpy()
    pairs = pd.DataFrame({"who": identity, "track": tracks.points["track"]})[silicon]
    # One that leaves the view and comes back later gets another number.
    assert pairs.groupby("track")["who"].nunique().max() == 1
    exchanges = tracks.events[tracks.events["event"] == "exchange"]
    assert set(exchanges["class_before"]) == {"Si"}
    # A step to the next site is one spacing, with vibration and error at both ends.
    assert exchanges["distance_px"].median() == pytest.approx(14, abs=1.0)
    seen = np.concatenate([frame.jumped & (frame.species == "Si") for frame in truth[1:]]).sum()
    assert len(exchanges) == pytest.approx(seen, abs=3)  # some happen at the border


def test_gaps_are_closed_and_ends_are_told():
    config, tables, _ = shot(7, missing=0, extra=0, drift_px=0.0, exchange_rate=0, hop_rate=0,
                             mean_drift_px=(0.0, 0.0))  # fmt: skip
    middle = tables[0]["identity"].to_numpy()[len(tables[0]) // 2]
    corner_safe = tables[0]["identity"].to_numpy()[len(tables[0]) // 2 + 2]
    for number in (4, 5, 6):  # a gap of three frames is the longest that is closed
        tables[number] = tables[number][tables[number]["identity"] != middle]
    for number in range(10, 25):
        tables[number] = tables[number][tables[number]["identity"] != corner_safe]
    tracks = follow_atoms(tables, shape=config.shape)
    identity = np.concatenate([table["identity"] for table in tables])
    own = tracks.points[identity == middle]
    assert own["track"].nunique() == 1
    assert own["gap"].max() == 4
    table = tracks.tracks.set_index("track")
    assert table.loc[own["track"].iloc[0], "n_missing"] == 3
    lost = tracks.points["track"][identity == corner_safe].iloc[0]
    (event,) = tracks.events[tracks.events["track"] == lost].to_dict("records")
    assert (event["event"], event["frame"]) == ("vanished", 10)


def test_a_wrong_name_in_one_frame_is_no_change_and_in_all_further_ones_it_is():
    config, tables, _ = shot(9, missing=0, extra=0, drift_px=0.0, exchange_rate=0, hop_rate=0,
                             mean_drift_px=(0.0, 0.0), n_frames=8)  # fmt: skip
    carbon = tables[0][tables[0]["class"] == "C"]["identity"].to_numpy()
    flicker, changed = carbon[len(carbon) // 2], carbon[len(carbon) // 2 + 7]
    for number, table in enumerate(tables):
        table.loc[(table["identity"] == flicker) & (number == 3), "class"] = "Si"
        table.loc[(table["identity"] == changed) & (number >= 4), "class"] = "Si"
    tracks = follow_atoms(tables, shape=config.shape)
    changes = tracks.events[tracks.events["event"] == "class_change"]
    assert changes[["frame", "class_before", "class_after"]].to_numpy().tolist() == [[5, "C", "Si"]]
    identity = np.concatenate([table["identity"] for table in tables])
    assert set(changes["track"]) == set(tracks.points["track"][identity == changed])


def test_what_it_keeps_does_not_grow_with_the_movie():
    config, tables, _ = shot(11, n_frames=30, hop_rate=0, exchange_rate=0)
    linker = TrackLinker(shape=config.shape)
    for table in tables:
        linked = linker.add(table)
    assert len(linked.points) == len(tables[-1])
    alive = linker._alive
    # Those of the last frame, and those missing for up to three.
    assert len(alive.track) < 1.5 * len(tables[-1])
    assert (linked.number - alive.last).max() <= linker.config.gap_frames


def test_empty_frames_and_tables_without_classes():
    place = np.stack(np.meshgrid(np.arange(10, 60, 10.0), np.arange(5, 65, 12.0)), -1).reshape(
        -1, 2
    )
    atoms = pd.DataFrame({"y_px": place[:, 0], "x_px": place[:, 1]})
    tracks = follow_atoms([atoms, atoms.iloc[:0], atoms + 0.2], shape=(70, 80))
    assert tracks.tracks["n_frames"].tolist() == [2] * len(atoms)
    assert tracks.tracks["n_missing"].tolist() == [1] * len(atoms)
    assert len(follow_atoms([atoms.iloc[:0]]).tracks) == 0
    assert len(follow_atoms([]).points) == 0


def test_pixels_that_are_not_square():
    config, tables, _ = shot(13, missing=0, extra=0, n_frames=6, drift_px=1.0)
    for table in tables:
        table["x_px"] /= 2
        table["y_nm"], table["x_nm"] = table["y_px"] * 0.01, table["x_px"] * 0.02
    narrow = (config.shape[0], config.shape[1] // 2)
    tracks = follow_atoms(tables, shape=narrow)
    assert right_links(tables, tracks.points).mean() > 0.99
    exchanges = tracks.events[tracks.events["event"] == "exchange"]
    # 14 px of 0.01 nm, whichever way the atom went.
    np.testing.assert_allclose(exchanges["distance_nm"], 0.14, atol=0.03)
    assert tracks.frames["drift_x_px"].abs().max() < tracks.frames["drift_y_px"].abs().max() + 6


@settings(max_examples=20, deadline=None)
@given(
    dy=st.floats(-30, 30), dx=st.floats(-30, 30), seed=st.integers(0, 50),
)  # fmt: skip
def test_a_shift_is_found_where_dopants_tell_it(dy, dx, seed):
    rng = np.random.default_rng(seed)
    config = AtomMovie(n_frames=1, shape=(260, 340), dopant_fraction=0.06)
    (frame,) = simulate_atom_movie(config, rng)
    kind = (frame.species == "Si").astype(int)
    moved = frame.position_px + np.array([dy, dx]) + rng.normal(0, ERR_PX, frame.position_px.shape)
    shift = measure_shift(frame.position_px, kind, moved, kind, spacing=14, largest=3)
    # The median of 300 atoms that are 0.4 px off each: 0.03 px.
    np.testing.assert_allclose(shift.shift, (dy, dx), atol=0.2)
    assert shift.err == pytest.approx(1.25 * ERR_PX / np.sqrt(len(kind)), rel=0.5)


def graphene(side=6):
    """A honeycomb and the row of an atom in its middle."""
    (frame,) = simulate_atom_movie(
        AtomMovie(n_frames=1, shape=(200, 240), vibration=0.0, dopant_fraction=0.0,
                  vacancy_fraction=0.0),
        np.random.default_rng(0),
    )  # fmt: skip
    atoms = pd.DataFrame(frame.position_px, columns=["y_px", "x_px"]).assign(**{"class": "C"})
    middle = int(np.hypot(atoms["y_px"] - 100, atoms["x_px"] - 120).argmin())
    return atoms, middle


def test_three_and_fourfold_dopants():
    atoms, middle = graphene()
    place = atoms[["y_px", "x_px"]].to_numpy()
    neighbours = np.argsort(np.hypot(*(place - place[middle]).T))
    threefold = atoms.copy()
    threefold.loc[middle, "class"] = "Si"
    (row,) = describe_neighbourhoods(threefold, ("Si",)).to_dict("records")
    assert (row["state"], row["n_neighbours"]) == ("Si-C3", 3)
    # Silicon in the middle of a pair that is gone: a divacancy.
    other = neighbours[1]
    fourfold = threefold.copy()
    fourfold.loc[middle, ["y_px", "x_px"]] = (place[middle] + place[other]) / 2
    fourfold = fourfold.drop(index=other)
    (row,) = describe_neighbourhoods(fourfold, ("Si",)).to_dict("records")
    assert row["state"] == "Si-C4"
    pair = threefold.copy()
    pair.loc[other, "class"] = "Si"
    assert set(describe_neighbourhoods(pair, ("Si",))["state"]) == {"Si-C2Si1"}


def test_surroundings_that_the_border_cuts_have_no_name():
    atoms, _ = graphene()
    rim = int(atoms["y_px"].idxmin())
    atoms.loc[rim, "class"] = "Si"
    (row,) = describe_neighbourhoods(atoms, ("Si",), shape=(200, 240)).to_dict("records")
    assert row["state"] == ""


def test_transitions_are_counted_between_consecutive_frames():
    counter = TransitionCounter()

    def frame(number, **states):
        table = pd.DataFrame({"track": list(range(len(states))), "state": list(states.values())})
        counter.add(table, frame=number)

    frame(0, a="Si-C3", b="Si-C3")
    frame(1, a="Si-C3", b="Si-C4")
    frame(2, a="Si-C3", b="")
    frame(4, a="Si-C4", b="Si-C4")  # frame 3 is not there: nobody knows what happened in between
    table = counter.table().set_index(["state", "next_state"])
    assert table["count"].to_dict() == {("Si-C3", "Si-C3"): 2, ("Si-C3", "Si-C4"): 1}
    assert table.loc[("Si-C3", "Si-C4"), "probability"] == pytest.approx(1 / 3)
    assert table["probability_err"].between(0, 0.5).all()


def test_patches_are_as_measured_or_centred():
    y, x = np.indices((40, 50))
    image = np.exp(-((y - 12.3) ** 2 + (x - 20.6) ** 2) / 18).astype(np.float32)
    measured = cut_patch(image, np.array([12.3, 20.6]), 9)
    np.testing.assert_array_equal(measured, image[8:17, 17:26])
    centred = cut_patch(image, np.array([12.3, 20.6]), 9, centring="subpixel")
    wanted = np.exp(-((y[:9, :9] - 4.0) ** 2 + (x[:9, :9] - 4.0) ** 2) / 18)
    # Cubic splines of a Gaussian three pixels wide: 1e-3.
    np.testing.assert_allclose(centred, wanted, atol=2e-3)
    even = cut_patch(image, np.array([12.3, 20.6]), 8)
    np.testing.assert_array_equal(even, image[9:17, 18:26])
    corner = cut_patch(image, np.array([0.2, 49.1]), 5, centring="subpixel")
    assert np.isnan(corner[0]).all()
    assert np.isfinite(corner[3, 1])


def test_settings_reject_what_they_do_not_know():
    with pytest.raises(ValueError, match="reach"):
        Tracking(reach=-1.0)
