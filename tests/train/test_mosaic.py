import numpy as np
import pytest
import torch
from PIL import Image

from scanseg.contract import ModelClass
from scanseg.train import mosaic
from scanseg.train.labels import IGNORED
from scanseg.train.mosaic import draw_mosaic, draw_sheet
from scanseg.train.preview import preview_recipe
from scanseg.train.task import Patch

CLASSES = (
    ModelClass(name="background", colour="#000000"),
    ModelClass(name="a", colour="#ff0000"),
    ModelClass(name="b", colour="#0000ff"),
)
HEADING, GAP = mosaic.HEADING_PX, mosaic.GAP_PX


def panel(path, row, column, shape):
    pixels = np.asarray(Image.open(path))
    top, left = HEADING + row * (shape[0] + GAP), column * (shape[1] + GAP)
    return pixels[top : top + shape[0], left : left + shape[1]]


def test_every_kind_of_error_has_its_colour(tmp_path):
    # found, missed, false, of the wrong class, right background, not judged
    truth = np.array([[1, 1, 0, 2, 0, IGNORED]], np.uint8).repeat(2, axis=0)
    said = [1, 0, 1, 1, 0, 1]
    probability = np.zeros((2, 2, 6), np.float32)
    for x, kind in enumerate(said):
        if kind:
            probability[kind - 1, :, x] = 0.9
    patch = Patch(np.zeros((1, 2, 6), np.float32), truth)
    path = tmp_path / "mosaic.png"
    draw_mosaic([patch], [probability], CLASSES, ("intensity",), path, threshold=0.5)
    errors = panel(path, 0, 3, (2, 6))[0]
    for x, colour in enumerate((mosaic.FOUND, mosaic.MISSED, mosaic.FALSE, mosaic.CONFUSED)):
        assert tuple(errors[x]) == colour
    assert errors[4].max() < 64
    assert tuple(errors[5]) not in {mosaic.FOUND, mosaic.FALSE}
    shown_truth, shown = (panel(path, 0, column, (2, 6))[0] for column in (1, 2))
    assert tuple(shown_truth[3]) == (0, 0, 255)
    assert tuple(shown[0]) == (int(0.9 * 255), 0, 0)


def test_a_mosaic_goes_from_the_best_to_the_worst(tmp_path):
    truth = np.zeros((4, 5), np.uint8)
    patches, probability = [], []
    for n_wrong in (7, 0, 3):
        found = np.zeros((2, 20), np.float32)
        found[0, :n_wrong] = 1
        patches.append(Patch(np.zeros((6, 4, 5), np.float32), truth))
        probability.append(found.reshape(2, 4, 5))
    path = tmp_path / "mosaic.png"
    channels = ("amplitude", "phase_cos", "phase_sin", "a", "b", "topography")
    draw_mosaic(patches, probability, CLASSES, channels, path, threshold=0.5)
    false = [(panel(path, row, 4, (4, 5)) == mosaic.FALSE).all(axis=2).sum() for row in range(3)]
    assert false == [0, 3, 7]


def test_a_sheet_shows_labels_where_they_are(tmp_path):
    image = torch.linspace(0, 1, 24).reshape(1, 4, 6)
    class_map = torch.zeros((4, 6), dtype=torch.long)
    class_map[1, 4] = 1
    path = tmp_path / "sheet.png"
    draw_sheet([(image, class_map)] * 5, CLASSES, ("intensity",), path)
    grey, labels = panel(path, 0, 0, (4, 6)), panel(path, 0, 1, (4, 6))
    changed = (grey != labels).any(axis=2)
    assert changed.tolist() == (class_map > 0).tolist()
    # Four patches of two panels a row, so five take two rows.
    with Image.open(path) as sheet:
        assert sheet.size == (8 * (6 + GAP) - GAP, HEADING + 2 * (4 + GAP))


@pytest.mark.parametrize("recipe", ["tiny_recipe", "tiny_walls"])
def test_a_preview_shows_what_is_trained_on(recipe, request, tmp_path):
    path = tmp_path / "sheet.png"
    preview_recipe(request.getfixturevalue(recipe), path)
    pixels = np.asarray(Image.open(path))
    n_planes = 1 if recipe == "tiny_recipe" else 2
    across = 9 // (n_planes + 1)
    assert pixels.shape[1] == across * (n_planes + 1) * (64 + GAP) - GAP
    # Somewhere there is an object.
    assert (pixels[HEADING:].max(axis=2) != pixels[HEADING:].min(axis=2)).any()
