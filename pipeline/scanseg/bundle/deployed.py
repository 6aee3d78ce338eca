"""A model as one network whose output is what people want: probabilities, and their spread.

The network of a bundle gives logits, of an ensemble those of all members one after the other. What
is exported to other programs does the rest itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from scanseg.bundle.model import Model, load_weights
from scanseg.bundle.probability import member_probability
from scanseg.micrograph import FloatImage
from scanseg.nets import build_network

__all__ = ["Deployed", "deployed_network", "expected_outputs", "output_names"]


class Deployed(nn.Module):
    """Probabilities of all classes, the background included; of an ensemble mean and spread.

    Parameters
    ----------
    network
        Maps (N, channels, h, w) to logits (N, K C, h, w): C classes of each of K members.
    n_members
        K.
    temperature
        Logits are divided by it.
    """

    def __init__(self, network: nn.Module, *, n_members: int, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.n_members = n_members
        self.temperature = temperature

    def forward(self, tiles: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Mean (N, C, h, w); with several members also their spread (N, 1, h, w)."""
        logits = self.network(tiles) / self.temperature
        members = torch.stack([each.softmax(1) for each in logits.chunk(self.n_members, 1)])
        mean = members.mean(0)
        if self.n_members == 1:
            return mean
        # As deviations from the mean: the difference of two large squares would lose digits.
        variance = ((members - mean) ** 2).mean(0)
        return mean, 2.0 * variance[:, 1:].amax(1, keepdim=True).sqrt()


def output_names(model: Model) -> tuple[str, ...]:
    """Names of the outputs: ``probability``, and ``spread`` of an ensemble."""
    return ("probability", "spread") if model.contract.members > 1 else ("probability",)


def deployed_network(model: Model) -> Deployed:
    """The network of a bundle with its weights, on the CPU in float32."""
    contract = model.contract
    network = build_network(
        contract.architecture,
        n_channels=len(contract.channels),
        n_classes=len(contract.classes),
        n_members=contract.members,
    )
    load_weights(model, network)
    deployed = Deployed(network, n_members=contract.members, temperature=contract.temperature)
    return deployed.eval().to("cpu", torch.float32)


def expected_outputs(logits: FloatImage, model: Model) -> Mapping[str, FloatImage]:
    """What an exported model must return where the bundle's own network gives these logits.

    Notes
    -----
    The spread is that of ``scanseg predict``: twice the standard deviation of the members, of the
    class where it is largest, so that it lies within 0 to 1.
    """
    contract = model.contract
    of_members = member_probability(
        logits, temperature=contract.temperature, n_members=contract.members
    )
    mean = of_members.mean(axis=1)
    background = 1.0 - mean.sum(axis=1, keepdims=True)
    outputs = {"probability": np.concatenate([background, mean], axis=1)}
    if contract.members > 1:
        outputs["spread"] = 2.0 * of_members.std(axis=1).max(axis=1, keepdims=True)
    return outputs
