"""Coordination, rings and grain boundaries of graphs that are known."""

import numpy as np
import pandas as pd
import pytest

from scanseg.lattice import (
    NeighbourGraph,
    find_boundaries,
    find_rings,
    index_atoms,
    link_neighbours,
)
from scanseg.lattice.boundaries import misorientation_deg


def graph_of(place, pairs):
    place, pairs = np.asarray(place, float), np.asarray(pairs)
    length = np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1)
    return NeighbourGraph(pairs, length, 2.0, place, np.ones(2))


def flat(drawn, margin=25):
    """Rows away from the border."""
    place = drawn.atoms[["y_px", "x_px"]].to_numpy()
    return ((place > margin) & (place < np.array([330, 291]) - margin)).all(1)


@pytest.mark.parametrize(
    ("name", "neighbours", "ring"),
    [("square", 4, 4), ("triangular", 6, 3), ("honeycomb", 3, 6), ("perovskite A, B", 4, 4)],
)
def test_coordination_and_rings_of_perfect_crystals(
    rng, crystals, draw_crystal, name, neighbours, ring
):
    drawn = draw_crystal(rng, *crystals[name][:2], noise=0.5)
    graph = link_neighbours(drawn.atoms)
    assert (graph.coordination()[flat(drawn)] == neighbours).all()
    rings = find_rings(graph)
    assert rings.usual == ring
    assert (rings.table["size"] == ring).all()
    assert len(rings.defects) == 0
    # Euler: faces are bonds minus atoms plus 1 for what is connected; dangling atoms add none.
    table = graph.table(drawn.atoms)
    assert table.loc[flat(drawn), "bond_px"].mean() == pytest.approx(14, abs=0.1)
    corners = np.concatenate(rings.corners)
    inner = flat(drawn, 45)
    # Every inner atom is a corner of as many rings as it has neighbours.
    assert (np.bincount(corners, minlength=len(inner))[inner] == neighbours).all()
    area = (
        14**2 * {"square": 1, "perovskite A, B": 1, "triangular": 0.433, "honeycomb": 2.598}[name]
    )
    assert rings.table["area_px2"].median() == pytest.approx(area, rel=0.03)


def honeycomb(draw_crystal, crystals):
    rng = np.random.default_rng(0)
    drawn = draw_crystal(rng, *crystals["honeycomb"][:2], noise=0.0)
    graph = link_neighbours(drawn.atoms)
    place = drawn.atoms[["y_px", "x_px"]].to_numpy()
    one = int(np.hypot(*(place - [165, 145]).T).argmin())
    neighbours = {n: set() for n in range(len(place))}
    for i, j in graph.pairs:
        neighbours[i].add(j)
        neighbours[j].add(i)
    return place, graph.pairs, neighbours, one


def test_a_stone_wales_defect_is_5_5_7_7(draw_crystal, crystals):
    place, pairs, neighbours, one = honeycomb(draw_crystal, crystals)
    other = min(neighbours[one])
    middle = (place[one] + place[other]) / 2
    half = (place[one] - place[other]) / 2
    place = place.copy()
    across = np.array([half[1], -half[0]])
    place[one], place[other] = middle + across, middle - across
    pairs = {tuple(sorted(map(int, pair))) for pair in pairs}
    ends = (neighbours[one] | neighbours[other]) - {one, other}
    pairs -= {tuple(sorted((int(a), int(b)))) for a in (one, other) for b in neighbours[a]}
    pairs.add(tuple(sorted((one, other))))
    for end in ends:  # each goes to the nearer of the two in their new places
        near = min((one, other), key=lambda n: np.hypot(*(place[n] - place[end])))
        pairs.add(tuple(sorted((int(end), near))))
    rings = find_rings(graph_of(place, sorted(pairs)))
    assert rings.defects["kind"].tolist() == ["5-5-7-7"]
    assert rings.defects[["y_px", "x_px"]].to_numpy()[0] == pytest.approx(middle, abs=1)
    assert sorted(rings.table.loc[rings.table["defect"] == 0, "size"]) == [5, 5, 7, 7]


def test_a_closed_divacancy_is_5_8_5(draw_crystal, crystals):
    place, pairs, neighbours, one = honeycomb(draw_crystal, crystals)
    other = min(neighbours[one])
    kept = [tuple(map(int, p)) for p in pairs if not {one, other} & set(map(int, p))]
    for gone in (one, other):
        ends = neighbours[gone] - {one, other}
        kept.append(tuple(sorted(map(int, ends))))
    rings = find_rings(graph_of(place, kept))
    assert rings.defects["kind"].tolist() == ["5-8-5"]


def test_vacancies_are_large_rings(draw_crystal, crystals, rng):
    drawn = draw_crystal(rng, *crystals["triangular"][:2], noise=0.4)
    middle = int(np.hypot(*(drawn.ideal - [165, 145]).T).argmin())
    rings = find_rings(link_neighbours(drawn.atoms.drop(index=middle)))
    assert rings.table.loc[rings.table["defect"] == 0, "size"].tolist() == [6]
    assert rings.defects.loc[0, ["y_px", "x_px"]].to_numpy(float) == pytest.approx(
        drawn.ideal[middle], abs=1
    )


def test_a_larger_pixel_scales_the_graph(draw_crystal, crystals, rng):
    drawn = draw_crystal(rng, *crystals["honeycomb"][:2], noise=0.5)
    double = drawn.atoms.assign(y_px=2 * drawn.atoms["y_px"], x_px=2 * drawn.atoms["x_px"])
    one, two = link_neighbours(drawn.atoms), link_neighbours(double)
    assert np.array_equal(one.pairs, two.pairs)
    assert two.longest_px == pytest.approx(2 * one.longest_px)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_few_atoms_have_few_rings(count):
    corner = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])[:count]
    graph = link_neighbours(pd.DataFrame(corner, columns=["y_px", "x_px"]), longest_px=1.1)
    assert len(graph.pairs) == [0, 0, 1, 2, 4][count]
    assert find_rings(graph).table["size"].tolist() == ([4] if count == 4 else [])


def test_atoms_on_one_line():
    atoms = pd.DataFrame({"y_px": np.arange(6.0), "x_px": 2 * np.arange(6.0)})
    assert link_neighbours(atoms).coordination().tolist() == [1, 2, 2, 2, 2, 1]


def test_grain_boundary(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["triangular"]
    size = (0.015, 0.015)
    one = draw_crystal(
        rng, vectors, sites, region=lambda p: p[:, 1] < 150, angle_deg=0, pixel_size_nm=size
    )
    two = draw_crystal(
        rng, vectors, sites, region=lambda p: p[:, 1] > 156, angle_deg=22, pixel_size_nm=size
    )
    atoms = pd.concat([one.atoms, two.atoms], ignore_index=True)
    boundaries = find_boundaries(index_atoms(atoms))
    assert len(boundaries.table) == 1
    row = boundaries.table.iloc[0]
    # Known to 0.03 degrees; columns of the other grain that fit by chance pull a little.
    assert row["misorientation_deg"] == pytest.approx(22, abs=0.3)
    assert row["misorientation_err_deg"] < 0.1
    # 330 px, and a zigzag of a few pixels between the columns.
    assert 300 < row["length_px"] < 430
    assert row["length_nm"] == pytest.approx(0.015 * row["length_px"])
    at = boundaries.atoms["at_boundary"]
    distance = (boundaries.atoms["x_px"] - 153).abs()
    assert at[distance < 6].mean() > 0.9
    assert not at[distance > 25].any()
    assert (boundaries.atoms.loc[at, "other_grain"] != boundaries.atoms.loc[at, "grain"]).all()


def test_misorientation_of_a_twin_and_of_another_crystal(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["dumbbells"]
    vectors = np.asarray(vectors)
    mirrored = vectors * np.array([1, -1])  # left and right exchanged, as across a twin boundary
    one, two, square = (
        index_atoms(draw_crystal(rng, *crystal, noise=0.2, angle_deg=0).atoms).lattice()
        for crystal in ((vectors, sites), (mirrored, sites), crystals["square"][:2])
    )
    angle, error = misorientation_deg(one, two)
    # The vectors of the zone axis [110] of diamond enclose 70.5 degrees.
    assert angle == pytest.approx(70.5, abs=4 * error + 0.02)
    assert error < 0.1
    assert np.isnan(misorientation_deg(one, square)[0])


def test_one_grain_has_no_boundary(rng, crystals, draw_crystal):
    boundaries = find_boundaries(index_atoms(draw_crystal(rng, *crystals["square"][:2]).atoms))
    assert len(boundaries.table) == 0
    assert not boundaries.atoms["at_boundary"].any()
