import pytest

from scanseg.contract import Architecture
from scanseg.nets import build_network

torch = pytest.importorskip("torch")


def build(n_channels=1, n_classes=1, **arguments):
    architecture = Architecture(name="reshednet", arguments=arguments)
    return build_network(architecture, n_channels=n_channels, n_classes=n_classes)


def n_parameters(network):
    return sum(weights.numel() for weights in network.parameters())


def test_it_is_the_published_network():
    network = build()
    assert n_parameters(network) == 7_673_933
    assert [len(stage) for stage in network.stages] == [3, 4, 5]
    assert [side[0].in_channels for side in network.sides] == [64, 128, 256]


@pytest.mark.parametrize(("filters", "millions"), [(32, 1.92), (16, 0.48)])
def test_narrower_ones_are_as_small_as_said(filters, millions):
    assert n_parameters(build(filters=filters)) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize("shape", [(64, 96), (61, 47)])
def test_logits_have_the_shape_of_the_image(shape):
    network = build(n_channels=4, n_classes=3, filters=16).eval()
    with torch.no_grad():
        fused, *sides = network.all_logits(torch.randn(2, 4, *shape))
    assert fused.shape == (2, 3, *shape)
    assert [side.shape for side in sides] == [fused.shape] * 3


def test_the_published_loss_reaches_every_stage_and_so_do_the_sides():
    network = build(filters=4)
    fused, *sides = network.all_logits(torch.randn(2, 1, 32, 32))
    torch.testing.assert_close(network.eval()(torch.zeros(1, 1, 32, 32)).shape, fused[:1].shape)
    for logits in (fused, sides[2]):
        network.zero_grad()
        logits.square().sum().backward(retain_graph=True)
        for stage in network.stages:
            assert stage[0].project.weight.grad.abs().sum() > 0


def test_a_pixel_sees_as_far_as_said():
    network = build(filters=4).eval()
    image = torch.zeros(1, 1, 280, 280, requires_grad=True)
    network(image)[0, 0, 140, 140].backward()
    rows = torch.nonzero(image.grad[0, 0].abs().sum(1))[:, 0]
    # 3 * 4 px at full resolution, 4 * 4 * 2 + 2 and 5 * 4 * 4 + 4 at lower ones: 127 to 132 px,
    # by where the pixel lies on the coarse grid; one coarse pixel more through interpolation.
    assert 124 <= rows.max() - rows.min() + 1 <= 140


def test_it_learns_a_line():
    torch.manual_seed(0)
    network = build(n_channels=2, n_classes=2, filters=4, blocks=[1, 1, 1])
    image = torch.randn(4, 2, 32, 40) * 0.1
    truth = torch.zeros(4, 32, 40, dtype=torch.long)
    truth[:, :, 17] = 1
    image[:, 1, :, 17] += 1.0
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(40):
        loss = sum(
            torch.nn.functional.cross_entropy(logits, truth) for logits in network.all_logits(image)
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (network(image).argmax(1) == truth).float().mean() > 0.99
