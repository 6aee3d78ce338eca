"""Whether the files of a model from somebody else are what they should be, read as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scanseg.bundle.model import CONTRACT_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE
from scanseg.contract import ModelContract
from scanseg.errors import BundleError, ConfigError

__all__ = ["check_arrays", "check_contract", "check_onnx", "check_weights"]

# safetensors: length of a JSON header, then the header.
_LENGTH_BYTES = 8
LARGEST_HEADER = 10_000_000
NUMBER_TYPES = frozenset(("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"))
DOMAINS = frozenset(("", "ai.onnx"))
# Of the arguments of a network: filters, blocks, members.
LARGEST_NUMBER = 8192
LONGEST_LIST = 64


def check_contract(folder: Path) -> ModelContract:
    """Read ``model.yaml`` as plain data; every other file must have its checksum in it."""
    text = (folder / CONTRACT_FILE).read_text(encoding="utf-8", errors="replace")
    try:
        # A few lines of aliases of aliases would unfold to gigabytes.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise BundleError(
                f"{CONTRACT_FILE} refers to parts of itself, which no contract does.",
                hint="Do not trust this file.",
            )
        settings: Any = yaml.safe_load(text)
        if not isinstance(settings, dict):
            raise TypeError("it is no mapping")
        contract = ModelContract.from_settings(settings, origin=CONTRACT_FILE)
    except (yaml.YAMLError, TypeError, ConfigError, RecursionError) as error:
        raise BundleError(
            f"{CONTRACT_FILE} is no contract of a model: {' '.join(str(error).split())[:400]}",
            hint="The model is damaged, or a newer scanseg made it: ask for it again, or upgrade.",
        ) from None
    present = {each.name for each in folder.iterdir()} - {CONTRACT_FILE}
    if present != set(contract.checksums):
        odd = ", ".join(sorted(present ^ set(contract.checksums)))
        raise BundleError(
            f"The checksums in {CONTRACT_FILE} are not those of the files: {odd}.",
            hint="Ask for the whole folder again.",
        )
    return contract


def check_weights(path: Path, contract: ModelContract) -> None:
    """Read the header of the safetensors: of the right length, and of the contract's network."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        size = path.stat().st_size
        if not 2 <= length <= min(LARGEST_HEADER, size - _LENGTH_BYTES):
            raise _not_safetensors(path, "its header has no sensible length")
        try:
            header: dict[str, Any] = json.loads(file.read(length))
            tensors = {name: each for name, each in header.items() if name != "__metadata__"}
            ends = [int(each["data_offsets"][1]) for each in tensors.values()]
            shapes = {name: tuple(each["shape"]) for name, each in tensors.items()}
            types = {str(each["dtype"]) for each in tensors.values()}
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise _not_safetensors(path, "its header cannot be read") from None
    if not ends or max(ends) != size - _LENGTH_BYTES - length:
        raise _not_safetensors(path, "it is longer or shorter than its header says")
    if not types <= NUMBER_TYPES:
        raise _not_safetensors(path, f"it holds {', '.join(sorted(types - NUMBER_TYPES))}")
    if shapes != _expected_shapes(contract):
        raise BundleError(
            f"The weights are not those of the network '{contract.architecture.name}' that the "
            "contract names.",
            hint="The files do not belong together: ask for the whole folder again.",
        )


def _expected_shapes(contract: ModelContract) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of the contract's network, which takes no memory to find out."""
    import torch

    from scanseg.nets import build_network

    architecture = contract.architecture
    odd = [name for name, value in architecture.arguments.items() if not _is_plain(value)]
    if odd or contract.members > LARGEST_NUMBER:
        raise BundleError(
            f"The network of the contract has strange arguments: {', '.join(odd) or 'members'}.",
            hint="Do not trust this file.",
        )
    with torch.device("meta"):
        network = build_network(
            architecture,
            n_channels=len(contract.channels),
            n_classes=len(contract.classes),
            n_members=contract.members,
        )
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _is_plain(value: Any) -> bool:
    """Numbers that no network exceeds, and words: nothing that is fetched from elsewhere."""
    if isinstance(value, list | tuple):
        return len(value) <= LONGEST_LIST and all(_is_plain(each) for each in value)
    if isinstance(value, str):
        return len(value) < 100 and all(each.isalnum() or each in "_.-" for each in value)
    return value is None or (isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER)


def _not_safetensors(path: Path, why: str) -> BundleError:
    return BundleError(
        f"{path.name} holds no weights as safetensors: {why}.", hint="Ask for the model again."
    )


def check_onnx(path: Path, contract: ModelContract) -> None:
    """Parse the graph: plain operators, weights inside, one input and one output as promised."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx raise many kinds
        raise BundleError(
            f"{path.name} is no valid ONNX: {' '.join(str(error).split())[:300]}",
            hint="Ask for the model again.",
        ) from None
    graph = model.graph
    domains = {each.domain for each in model.opset_import} | {n.domain for n in _nodes(graph)}
    if not domains <= DOMAINS or model.functions:
        own = ", ".join(sorted(domains - DOMAINS)) or "functions"
        raise BundleError(
            f"{path.name} uses operators of its own ({own}), which would be code from elsewhere.",
            hint="Ask for a model that 'scanseg train' wrote.",
        )
    if any(each.data_location == onnx.TensorProto.EXTERNAL for each in graph.initializer):
        raise BundleError(
            f"{path.name} has its weights in another file, which could be any file.",
            hint="Ask for a model that 'scanseg train' wrote.",
        )
    channels = [
        each.type.tensor_type.shape.dim[1].dim_value for each in (*graph.input, *graph.output)
    ]
    promised = [len(contract.channels), contract.members * len(contract.classes)]
    # The exporter may leave the channels of the output open; the self-test has them.
    if len(channels) != 2 or any(
        have not in (0, want) for have, want in zip(channels, promised, strict=True)
    ):
        raise BundleError(
            f"{path.name} takes and gives {channels} channels, and the contract promises "
            f"{promised}.",
            hint="The files do not belong together: ask for the whole folder again.",
        )


def _nodes(graph: Any) -> Iterator[Any]:
    """Nodes of a graph and of the graphs inside of them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def check_arrays(folder: Path, contract: ModelContract) -> None:
    """Look at the test arrays without loading them; objects would be pickles."""
    shapes = []
    for name in (TEST_INPUT_FILE, TEST_OUTPUT_FILE):
        try:
            array = np.load(folder / name, mmap_mode="r", allow_pickle=False)
            shape, kind = array.shape, array.dtype
        except (ValueError, OSError, EOFError) as error:
            raise BundleError(
                f"{name} is no array of numbers: {' '.join(str(error).split())[:200]}",
                hint="Ask for the model again.",
            ) from None
        if kind != np.float32 or len(shape) != 4:
            raise BundleError(
                f"{name} holds {kind} of shape {shape}, and float32 of (N, channels, h, w) is "
                "right.",
                hint="Ask for the model again.",
            )
        shapes.append(shape)
    (n, channels, *sides), (n_out, logits, *sides_out) = shapes
    promised = (len(contract.channels), contract.members * len(contract.classes))
    if (channels, logits) != promised or (n, sides) != (n_out, sides_out):
        raise BundleError(
            f"The test of the model has shapes {shapes[0]} and {shapes[1]}, and the contract "
            f"promises {promised[0]} and {promised[1]} channels.",
            hint="The files do not belong together: ask for the whole folder again.",
        )
