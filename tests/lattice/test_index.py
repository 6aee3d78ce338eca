"""Lattices, sublattices, grains and indices against the crystals they were drawn from."""

import numpy as np
import pandas as pd
import pytest

from scanseg.errors import ScansegError
from scanseg.lattice import Indexing, index_atoms, lattices_table


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def same_sublattices(indexed, drawn):
    """Part of the atoms on sites whose sublattice is the drawn one, up to its name."""
    found = indexed.atoms["sublattice"].cat.codes.to_numpy()
    own = (drawn.index[:, 2] >= 0) & (found >= 0)
    pairs = pd.crosstab(drawn.index[own, 2], found[own])
    return pairs.max(axis=1).sum() / own.sum()


def reduced_lengths(vectors):
    steps = np.array([(i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)])
    lengths = np.linalg.norm(steps @ vectors, axis=1)
    order = np.argsort(lengths)
    first = steps[order[0]]
    for step in steps[order[1:]]:
        if abs(first[0] * step[1] - first[1] * step[0]) > 0:
            return lengths[order[0]], np.linalg.norm(step @ vectors)
    raise AssertionError


@pytest.mark.parametrize(
    ("noise", "missing", "extra"), [(0.4, 0.0, 0.0), (1.1, 0.08, 0.04)], ids=["clean", "poor"]
)
def test_lattice_and_sites_of_many_crystals(rng, crystal, draw_crystal, noise, missing, extra):
    vectors, sites, amplitude = crystal
    drawn = draw_crystal(
        rng, vectors, sites, amplitude=amplitude, noise=noise, missing=missing, extra=extra
    )
    indexed = index_atoms(drawn.atoms)
    lattice = indexed.lattice()
    assert len(lattice.sublattices) == len(sites)
    # Strays near empty sites may be taken in and pull: five errors.
    away = np.abs(lattice.lengths_px - reduced_lengths(vectors)) / lattice.lengths_err_px
    assert (away < 5).all()
    assert abs(np.linalg.det(lattice.vectors_px)) == pytest.approx(
        abs(np.linalg.det(vectors)), rel=0.01
    )
    on_site = drawn.index[:, 2] >= 0
    # 8 % of the columns are missing and 4 % are strays: some rims of such holes are left out.
    assert (indexed.atoms["grain"][on_site] == 0).mean() > (0.95 if missing else 0.999)
    # Brightness scatters by 8 %; sublattices of equal brightness are told apart by position.
    assert same_sublattices(indexed, drawn) > (0.97 if missing else 0.995)


def test_indices_count_cells(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["MX2"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, noise=0.5)
    indexed = index_atoms(drawn.atoms)
    lattice, table = indexed.lattice(), indexed.atoms
    # The drawn basis in the found one: whole numbers.
    turn = drawn.vectors @ np.linalg.inv(lattice.vectors_px)
    assert turn == pytest.approx(np.round(turn), abs=0.01)
    ideal = lattice.position_px(table["h"], table["k"], table["sublattice"].cat.codes)
    assert ideal == pytest.approx(table[["ideal_y_px", "ideal_x_px"]].to_numpy(), abs=1e-9)
    # The fitted sites are the drawn ones, within the error of a mean over 187 columns (0.04 px).
    assert ideal == pytest.approx(drawn.ideal, abs=0.25)
    assert table[["dy_px", "dx_px"]].to_numpy() == pytest.approx(
        table[["y_px", "x_px"]].to_numpy() - ideal, abs=1e-9
    )


def test_vectors_reach_the_error_that_positions_allow(draw_crystal):
    rng = np.random.default_rng(5)
    noise, spacing = 0.5, 12.0
    vectors = spacing * np.array([[0, 1], [-1, 0]])
    pulls, lengths, angles = [], [], []
    for _ in range(45):
        drawn = draw_crystal(
            rng, vectors, [[0, 0]], shape=(145, 133), noise=noise, angle_deg=rng.uniform(-40, 40),
            origin=rng.uniform(40, 80, 2),
        )  # fmt: skip
        lattice = index_atoms(drawn.atoms).lattice()
        turn = np.round(lattice.vectors_px @ np.linalg.inv(drawn.vectors))
        error = lattice.vectors_px - turn @ drawn.vectors
        pulls.append(error / lattice.vectors_err_px)
        lengths.append((lattice.lengths_px - spacing) / lattice.lengths_err_px)
        angles.append((lattice.angle_deg - 90) / lattice.angle_err_deg)
        # The bound of least squares: s over the root of the sum of squares of the indices.
        cells = drawn.index[:, :2] @ np.linalg.inv(turn)
        cells = cells - cells.mean(0)
        bound = noise * np.sqrt(np.diagonal(np.linalg.inv(cells.T @ cells)))
        # The scatter beyond the stated errors is 0 or small by chance: 6 % of 120 columns.
        assert lattice.vectors_err_px == pytest.approx(np.stack([bound, bound], 1), rel=0.2)
    # 180 numbers fix an rms to 5 %: two of those; 45 crystals take 4 s.
    assert rms(pulls) == pytest.approx(1, abs=0.1)
    assert rms(lengths) == pytest.approx(1, abs=0.22)  # 90 numbers: 7.5 %
    assert rms(angles) == pytest.approx(1, abs=0.32)  # 45 numbers: 10.5 %


@pytest.mark.parametrize("stated", [True, False])
def test_displacements_have_the_right_error_bars(rng, crystals, draw_crystal, stated):
    vectors, sites, amplitude = crystals["perovskite A, B"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, noise=0.3, shape=(520, 470))
    atoms = drawn.atoms if stated else drawn.atoms.drop(columns=["y_err_px", "x_err_px"])
    table = index_atoms(atoms).atoms
    pull = np.stack([table.dy_px / table.dy_err_px, table.dx_px / table.dx_err_px])
    # 2400 numbers fix an rms to 1.4 %.
    assert rms(pull) == pytest.approx(1, abs=0.06)


def test_real_displacements_are_scatter_not_error(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["square"]
    drawn = draw_crystal(
        rng, vectors, sites, noise=0.2, by_site=lambda p, _: rng.normal(0, [0.9, 0.5], p.shape)
    )
    lattice = index_atoms(drawn.atoms).lattice()
    # 485 columns fix a standard deviation to 3.2 %.
    assert lattice.scatter_px == pytest.approx([0.9, 0.5], rel=0.11)
    # Their error bars follow the scatter, not the smaller error of each position.
    assert lattice.lengths_err_px[0] > 3 * 0.2 / (0.7 * 0.9 * 485)


def test_pixels_that_are_not_square(rng, turn, draw_crystal):
    # A square lattice of 0.4 nm on pixels of 0.02 by 0.03 nm.
    size = (0.02, 0.03)
    vectors = turn(0.4 * np.array([[0, 1], [-1, 0]]), 25) / np.array(size)
    drawn = draw_crystal(
        rng, vectors, [[0, 0], [0.5, 0.5]], amplitude=[1, 0.6], angle_deg=0, noise=0.1,
        pixel_size_nm=size,
    )  # fmt: skip
    indexed = index_atoms(drawn.atoms)
    lattice = indexed.lattice()
    lengths_nm = lattice.lengths_px * lattice.nm_per_px
    # Errors are 0.1 px of 0.02 nm over some hundred columns: 1e-4 of the length.
    assert lengths_nm == pytest.approx([0.4, 0.4], rel=1e-3)
    assert lattice.angle_deg == pytest.approx(90, abs=0.1)
    assert lattice.rotation_deg == pytest.approx(25, abs=0.1)
    assert lattice.pixel_size_nm == pytest.approx(size)
    pm = (
        indexed.atoms["dy_pm"] / indexed.atoms["dy_px"],
        indexed.atoms["dx_pm"] / indexed.atoms["dx_px"],
    )
    assert pm[0].median() == pytest.approx(20)
    assert pm[1].median() == pytest.approx(30)


def test_the_order_of_atoms_does_not_matter(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["MX2"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, missing=0.03)
    mixed = drawn.atoms.sample(frac=1, random_state=3)
    plain, other = index_atoms(drawn.atoms), index_atoms(mixed)
    back = other.atoms.loc[drawn.atoms.index]
    assert other.lattice().vectors_px == pytest.approx(plain.lattice().vectors_px, abs=1e-9)
    assert (back["sublattice"] == plain.atoms["sublattice"]).all()
    assert back["ideal_y_px"].to_numpy() == pytest.approx(plain.atoms["ideal_y_px"], abs=1e-9)


def test_turning_the_image_turns_the_lattice(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["three sites, oblique"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude)
    quarter = drawn.atoms.assign(y_px=-drawn.atoms["x_px"], x_px=drawn.atoms["y_px"])
    plain, turned = index_atoms(drawn.atoms).lattice(), index_atoms(quarter).lattice()
    assert turned.lengths_px == pytest.approx(plain.lengths_px, rel=1e-9)
    assert turned.angle_deg == pytest.approx(plain.angle_deg)
    # A quarter turn anticlockwise; the lattice is the same after half of one more.
    assert (turned.rotation_deg - plain.rotation_deg) % 180 == pytest.approx(90)


def test_class_tells_sublattices_that_are_equally_bright(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["perovskite A, B"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=[1, 1])
    assert len(index_atoms(drawn.atoms).lattice().sublattices) == 1
    named = drawn.atoms.assign(**{"class": np.where(drawn.index[:, 2] == 0, "heavy", "light")})
    indexed = index_atoms(named)
    assert len(indexed.lattice().sublattices) == 2
    assert same_sublattices(indexed, drawn) == 1


def test_alloys_do_not_enlarge_the_cell(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["triangular"]
    drawn = draw_crystal(rng, vectors, sites)
    light = np.where(rng.uniform(size=len(drawn.atoms)) < 0.4, 60.0, 100.0)
    indexed = index_atoms(drawn.atoms.assign(amplitude=light))
    assert indexed.lattice().sublattices == ("A",)


def test_dark_columns_and_thickness_change_nothing(rng, crystals, draw_crystal):
    vectors, sites, amplitude = crystals["perovskite A, B, O"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude)
    wedge = np.exp(drawn.atoms["y_px"] / 150)  # 9 times as bright at the bottom as at the top
    indexed = index_atoms(drawn.atoms.assign(amplitude=-wedge * drawn.atoms["amplitude"]))
    assert len(indexed.lattice().sublattices) == 4
    assert same_sublattices(indexed, drawn) > 0.99


@pytest.mark.parametrize("angle_deg", [6.0, 27.0])
@pytest.mark.parametrize("name", ["square", "honeycomb"])
def test_two_grains(rng, crystals, draw_crystal, name, angle_deg):
    vectors, sites, _ = crystals[name]

    def left(p):
        return p[:, 1] < 150 + 0.2 * p[:, 0]

    one = draw_crystal(rng, vectors, sites, region=left, angle_deg=0)
    two = draw_crystal(
        rng, vectors, sites, region=lambda p: ~left(p), angle_deg=angle_deg, origin=(100.2, 90.7)
    )
    atoms = pd.concat([one.atoms, two.atoms], ignore_index=True)
    indexed = index_atoms(atoms)
    assert len(indexed.lattices) == 2
    truth = np.arange(len(atoms)) >= len(one.atoms)
    away = np.abs(atoms["x_px"] - 150 - 0.2 * atoms["y_px"]) > 20  # beyond 1.4 spacings
    grain = indexed.atoms["grain"]
    named = grain if (grain[~truth & away] == 0).mean() > 0.5 else 1 - grain
    assert (named[away] == truth[away]).mean() > 0.98
    turn = abs(indexed.lattices[0].rotation_deg - indexed.lattices[1].rotation_deg)
    # Vectors are known to 1e-3; columns of the other grain at the boundary pull a little.
    symmetry = 90 if name == "square" else 60
    assert min(turn % symmetry, -turn % symmetry) == pytest.approx(min(angle_deg, 60 - angle_deg)
        if name == "honeycomb" else angle_deg, abs=0.25)  # fmt: skip


def test_two_crystals_side_by_side(rng, crystals, draw_crystal):
    one = draw_crystal(rng, *crystals["square"][:2], region=lambda p: p[:, 0] < 160, angle_deg=0)
    two = draw_crystal(rng, *crystals["honeycomb"][:2], region=lambda p: p[:, 0] > 168, angle_deg=0)
    indexed = index_atoms(pd.concat([one.atoms, two.atoms], ignore_index=True))
    assert sorted(len(lattice.sublattices) for lattice in indexed.lattices) == [1, 2]


def test_bent_and_strained_crystals_keep_their_indices(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["honeycomb"]

    def bend(p):  # 2 % of strain and 2.3 degrees of rotation from corner to corner
        y, x = (p - 150).T
        return np.stack([1e-4 * x * y + 6e-5 * x**2, -6e-5 * x * y + 1e-4 * y**2], 1)

    drawn = draw_crystal(rng, vectors, sites, displacement=bend, noise=0.5, missing=0.04)
    indexed = index_atoms(drawn.atoms)
    assert len(indexed.lattices) == 1
    table = indexed.atoms[indexed.atoms["grain"] == 0]
    truth = drawn.index[table.index]
    # Indices of one sublattice differ from the drawn ones by one linear map.
    for name in ("A", "B"):
        own = table["sublattice"] == name
        found = table.loc[own, ["h", "k"]].to_numpy(float)
        design = np.column_stack([truth[own.to_numpy(), :2], np.ones(own.sum())])
        fit = np.linalg.lstsq(design, found, rcond=None)[0]
        assert design @ np.round(fit) == pytest.approx(found, abs=1e-6)


def test_a_dislocation_leaves_the_rest_indexed(rng, crystals, draw_crystal):
    vectors, sites, _ = crystals["square"]
    half = 14.0 / (2 * np.pi)

    def edge(p):  # displacement of an edge dislocation, its plane ends at the middle
        y, x = (p - [165, 145]).T
        return np.stack([np.zeros(len(p)), half * np.arctan2(y, x)], 1)

    drawn = draw_crystal(rng, vectors, sites, displacement=edge, angle_deg=0, noise=0.2)
    indexed = index_atoms(drawn.atoms)
    assert (indexed.atoms["grain"] >= 0).mean() > 0.97


def test_randomness_has_no_lattice(rng):
    place = rng.uniform(0, 300, (400, 2))
    indexed = index_atoms(pd.DataFrame({"y_px": place[:, 0], "x_px": place[:, 1]}))
    assert indexed.lattices == ()
    assert (indexed.atoms["grain"] == -1).all()
    assert indexed.atoms[["h", "k", "ideal_y_px", "dy_px", "sublattice"]].isna().all(axis=None)
    with pytest.raises(ScansegError, match="No lattice was found among 400 atoms"):
        indexed.lattice()
    assert not len(lattices_table(indexed))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_few_atoms(count):
    atoms = pd.DataFrame({"y_px": np.arange(count) * 3.0, "x_px": np.arange(count) % 3 * 5.0})
    indexed = index_atoms(atoms)
    assert len(indexed.atoms) == count
    assert indexed.lattices == ()


def test_a_small_particle_is_enough(draw_crystal, crystals, rng):
    drawn = draw_crystal(
        rng, *crystals["triangular"][:2], region=lambda p: ((p - 150) ** 2).sum(1) < 45**2
    )
    assert 25 < len(drawn.atoms) < 45
    indexed = index_atoms(drawn.atoms, config=Indexing(smallest_grain=15))
    assert (indexed.atoms["grain"] == 0).mean() > 0.95


def test_several_images_are_an_error(crystals, draw_crystal, rng):
    atoms = draw_crystal(rng, *crystals["square"][:2]).atoms
    with pytest.raises(ScansegError, match=r"2 values of 'frame'.*atoms\[atoms\.frame =="):
        index_atoms(atoms.assign(frame=np.arange(len(atoms)) % 2))
    with pytest.raises(ScansegError, match="no column 'y_px'"):
        index_atoms(atoms.drop(columns="y_px"))
    atoms.loc[3, "x_px"] = np.nan
    with pytest.raises(ScansegError, match="positions are empty"):
        index_atoms(atoms)


def test_table_of_lattices(crystals, draw_crystal, rng):
    vectors, sites, amplitude = crystals["MX2"]
    drawn = draw_crystal(rng, vectors, sites, amplitude=amplitude, pixel_size_nm=(0.013, 0.013))
    table = lattices_table(index_atoms(drawn.atoms))
    assert table["sublattice"].tolist() == ["A", "B"]
    assert table["a1_nm"].to_numpy() == pytest.approx(0.013 * table["a1_px"])
    # The light site is a third of the cell away; 190 columns fix it to 0.04 px of 24.
    third = np.array(sorted(table.loc[1, ["site_a1", "site_a2"]].to_numpy(float)))
    assert third == pytest.approx([1 / 3, 2 / 3], abs=0.01)
    assert table["brightness"][1] / table["brightness"][0] == pytest.approx(0.4, rel=0.03)
