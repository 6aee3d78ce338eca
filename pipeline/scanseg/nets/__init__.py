"""The networks: a registry, a small U-Net of our own, and segmentation-models-pytorch.

Importing this package loads no torch; building a network does.
"""

from __future__ import annotations

from scanseg.nets import own_networks, smp_networks  # noqa: F401 - they register their networks
from scanseg.nets.registry import build_network, network_names, register_network
from scanseg.nets.torchvision_operators import prepare_torchvision

__all__ = ["build_network", "network_names", "prepare_torchvision", "register_network"]
