"""Write a trained network as a bundle that needs neither torch nor trust to be used."""

from __future__ import annotations

import copy
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from scanseg.bundle.model import (
    CARD_FILE,
    CONTRACT_FILE,
    ONNX_FILE,
    REQUIRED_FILES,
    TEST_INPUT_FILE,
    TEST_OUTPUT_FILE,
    WEIGHTS_FILE,
    Model,
    checksum,
)
from scanseg.bundle.onnx_export import write_onnx
from scanseg.bundle.onnx_network import OnnxNetwork
from scanseg.contract import ModelContract
from scanseg.errors import BundleError
from scanseg.micrograph import FloatImage

if TYPE_CHECKING:
    from torch import nn

__all__ = ["example_input", "measure_halo_px", "save_bundle"]

# Of the largest logit: another order of sums changes the seventh digit a few hundred times.
EXPORT_TOLERANCE = 1e-3
# Of a probability: a step of 0.01 at one pixel in a thousand of a cut cannot be seen in a map, and
# asking for 1/255 everywhere widens the halo of the default network from about 100 to 120 px.
HALO_TOLERANCE = 0.01
HALO_QUANTILE = 0.999


def save_bundle(
    folder: str | Path, contract: ModelContract, network: nn.Module, *, card: str
) -> Model:
    """Write a network as a bundle.

    Everything is written beside ``folder`` and renamed, so that a bundle is complete or not there.

    Parameters
    ----------
    folder
        The bundle; an older bundle there is replaced, another folder is not.
    contract
        What ``model.yaml`` will say; checksums are added.
    network
        Trained network that maps (N, channels, h, w) to logits (N, C, h, w).
    card
        Model card, Markdown.

    Raises
    ------
    BundleError
        When the folder is something else, or the exported network does not compute what the
        network computes.
    """
    target = Path(folder)
    if target.exists() and not (target / CONTRACT_FILE).is_file() and any(target.iterdir()):
        raise BundleError(
            f"{target} exists and is no model, so it is not replaced.",
            hint="Choose another folder, or remove it.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        written = Path(scratch) / "bundle"
        written.mkdir()
        stored = _write_files(written, contract, network, card)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        written.rename(target)
    return Model(target.resolve(), stored)


def example_input(contract: ModelContract, *, seed: int = 0) -> FloatImage:
    """Two tiles that look like what the network was trained on: spots on a lattice, and noise.

    Parameters
    ----------
    contract
        Gives the channels, the spacing and the size multiple.
    seed
        Of the noise.

    Returns
    -------
    tiles
        Shape (2, channels, h, w), h and w different multiples of the contract's.
    """
    rng = np.random.default_rng(seed)
    multiple = contract.size_multiple_px
    height, width = (multiple * -(-length // multiple) for length in (96, 160))
    spacing = contract.spacing_px
    y, x = np.mgrid[:height, :width]
    rows, columns = (np.cos(2 * np.pi * position / spacing) for position in (y + 0.3 * x, x))
    lattice = ((2 + rows + columns) / 4) ** 3
    noise = rng.normal(scale=[[[[0.05]]], [[[0.4]]]], size=(2, len(contract.channels), *y.shape))
    return np.asarray(lattice + noise, np.float32)


def measure_halo_px(
    network: nn.Module,
    tiles: FloatImage,
    *,
    multiple_px: int,
    temperature: float = 1.0,
    n_members: int = 1,
) -> int:
    """Margin of a tile whose probabilities depend on what lies outside of it.

    The theoretical receptive field is several times larger than what a trained network looks at
    (Luo et al., NeurIPS 2016), so the margin is measured: tiles are cut in the middle, and the
    halves compared with the whole.

    Parameters
    ----------
    network
        Trained network.
    tiles
        Network input, shape (N, channels, h, w), at least 512 px wide; best real or simulated
        images of every kind.
    multiple_px
        Input sides must be multiples of this.
    temperature
        Of the softmax.
    n_members
        Networks of an ensemble.

    Returns
    -------
    halo_px
        Beyond it, all but one pixel in 1,000 change by less than 0.01; a multiple of 8.
    """
    import torch

    from scanseg.bundle.probability import foreground_probability

    cut = tiles.shape[3] // 2 // multiple_px * multiple_px
    reference = _on_cpu(network)
    with torch.inference_mode():
        whole, half = (
            reference(torch.from_numpy(np.ascontiguousarray(part))).numpy()
            for part in (tiles[..., : 2 * cut], tiles[..., :cut])
        )
    in_whole, in_half = (
        foreground_probability(part, temperature=temperature, n_members=n_members)
        for part in (whole[..., :cut], half)
    )
    difference = np.abs(in_whole - in_half)
    columns = np.quantile(difference, HALO_QUANTILE, axis=(0, 1, 2))
    beyond = np.flatnonzero(columns > HALO_TOLERANCE)
    return -(-int(cut - beyond[0]) // 8) * 8 if beyond.size else 0


def _write_files(
    folder: Path, contract: ModelContract, network: nn.Module, card: str
) -> ModelContract:
    import torch
    from safetensors.torch import save_file

    reference = _on_cpu(network)
    tiles = example_input(contract)
    with torch.inference_mode():
        logits = reference(torch.from_numpy(tiles)).numpy()
    _check_logits(logits, tiles, contract)
    weights = {name: value.contiguous().clone() for name, value in reference.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors leaves it to its owner alone
    write_onnx(reference, tiles, folder / ONNX_FILE)
    _check_export(folder / ONNX_FILE, tiles, logits)
    np.save(folder / TEST_INPUT_FILE, tiles)
    np.save(folder / TEST_OUTPUT_FILE, logits)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    checksums = {name: checksum(folder / name) for name in (*REQUIRED_FILES, CARD_FILE)}
    stored = contract.model_copy(update={"checksums": checksums})
    (folder / CONTRACT_FILE).write_text(
        yaml.safe_dump(stored.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        encoding="utf-8",
    )
    return stored


def _on_cpu(network: nn.Module) -> nn.Module:
    import torch

    return copy.deepcopy(network).to("cpu", torch.float32).eval()


def _check_logits(logits: FloatImage, tiles: FloatImage, contract: ModelContract) -> None:
    expected = (tiles.shape[0], contract.members * len(contract.classes), *tiles.shape[2:])
    if logits.shape != expected:
        raise BundleError(
            f"The network returns {logits.shape} for an input of {tiles.shape}; the contract "
            f"promises {expected}.",
            hint="Build the network with the channels and classes of the contract.",
        )
    if not np.isfinite(logits).all():
        raise BundleError(
            "The network returns NaN or infinity for its test input, so it is not saved.",
            hint="The training diverged: take an earlier checkpoint or a lower learning rate.",
        )


def _check_export(path: Path, tiles: FloatImage, logits: FloatImage) -> None:
    """Compare with torch on the test input, and on a tile of another shape."""
    engines: dict[str, Any] = {"OpenVINO": OnnxNetwork(path).logits}
    if find_spec("onnxruntime") is not None:
        engines["ONNX Runtime"] = _onnx_runtime(path)
    allowed = EXPORT_TOLERANCE * max(1.0, float(np.abs(logits).max()))
    for name, compute in engines.items():
        difference = float(np.abs(compute(tiles) - logits).max())
        if not difference <= allowed:
            raise BundleError(
                f"The exported network differs from the trained one by {difference:.2g} in {name} "
                f"(allowed: {allowed:.2g}), so it is not saved.",
                hint="Use another architecture, or versions of torch and OpenVINO that agree.",
            )


def _onnx_runtime(path: Path) -> Any:
    onnxruntime: Any = import_module("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda tiles: session.run(["logits"], {"tiles": tiles})[0]
