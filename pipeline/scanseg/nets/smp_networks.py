"""The networks of segmentation-models-pytorch, with any of its encoders (``tu-...`` are timm's)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scanseg.nets.registry import register_network
from scanseg.nets.torchvision_operators import prepare_torchvision

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []

# Without PSPNet, UPerNet and PAN: they pool the input to fixed numbers of cells or need a smallest
# side, so what they compute would depend on the size of the tile.
_CLASSES = {
    "unet": "Unet",
    "unetplusplus": "UnetPlusPlus",
    "manet": "MAnet",
    "linknet": "Linknet",
    "fpn": "FPN",
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus": "DeepLabV3Plus",
    "segformer": "Segformer",
}


def _register(name: str, class_name: str) -> None:
    @register_network(name)
    def build(*, n_channels: int, n_classes: int, **arguments: Any) -> nn.Module:
        prepare_torchvision()
        import segmentation_models_pytorch as smp

        if arguments.pop("encoder_weights", None) is not None:
            raise ValueError(
                "encoder_weights would be downloaded, and networks here start from random weights"
            )
        network: nn.Module = getattr(smp, class_name)(
            in_channels=n_channels, classes=n_classes, encoder_weights=None, **arguments
        )
        return network


for _name, _class_name in _CLASSES.items():
    _register(_name, _class_name)
