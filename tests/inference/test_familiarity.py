"""Numbers that tell scans and images apart, by hand and on simulated ones."""

import numpy as np
import pytest

from scanseg.inference.familiarity import column_statistics, scan_statistics, unfamiliar
from scanseg.preprocess.scan import SCAN_PLANES
from scanseg.train import WallRecipe
from scanseg.train.wall_patches import draw_wall_patch
from scanseg.train.wall_task import WallTask

SHAPE = (50, 70)
RECIPE = WallRecipe(
    name="walls",
    patch_px=96,
    scene={"layouts": {"domains": 1, "grains": 1}, "noise": (0.02, 0.1), "partial_fraction": 0.0},
    validation={"n_images": 16},
)


def planes(*, response=None, amplitude=None):
    stacked = np.zeros((len(SCAN_PLANES), *SHAPE), np.float32)
    if response is not None:
        stacked[1], stacked[2] = np.cos(np.angle(response)), np.sin(np.angle(response))
        stacked[3], stacked[4] = response.real, response.imag
    if amplitude is not None:
        stacked[0] = amplitude
    return stacked


def noise(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)


def seen_in(patch):
    """What a good network would say: sure of the walls of the truth, less so the more noise."""
    sure = 0.95 - patch.noise
    return np.stack([np.where(patch.class_map == n, sure, 0.01) for n in (1, 2)]).astype(np.float32)


@pytest.fixture(scope="module")
def familiar():
    task = WallTask(RECIPE)
    patches = task.validation_set()
    return task.familiar(patches, [seen_in(patch) for patch in patches])


def test_coherence_by_hand():
    x = np.arange(SHAPE[1])
    wave = np.cos(2 * np.pi * x / 7)[None] * np.ones(SHAPE)
    expected = np.cos(2 * np.pi / 7)  # of a cosine of 7 px and itself a pixel further
    nothing = np.zeros(SHAPE, np.float32)
    for each in (planes(response=wave + 0j), planes(amplitude=wave)):
        assert scan_statistics(each, nothing)["coherence"] == pytest.approx(expected, abs=0.01)
    # 3,450 independent pairs: four standard deviations.
    assert abs(scan_statistics(planes(response=noise()), nothing)["coherence"]) < 4 / np.sqrt(3450)


def test_an_offset_of_the_response_is_no_coherence():
    nothing = np.zeros(SHAPE, np.float32)
    offset = scan_statistics(planes(response=noise() + 20), nothing)["coherence"]
    assert abs(offset) < 4 / np.sqrt(3450)


def test_doubt_and_share_by_hand():
    foreground = np.zeros(SHAPE, np.float32)
    foreground[10], foreground[20] = 0.9, 0.6
    foreground[30] = 0.02  # says nothing of walls
    found = scan_statistics(planes(response=noise()), foreground)
    assert found["doubt"] == pytest.approx((0.9 * 0.1 + 0.6 * 0.4) / 1.5)
    assert found["wall_share"] == pytest.approx(1.52 / 50)
    empty = scan_statistics(planes(response=noise()), np.zeros(SHAPE, np.float32))
    assert np.isnan(empty["doubt"])
    assert empty["wall_share"] == 0


def test_a_constant_scan_has_no_coherence():
    constant = planes(response=np.ones(SHAPE, complex))
    assert np.isnan(scan_statistics(constant, np.zeros(SHAPE, np.float32))["coherence"])


def test_what_lies_outside_is_said():
    ranges = {"coherence": (0.3, 0.95), "doubt": (0.05, 0.2), "wall_share": (0.02, 0.3)}
    assert unfamiliar({"coherence": 0.5, "doubt": 0.1, "wall_share": 0.1}, ranges) == ()
    low = unfamiliar({"coherence": 0.01, "doubt": 0.01, "wall_share": 0.0}, ranges)
    high = unfamiliar({"coherence": 0.99, "doubt": 0.6, "wall_share": 0.7}, ranges)
    for sentences, words in (
        (low, ("noise",)),  # to be sure and to see few walls is no reason to doubt
        (high, ("smoothed", "less", "more")),
    ):
        for sentence, word in zip(sentences, words, strict=True):
            assert word in sentence
    assert "coherence 0.01, known from 0.3 to 0.95" in low[0]


def test_what_is_not_known_is_not_said():
    ranges = {"doubt": (0.05, 0.2), "wall_share": (0.02, 0.3)}
    assert unfamiliar({"doubt": float("nan"), "coherence": 0.0}, ranges) == ()
    assert unfamiliar({"doubt": 3.0}, {}) == ()
    # A statistic of a later version.
    assert unfamiliar({"doubt": 0.1}, {"texture": (0.0, 1.0)}) == ()


def test_scans_like_those_of_the_validation_are_familiar(familiar):
    assert set(familiar) == {"coherence", "doubt", "wall_share"}
    warned = 0
    for n in range(8):
        patch = draw_wall_patch(np.random.default_rng((77, n)), RECIPE)
        statistics = scan_statistics(patch.image, seen_in(patch).sum(0))
        warned += bool(unfamiliar(statistics, familiar))
    # Of 16 scans, two define the ends of each range: one in eight of others lies beyond, for each
    # of three statistics.
    assert warned <= 5


@pytest.mark.parametrize("with_phase", [True, False])
def test_noise_is_not_familiar(familiar, with_phase):
    response = noise()
    each = planes(response=response) if with_phase else planes(amplitude=np.abs(response))
    statistics = scan_statistics(each, np.zeros(SHAPE, np.float32))
    said = " ".join(unfamiliar(statistics, familiar))
    assert "most of the signal is noise" in said


SPACING_PX = 8.0


def discs(position_px, *, probability=0.9, shape=(70, 90)):
    """Probability of columns whose discs have a radius of two pixels."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    drawn = np.zeros(shape, np.float32)
    for row, column in position_px:
        drawn[(y - row) ** 2 + (x - column) ** 2 <= 4] = probability
    return drawn


def lattice(*, jitter_px=0.0, rng=None):
    y, x = np.meshgrid(np.arange(8, 64, 8.0), np.arange(8, 88, 8.0), indexing="ij")
    position = np.stack([y.ravel(), x.ravel()], axis=1)
    return position if rng is None else position + rng.uniform(-jitter_px, jitter_px, (70, 2))


def statistics_of(tile, probability):
    return column_statistics([(tile, probability)], spacing_px=SPACING_PX)


def test_column_statistics_by_hand():
    seen = discs(lattice())
    found = statistics_of(3 * seen + 5, seen)
    # The input is the probability but for its range; all columns are as far apart.
    assert found["explained"] == pytest.approx(1)
    assert found["irregularity"] == pytest.approx(0, abs=0.01)
    assert found["column_doubt"] == pytest.approx(0.1)
    other = statistics_of(3 * seen[::-1, ::-1].T[:70, :70], discs(lattice()[:8], shape=(70, 70)))
    assert other["explained"] < 0.3


def test_uneven_columns_are_irregular():
    rng = np.random.default_rng(3)
    even, uneven, random = (
        statistics_of(discs(position), discs(position))["irregularity"]
        for position in (
            lattice(jitter_px=0.5, rng=rng),
            lattice(jitter_px=3.0, rng=rng),
            rng.uniform(3, 67, (30, 2)),
        )
    )
    assert even < 0.15 < uneven < random


def test_windows_count_together():
    whole = discs(lattice())
    windows = [(whole[:, :44], whole[:, :44]), (whole[:, 44:], whole[:, 44:])]
    together = column_statistics(windows, spacing_px=SPACING_PX)
    # The windows part no column, and beyond a border the mean is that of a mirror image.
    for name, value in statistics_of(whole, whole).items():
        assert together[name] == pytest.approx(value, abs=0.05), name


def test_few_columns_say_nothing_of_their_distances():
    few = discs(lattice()[:5])
    found = statistics_of(few, few)
    assert found["explained"] == pytest.approx(1)
    assert np.isnan(found["irregularity"])
    assert np.isnan(found["column_doubt"])
    none = np.zeros((70, 90), np.float32)
    assert all(np.isnan(value) for value in statistics_of(few, none).values())


def test_an_image_is_not_called_a_scan():
    (said,) = unfamiliar({"explained": 0.1}, {"explained": (0.4, 0.9)})
    assert said.startswith("The image is unlike")
    assert unfamiliar({"explained": 0.99}, {"explained": (0.4, 0.9)}) == ()
