"""A model for other programs: ONNX or TorchScript, compared with the bundle before it is kept."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scanseg.bundle.model import Model
from scanseg.bundle.onnx_network import OnnxNetwork, openvino_core
from scanseg.bundle.sample_inputs import sample_inputs
from scanseg.errors import BundleError, ConfigError
from scanseg.micrograph import FloatImage

__all__ = ["EXPORT_TOLERANCE", "Exported", "Format", "export_model"]

Format = Literal["onnx", "torchscript", "bioimageio"]
Outputs = Mapping[str, FloatImage]

# Of a probability. Two engines that add in another order differ in the sixth digit of a logit of
# 10 to 20, which changes a probability by a quarter of that at most: 1e-5 seen. A wrong
# temperature, padding or order of members changes it by 1e-2 and more.
EXPORT_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written.

    Parameters
    ----------
    path
        The file.
    outputs
        Names of what the network returns.
    n_inputs
        Inputs that were compared.
    largest_difference
        Of any output from that of the bundle, over all of them; probabilities.
    remarks
        What its users should know.
    """

    path: Path
    outputs: tuple[str, ...]
    n_inputs: int
    largest_difference: float
    remarks: tuple[str, ...] = ()


def export_model(
    model: Model, path: Path, *, to: Format, inputs: Sequence[FloatImage] | None = None
) -> Exported:
    """Write a model for programs that do not know scanseg.

    The exported network takes prepared tiles (see ``scanseg.preprocess``) and returns
    ``probability`` (N, C, h, w), background first, and of an ensemble ``spread`` (N, 1, h, w).

    Parameters
    ----------
    model
        A bundle.
    path
        File to write.
    to
        ``onnx``, ``torchscript`` or ``bioimageio`` (a package with both).
    inputs
        Network inputs to compare at, shape (N, channels, h, w) each; by default the test input of
        the bundle and cuts of the sample images, of several shapes.

    Raises
    ------
    ConfigError
        When the file exists.
    BundleError
        When what was exported does not compute what the bundle computes; nothing is written then.
    MachineError
        When a package for bioimage.io is asked for and its library is not installed.
    """
    from scanseg.bundle.deployed import deployed_network

    if path.exists():
        raise ConfigError(f"{path} exists, and is not replaced.", hint="Name another file.")
    tiles = list(sample_inputs(model) if inputs is None else inputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        # Without a dot: bioimage.io takes no hidden folders.
        folder = Path(scratch) / "export"
        folder.mkdir()
        network = deployed_network(model)
        if to == "bioimageio":
            from scanseg.bundle.bioimageio import write_package

            written, largest, remarks = write_package(model, network, tiles, folder)
        else:
            written = folder / f"network.{'onnx' if to == 'onnx' else 'pt'}"
            largest, remarks = write_verified(model, network, tiles, written, to=to), ()
        written.replace(path)
    from scanseg.bundle.deployed import output_names

    return Exported(path, output_names(model), len(tiles), largest, remarks)


def write_verified(
    model: Model,
    network: Any,
    tiles: Sequence[FloatImage],
    path: Path,
    *,
    to: Literal["onnx", "torchscript"],
) -> float:
    """Write a ``Deployed`` network, and compare it with the bundle; the largest difference."""
    from scanseg.bundle.deployed import output_names
    from scanseg.bundle.onnx_export import write_onnx

    names = output_names(model)
    if to == "onnx":
        write_onnx(copy.deepcopy(network), tiles[0], path, outputs=names)
        engines = _onnx_engines(path, names)
    else:
        _write_torchscript(network, tiles[0], path)
        engines = {"PyTorch": _torchscript_engine(path, names)}
    return max(_compare(model, tiles, compute, name) for name, compute in engines.items())


def _compare(
    model: Model,
    tiles: Sequence[FloatImage],
    compute: Callable[[FloatImage], Outputs],
    engine: str,
) -> float:
    """Largest difference of an exported network from the bundle's own in OpenVINO, in f32."""
    from scanseg.bundle.deployed import expected_outputs

    bundle = OnnxNetwork(model.onnx_path)
    largest = 0.0
    for each in tiles:
        found, expected = compute(each), expected_outputs(bundle.logits(each), model)
        for name, values in expected.items():
            if found[name].shape != values.shape:
                raise BundleError(
                    f"The exported '{name}' has shape {found[name].shape} for an input of "
                    f"{each.shape} in {engine}, and {values.shape} is right; nothing was written.",
                    hint="Export to another format.",
                )
            difference = float(np.abs(found[name] - values).max())
            if not difference <= EXPORT_TOLERANCE:  # NaN is no agreement
                raise BundleError(
                    f"The exported '{name}' differs from the bundle's by {difference:.2g} in "
                    f"{engine} (allowed: {EXPORT_TOLERANCE:g}) for an input of {each.shape}; "
                    "nothing was written.",
                    hint="Export to another format; scanseg models test checks the bundle itself.",
                )
            largest = max(largest, difference)
    return largest


def _onnx_engines(path: Path, names: Sequence[str]) -> dict[str, Callable[[FloatImage], Outputs]]:
    """OpenVINO, and ONNX Runtime where it is installed."""
    from importlib import import_module
    from importlib.util import find_spec

    compiled = openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def in_openvino(tiles: FloatImage) -> Outputs:
        result = compiled([np.ascontiguousarray(tiles)])
        return {name: np.array(result[name]) for name in names}

    engines: dict[str, Callable[[FloatImage], Outputs]] = {"OpenVINO": in_openvino}
    if find_spec("onnxruntime") is not None:
        runtime: Any = import_module("onnxruntime")
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

        def in_onnx_runtime(tiles: FloatImage) -> Outputs:
            return dict(zip(names, session.run(list(names), {"tiles": tiles}), strict=True))

        engines["ONNX Runtime"] = in_onnx_runtime
    return engines


def _write_torchscript(network: Any, tiles: FloatImage, path: Path) -> None:
    import torch

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # deprecation of TorchScript, Python values in a trace
        traced = torch.jit.trace(network, torch.from_numpy(tiles), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, path)


def _torchscript_engine(path: Path, names: Sequence[str]) -> Callable[[FloatImage], Outputs]:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation of TorchScript
        network = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]

    def compute(tiles: FloatImage) -> Outputs:
        with torch.inference_mode():
            result = network(torch.from_numpy(np.ascontiguousarray(tiles)))
        found = result if isinstance(result, tuple) else (result,)
        return {name: each.numpy() for name, each in zip(names, found, strict=True)}

    return compute
