"""A network as ONNX, with any batch, height and width."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scanseg.errors import BundleError
from scanseg.micrograph import FloatImage

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ONNX_OPSET", "write_onnx"]

# Every OpenVINO since 2023 and every ONNX Runtime since 1.12 reads it.
ONNX_OPSET = 17


def write_onnx(
    network: nn.Module, tiles: FloatImage, path: Path, *, outputs: Sequence[str] = ("logits",)
) -> None:
    """Write a network as ONNX with dynamic batch, height and width.

    Parameters
    ----------
    network
        Takes tiles, returns as many tensors (N, channels, h, w) as there are outputs.
    tiles
        An input to trace the network with, shape (N, channels, h, w).
    path
        File to write.
    outputs
        Their names; the input is called ``tiles``.

    Notes
    -----
    The exporter by tracing takes 0.4 s for the default network where the newer one takes 8 s and
    writes the same graph; torch promises to remove it after the versions that scanseg allows.
    """
    import onnx
    import torch

    dynamic = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation of this exporter, Python values in a trace
        try:
            torch.onnx.export(
                network,
                (torch.from_numpy(tiles),),
                path,
                dynamo=False,
                opset_version=ONNX_OPSET,
                input_names=["tiles"],
                output_names=list(outputs),
                dynamic_axes=dict.fromkeys(("tiles", *outputs), dynamic),
            )
        except RuntimeError as error:
            raise BundleError(
                f"The network cannot be written as ONNX: {str(error).splitlines()[0][:200]}.",
                hint="Use another architecture, or another encoder.",
            ) from error
    model = onnx.load(path)
    for node in model.graph.node:  # paths of the machine that exported it
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.save(model, path)
