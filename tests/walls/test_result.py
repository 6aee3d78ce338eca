from pathlib import Path

import numpy as np
import pytest

from scanseg.bundle import Model, ModelClass, ModelContract, Sampling
from scanseg.errors import ScansegError
from scanseg.inference import Prediction
from scanseg.micrograph import Micrograph, Signal
from scanseg.preprocess import Grid
from scanseg.simulate import PfmScene, simulate_pfm
from scanseg.simulate.wall_lines import draw_walls
from scanseg.walls import Walls, trace_walls

SHAPE = (96, 130)
CLASSES = ("background", "ferroelectric", "ferroelastic")


def prediction(scan, *, task="walls"):
    """What a network would say that knows the truth to a pixel."""
    contract = ModelContract(
        name="perfect", version="1", task=task, modality="PFM",
        classes=tuple(ModelClass(name=name, colour="#000000") for name in CLASSES),
        sampling=Sampling(pixel_size_nm=12.0), halo_px=8, recipe="none.yaml", seed=1,
        data="the truth", scanseg_version="0",
    )  # fmt: skip
    shape = scan.class_map.shape
    seen = draw_walls(scan.walls, shape, radius_px=1.5, visible_contrast=0)
    channels = scan.micrographs()
    phase = Micrograph(
        channels[Signal.PFM_PHASE].data, signal=Signal.PFM_PHASE, pixel_size_nm=(12, 20)
    )
    image = Micrograph(
        channels[Signal.PFM_AMPLITUDE].data, signal=Signal.PFM_AMPLITUDE, pixel_size_nm=(12, 20),
        companions={Signal.PFM_PHASE: phase},
    )  # fmt: skip
    return Prediction(
        image, Model(Path("perfect"), contract), Grid(shape, shape), None, None,
        np.stack([255 * (seen == index).astype(np.uint8) for index in (1, 2)]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def scan():
    config = PfmScene(
        layouts={"domains": 1.0}, disorder=0.0, noise=(0.05, 0.05), lateral_fraction=0.0,
        partial_fraction=0.0, missing={}, pixel_size_nm=(12.0, 12.0), domain_px=(25.0, 40.0),
        wall_half_width_nm=(25.0, 35.0),
    )  # fmt: skip
    return simulate_pfm(np.random.default_rng(11), shape=SHAPE, config=config)


@pytest.fixture(scope="module")
def walls(scan):
    return trace_walls(prediction(scan))


def test_walls_of_a_prediction(walls, scan):
    assert isinstance(walls, Walls)
    assert len(walls.branches) == len(walls.lines) == len(walls.graph.branches)
    true_px = sum(wall.length_px for wall in scan.walls)
    # The tracing ends half a pixel before the border, and the truth has the kinks of a grid.
    assert walls.branches["length_px"].sum() == pytest.approx(true_px, rel=0.08)
    assert set(walls.branches["class"]) == {"ferroelectric"}
    assert walls.points["y_nm"].max() <= 12 * (SHAPE[0] - 1)
    np.testing.assert_allclose(walls.points["x_nm"], 20 * walls.points["x_px"])
    assert walls.domain_map.shape == SHAPE
    assert walls.domain_map.dtype == np.int32


def test_domains_of_a_prediction(walls, scan):
    domains = walls.domains
    assert list(domains["domain"]) == list(range(1, walls.domain_map.max() + 1))
    assert domains["area_nm2"].sum() == pytest.approx(12 * 20 * scan.polarity.size)
    polarity = domains["polarity"].to_numpy()[walls.domain_map - 1]
    assert abs((polarity * scan.polarity).mean()) > 0.95


def test_columns_are_those_of_the_contract_first(walls):
    assert list(walls.branches.columns)[:12] == [
        "branch", "class", "length_px", "length_nm", "tortuosity", "curvature_per_nm",
        "orientation_deg", "width_nm", "width_err_nm", "start", "end", "touches_edge",
    ]  # fmt: skip
    assert list(walls.points.columns)[:8] == [
        "branch", "point", "y_px", "x_px", "y_nm", "x_nm", "class", "probability",
    ]  # fmt: skip
    assert list(walls.domains.columns)[:5] == [
        "domain", "area_nm2", "perimeter_nm", "polarity", "touches_edge",
    ]  # fmt: skip


def test_atoms_are_no_walls(scan):
    with pytest.raises(ScansegError, match="finds atoms, not walls"):
        trace_walls(prediction(scan, task="atoms"))
