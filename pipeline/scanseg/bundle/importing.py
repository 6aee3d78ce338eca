"""A model from somebody else: read as data, checked, and put where models are found.

Nothing of it is executed. What could be code (pickles, Python, libraries) is refused by its name
and by its first bytes, and no file is opened by anything that could run one.
"""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from scanseg.bundle.checks import self_test
from scanseg.bundle.installed import models_folder
from scanseg.bundle.model import (
    CARD_FILE,
    CONTRACT_FILE,
    ONNX_FILE,
    REQUIRED_FILES,
    TEST_INPUT_FILE,
    TEST_OUTPUT_FILE,
    WEIGHTS_FILE,
    Model,
    load_model,
    model_names,
)
from scanseg.contract import ModelContract
from scanseg.errors import BundleError, ConfigError

__all__ = ["import_model"]

# Bytes. Shipped models have 6 to 14 MB; the largest U-Nets of segmentation-models-pytorch 1 GB.
LARGEST_FILE = 2_000_000_000
LARGEST_TEXT = 1_000_000
LARGEST_TEST = 200_000_000
ALLOWED_FILES = frozenset((CONTRACT_FILE, CARD_FILE, *REQUIRED_FILES))
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".npz", ".dill")
_CODE = (".py", ".pyc", ".so", ".dll", ".dylib", ".sh", ".exe", ".bat")
# A pickle of protocol 2 or later, and the archive that torch.save puts it in.
_PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
# safetensors: length of a JSON header, then the header.
_HEADER_LENGTH = 8
LARGEST_HEADER = 10_000_000
NUMBER_TYPES = frozenset(("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"))
DOMAINS = frozenset(("", "ai.onnx"))
# Of the arguments of a network: filters, blocks, members.
LARGEST_NUMBER = 8192
LONGEST_LIST = 64


@dataclass(frozen=True, slots=True)
class _Source:
    """Files of a folder or an archive: sizes by name, and how to copy them."""

    sizes: Mapping[str, int]
    archive: zipfile.ZipFile | None
    root: Path | PurePosixPath

    def copy(self, name: str, to: Path) -> None:
        limit = self.sizes[name]
        if self.archive is None:
            shutil.copyfile(Path(self.root) / name, to)
            return
        with self.archive.open((self.root / name).as_posix()) as packed, to.open("wb") as file:
            shutil.copyfileobj(packed, file)
        if to.stat().st_size != limit:
            raise BundleError(
                f"{name} is not as large as the archive says.", hint="Ask for it anew."
            )


def import_model(path: Path, *, name: str | None = None, replace: bool = False) -> Model:
    """Check a bundle from somebody else, and put it where ``scanseg models`` finds it.

    Parameters
    ----------
    path
        Folder of a model, or a zip archive of one.
    name
        What it is to be called here; its own name by default.
    replace
        Replace a model of that name that was imported before.

    Raises
    ------
    BundleError
        When something is missing, altered, too large, could be code, or does not compute what it
        was stored with.
    ConfigError
        When the name is taken, or there is no such path.
    """
    home = models_folder()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".import-") as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        _copy_allowed(path, folder)
        contract = _check_contract(folder)
        target = home / _name_for(contract, name, home, replace=replace)
        _check_weights(folder / WEIGHTS_FILE, contract)
        _check_onnx(folder / ONNX_FILE, contract)
        _check_arrays(folder, contract)
        model = load_model(folder)  # compares all checksums
        _check_output(model)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        folder.rename(target)
    return Model(target.resolve(), model.contract)


def _name_for(contract: ModelContract, name: str | None, home: Path, *, replace: bool) -> str:
    name = name or contract.name
    ModelContract.from_settings({**contract.model_dump(), "name": name}, origin="--name")
    if name in model_names():
        raise ConfigError(
            f"A model called '{name}' ships with scanseg.", hint="Give another name with --name."
        )
    if (home / name).exists() and not replace:
        raise ConfigError(
            f"A model called '{name}' was imported before.",
            hint="Give another name with --name, or --replace it.",
        )
    return name


def _copy_allowed(path: Path, folder: Path) -> None:
    """Copy the files of a bundle, and refuse whatever does not belong to one."""
    if path.is_dir():
        _copy_files(_folder_source(path), folder)
    elif path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                _copy_files(_archive_source(archive), folder)
        except zipfile.BadZipFile:
            raise BundleError(
                f"{path.name} is no model: neither a folder nor a zip archive of one.",
                hint=_hint_for(path.name),
            ) from None
    else:
        raise ConfigError(f"{path} does not exist.", hint="Check the path.")


def _folder_source(path: Path) -> _Source:
    sizes = {}
    for each in sorted(path.rglob("*")):
        name = each.relative_to(path).as_posix()
        if each.is_symlink():
            raise BundleError(
                f"{name} is a link to another place, so it is not followed.",
                hint="Copy the files themselves.",
            )
        if each.is_file():
            sizes[name] = each.stat().st_size
    return _Source(sizes, None, path)


def _archive_source(archive: zipfile.ZipFile) -> _Source:
    entries = [each for each in archive.infolist() if not each.is_dir()]
    contracts = [e for e in entries if PurePosixPath(e.filename).name == CONTRACT_FILE]
    if len(contracts) != 1:
        _refuse_names(PurePosixPath(each.filename).name for each in entries)
        raise BundleError(
            f"The archive holds {len(contracts)} files {CONTRACT_FILE}, and a model has one.",
            hint="Give the zip archive of one folder that 'scanseg train' wrote.",
        )
    root = PurePosixPath(contracts[0].filename).parent
    sizes = {}
    for each in entries:
        name = PurePosixPath(each.filename)
        linked = stat.S_ISLNK(each.external_attr >> 16)
        if name.is_absolute() or ".." in name.parts or "\\" in each.filename or linked:
            raise BundleError(
                f"The archive holds {each.filename!r}, which points out of it.",
                hint="Do not trust this file.",
            )
        if not name.is_relative_to(root):
            raise BundleError(
                f"The archive holds {each.filename}, which is not part of the model.",
                hint="Ask for the folder of the model alone.",
            )
        sizes[name.relative_to(root).as_posix()] = each.file_size
    return _Source(sizes, archive, root)


def _copy_files(source: _Source, folder: Path) -> None:
    _refuse_names(source.sizes)
    missing = sorted({CONTRACT_FILE, *REQUIRED_FILES} - set(source.sizes))
    if missing:
        raise BundleError(
            f"It is no complete model: {', '.join(missing)} missing.",
            hint="Ask for the whole folder again.",
        )
    for name, size in source.sizes.items():
        limit = _limit(name)
        if size > limit:
            raise BundleError(
                f"{name} has {size / 1e6:,.0f} MB, and {limit / 1e6:,.0f} MB are the most that is "
                "taken.",
                hint="Ask for a smaller model.",
            )
        source.copy(name, folder / name)
        with (folder / name).open("rb") as file:
            first = file.read(_HEADER_LENGTH + 1)
            # The length of a header may look like the start of a pickle; what follows does not.
            if first.startswith(_PICKLE_STARTS) and not first.endswith(b"{"):
                raise BundleError(
                    f"{name} is a pickle or an archive, which could execute code, and not what its "
                    "name says.",
                    hint="Do not trust this file.",
                )


def _limit(name: str) -> int:
    if name.endswith(".npy"):
        return LARGEST_TEST
    return LARGEST_FILE if name in (WEIGHTS_FILE, ONNX_FILE) else LARGEST_TEXT


def _refuse_names(names: Iterator[str] | Mapping[str, int]) -> None:
    for name in names:
        if name not in ALLOWED_FILES:
            raise BundleError(
                f"It holds {name}, which belongs to no model; nothing was taken.",
                hint=_hint_for(name),
            )


def _hint_for(name: str) -> str:
    ending = PurePosixPath(name).suffix.lower()
    if ending in _PICKLES:
        return (
            "Such files are or hold pickles, which execute code when they are read: ask for the "
            "weights as safetensors in a folder that 'scanseg train' wrote."
        )
    if ending in _CODE:
        return "A model holds no code: ask for the folder that 'scanseg train' wrote."
    return f"A model holds {', '.join(sorted(ALLOWED_FILES))}."


def _check_contract(folder: Path) -> ModelContract:
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


def _check_weights(path: Path, contract: ModelContract) -> None:
    """Read the header of the safetensors: of the right length, and of the contract's network."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER_LENGTH), "little")
        size = path.stat().st_size
        if not 2 <= length <= min(LARGEST_HEADER, size - _HEADER_LENGTH):
            raise _not_safetensors(path, "its header has no sensible length")
        try:
            header: dict[str, Any] = json.loads(file.read(length))
            tensors = {name: each for name, each in header.items() if name != "__metadata__"}
            ends = [int(each["data_offsets"][1]) for each in tensors.values()]
            shapes = {name: tuple(each["shape"]) for name, each in tensors.items()}
            types = {str(each["dtype"]) for each in tensors.values()}
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise _not_safetensors(path, "its header cannot be read") from None
    if not ends or max(ends) != size - _HEADER_LENGTH - length:
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


def _check_onnx(path: Path, contract: ModelContract) -> None:
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


def _check_arrays(folder: Path, contract: ModelContract) -> None:
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


def _check_output(model: Model) -> None:
    outcome = self_test(model)
    if not outcome.passed:
        raise BundleError(
            f"The network does not give what is stored with it: probabilities differ by "
            f"{outcome.largest_difference:.2g}.",
            hint="Ask for the model again.",
        )
