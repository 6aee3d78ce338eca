"""Weights in between, as far as little is forgotten."""

import pytest
import torch

from scanseg.contract import Architecture
from scanseg.nets import build_network
from scanseg.train.blend import blend, largest_part

SMALL = Architecture(name="compact-unet", arguments={"filters": [8, 8]})


def test_the_ends_are_the_networks_and_the_middle_is_between():
    torch.manual_seed(1)
    old, new = (build_network(SMALL, n_channels=1, n_classes=2).eval() for _ in range(2))
    image = torch.randn(1, 1, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(blend(old, new, 0.0)(image), old(image))
        torch.testing.assert_close(blend(old, new, 1.0)(image), new(image))
    middle = blend(old, new, 0.25).head.weight
    torch.testing.assert_close(middle, 0.75 * old.head.weight + 0.25 * new.head.weight)


@pytest.mark.parametrize("power", [1.0, 3.0, 5.0])
def test_no_more_than_the_limit_is_forgotten(power):
    asked = []

    def forgotten_at(part):
        asked.append(part)
        return 0.05 * part**power

    part = largest_part(forgotten_at, limit=0.01)
    assert forgotten_at(part) <= 0.0101
    assert part > 0.5 * 0.2 ** (1 / power)
    assert len(asked) < 10


def test_what_forgets_nothing_is_taken_as_it_is():
    assert largest_part(lambda part: -0.01, limit=0.008) == 1.0
