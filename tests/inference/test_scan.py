"""Scans through a small ensemble with random weights: what the network sees, and what is said."""

from dataclasses import replace

import numpy as np
import pytest

from scanseg.bundle import foreground_probability
from scanseg.bundle.probability import member_probability
from scanseg.errors import ScansegError
from scanseg.inference import InferenceConfig, OpenvinoEngine, predict
from scanseg.micrograph import Micrograph, Signal
from scanseg.preprocess.scan import scan_planes

AMPLITUDE, PHASE, TOPOGRAPHY = Signal.PFM_AMPLITUDE, Signal.PFM_PHASE, Signal.TOPOGRAPHY
SHAPE = (64, 92)  # multiples of 4, so that nothing is padded
ROUNDED = 0.51 / 255
HALO_STEPS = 3  # a change of 0.01, that with which halos are measured, rounded twice
NO_PHASE = "The scan has no phase"


def scan(*, shape=SHAPE, without=(), seed=0):
    """Amplitude with phase and topography of stripes that wind, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    response = np.tanh(3 * np.sin((x + 4 * np.sin(y / 15)) / 7)) * (1 + 0.1j)
    response = response + 0.05 * (rng.normal(size=shape) + 1j * rng.normal(size=shape))
    images = {
        AMPLITUDE: 80 * np.abs(response),
        PHASE: np.rad2deg(np.angle(response)),
        TOPOGRAPHY: rng.normal(size=shape).cumsum(1),
    }
    channels = {
        signal: Micrograph(data, pixel_size_nm=(10.0, 12.0), signal=signal)
        for signal, data in images.items()
        if signal not in without
    }
    first = next(iter(channels))
    companions = {signal: each for signal, each in channels.items() if signal is not first}
    return replace(channels[first], companions=companions)


def planes_of(image):
    return scan_planes({signal: each.data for signal, each in image.channels().items()})


def changed(image, signal, change):
    """The scan with other data in one of its channels."""
    channels = dict(image.channels())
    data = np.array(channels[signal].data)
    change(data)
    channels[signal] = replace(channels[signal], data=data, companions={})
    first = channels.pop(image.signal)
    return replace(first, companions=channels)


@pytest.fixture(scope="module")
def engine(wall_model):
    return OpenvinoEngine(wall_model, n_threads=1)


def test_all_channels_are_seen(wall_model, engine):
    image = scan()
    found = predict(image, wall_model, engine=engine)
    logits = engine.logits(planes_of(image)[None])
    expected = foreground_probability(logits, n_members=2)[0]
    np.testing.assert_allclose(found.probability[1:], expected, atol=ROUNDED)
    assert found.probability.shape == (3, *SHAPE)
    assert found.class_map.shape == SHAPE
    assert found.image is image
    assert found.spacing is None
    assert found.intensity is None
    assert not found.warnings


def test_the_spread_is_the_standard_deviation_of_the_members(wall_model, engine):
    image = scan()
    found = predict(image, wall_model, engine=engine)
    logits = engine.logits(planes_of(image)[None])
    each = member_probability(logits, n_members=2)[0]
    spread = 2 * each.std(axis=0).max(axis=0)
    # A variance is the difference of squares in single precision: 1e-7 of it is 3e-4 of its root.
    np.testing.assert_allclose(found.spread / 255, spread, atol=ROUNDED + 1e-3)
    assert spread.max() > 0.1
    assert (found.uncertainty >= found.spread / 255 - 1e-6).all()


def test_members_and_flips_are_views_alike(wall_model, engine):
    image = scan()
    found = predict(image, wall_model, engine=engine, config=InferenceConfig(augment="flips"))
    planes, views = planes_of(image)[None], []
    for rows, columns in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        logits = engine.logits(np.ascontiguousarray(planes[:, :, ::rows, ::columns]))
        each = member_probability(logits, n_members=2)[0]
        views += list(each[..., ::rows, ::columns])
    assert len(views) == 8
    np.testing.assert_allclose(found.probability[1:], np.mean(views, 0), atol=ROUNDED)
    spread = 2 * np.std(views, 0).max(0)
    np.testing.assert_allclose(found.spread / 255, spread, atol=ROUNDED + 1e-3)


def test_rows_are_not_made_columns(wall_model, engine):
    image = scan()
    flips, dihedral = (
        predict(image, wall_model, engine=engine, config=InferenceConfig(augment=augment))
        for augment in ("flips", "dihedral")
    )
    np.testing.assert_array_equal(dihedral.foreground, flips.foreground)
    np.testing.assert_array_equal(dihedral.spread, flips.spread)


def test_tiles_equal_the_whole_scan(wall_model, engine):
    image = scan(shape=(151, 213))
    whole = predict(image, wall_model, engine=engine)
    tiled = predict(
        image, wall_model, engine=engine, config=InferenceConfig(tile_px=96, batch_tiles=2)
    )
    for name in ("foreground", "spread"):
        difference = np.abs(getattr(tiled, name).astype(int) - getattr(whole, name))
        # The spread is a root: where members agree, a change of 0.01 is one of it as well.
        assert difference.max() <= 2 * HALO_STEPS, name


@pytest.mark.parametrize(
    ("without", "warned"),
    [({TOPOGRAPHY}, False), ({PHASE}, True), ({PHASE, TOPOGRAPHY}, True), ({AMPLITUDE}, False)],
)
def test_channels_may_be_missing(wall_model, engine, without, warned):
    image = scan(without=without)
    found = predict(image, wall_model, engine=engine)
    expected = foreground_probability(engine.logits(planes_of(image)[None]), n_members=2)[0]
    np.testing.assert_allclose(found.probability[1:], expected, atol=ROUNDED)
    assert any(NO_PHASE in sentence for sentence in found.warnings) == warned


def test_a_phase_alone_is_enough(wall_model, engine):
    image = scan(without={AMPLITUDE, TOPOGRAPHY})
    assert image.signal is PHASE
    assert predict(image, wall_model, engine=engine).class_map.shape == SHAPE


@pytest.mark.parametrize("as_array", [True, False])
def test_an_unknown_signal_is_taken_for_an_amplitude(wall_model, engine, as_array):
    amplitude = scan(without={PHASE, TOPOGRAPHY})
    unknown = replace(amplitude, signal=Signal.UNKNOWN, warnings=("Read by hand.",))
    found = predict(amplitude.data if as_array else unknown, wall_model, engine=engine)
    expected = predict(amplitude, wall_model, engine=engine)
    np.testing.assert_array_equal(found.foreground, expected.foreground)
    assert found.image.signal is AMPLITUDE
    assert found.image.pixel_size_nm == (None if as_array else (10.0, 12.0))
    assert any("taken for an amplitude" in sentence for sentence in found.warnings)
    assert ("Read by hand." in found.warnings) != as_array


@pytest.mark.parametrize("signal", [Signal.HAADF, Signal.BF])
def test_an_image_of_an_electron_microscope_is_refused(wall_model, engine, signal):
    image = replace(scan(without={PHASE, TOPOGRAPHY}), signal=signal)
    with pytest.raises(ScansegError, match=f"force microscope, and this is {signal}"):
        predict(image, wall_model, engine=engine)


def test_topography_alone_is_refused(wall_model, engine):
    with pytest.raises(ScansegError, match="topography alone shows no walls"):
        predict(scan(without={AMPLITUDE, PHASE}), wall_model, engine=engine)


def test_a_scan_that_was_stopped_is_predicted_as_far_as_it_goes(wall_model, engine):
    whole, stopped = scan(), scan()
    for signal in (AMPLITUDE, PHASE, TOPOGRAPHY):
        stopped = changed(stopped, signal, lambda data: data[40:].fill(np.nan))
    found = predict(stopped, wall_model, engine=engine)
    expected = predict(whole, wall_model, engine=engine)
    assert np.isfinite(found.probability).all()
    # The median of the amplitude, the axis of the phase and the relief are those of 40 rows of 64;
    # a halo of the border sees that there is nothing.
    inner = np.s_[:, : 40 - wall_model.contract.halo_px // 2]
    difference = np.abs(found.probability[inner] - expected.probability[inner])
    assert np.median(difference) < 0.02


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
@pytest.mark.parametrize("signal", [AMPLITUDE, PHASE, TOPOGRAPHY])
def test_a_constant_channel_is_a_missing_one(wall_model, engine, signal, value):
    constant = changed(scan(), signal, lambda data: data.fill(value))
    found = predict(constant, wall_model, engine=engine)
    expected = predict(scan(without={signal}), wall_model, engine=engine)
    np.testing.assert_array_equal(found.foreground, expected.foreground)
    name = {AMPLITUDE: "amplitude", PHASE: "phase", TOPOGRAPHY: "topography"}[signal]
    assert f"The {name} is the same everywhere and was left out." in found.warnings
    assert any(NO_PHASE in sentence for sentence in found.warnings) == (signal is PHASE)


@pytest.mark.parametrize("without", [{PHASE}, {AMPLITUDE}, set()])
def test_a_scan_without_anything_is_refused(wall_model, engine, without):
    image = scan(without=without)
    for signal in {AMPLITUDE, PHASE} - without:
        image = changed(image, signal, lambda data: data.fill(5.0))
    with pytest.raises(ScansegError, match="everywhere, so there is nothing to see"):
        predict(image, wall_model, engine=engine)


def test_no_wall_is_said(wall_model, engine):
    strict = type(wall_model)(
        wall_model.folder, wall_model.contract.model_copy(update={"threshold": 0.9999})
    )
    assert "No domain wall was seen." in predict(scan(), strict, engine=engine).warnings


def test_a_scan_unlike_the_training_data_is_warned_of(wall_model, engine):
    known = wall_model.contract.model_copy(update={"familiar": {"coherence": (0.2, 0.5)}})
    model = type(wall_model)(wall_model.folder, known)
    (warning,) = predict(scan(), model, engine=engine).warnings
    # 5 % noise on stripes 44 px wide.
    assert "smoothed or enlarged (coherence 0.9" in warning


def test_any_size_can_be_predicted(wall_model, engine):
    for shape in ((1, 1), (3, 200), (37, 41)):
        image = scan(shape=(max(shape[0], 2), shape[1]))
        image = replace(
            image,
            data=image.data[: shape[0]],
            companions={
                signal: replace(each, data=each.data[: shape[0]])
                for signal, each in image.companions.items()
            },
        )
        if shape == (1, 1):
            with pytest.raises(ScansegError, match="nothing to see"):
                predict(image, wall_model, engine=engine)
        else:
            assert predict(image, wall_model, engine=engine).class_map.shape == shape
