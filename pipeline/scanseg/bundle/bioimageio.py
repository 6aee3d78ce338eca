"""A model as a package for bioimage.io, checked by that community's own library.

Needs the extra ``bioimageio``.
"""

from __future__ import annotations

import gc
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from scanseg.bundle.model import CONTRACT_FILE, Model, model_names
from scanseg.bundle.onnx_export import ONNX_OPSET
from scanseg.errors import BundleError, MachineError
from scanseg.micrograph import FloatImage

__all__ = ["write_package"]

WEIGHTS = {"onnx": "network.onnx", "torchscript": "network.pt"}
# A file called model.yaml would be taken for the description of the package.
ATTACHED_CONTRACT = "scanseg_contract.yaml"
_PREPARED = {
    "STEM": "One channel of counts, brought to {spacing:g} pixels between nearest columns; 0 at "
    "the mean of the surroundings, 1 a standard deviation above it (scanseg.preprocess).",
    "PFM": "Planes of a scan: {channels} (scanseg.preprocess.scan).",
}


def write_package(
    model: Model, network: Any, tiles: Sequence[FloatImage], folder: Path
) -> tuple[Path, float, tuple[str, ...]]:
    """Write a package, its networks compared with the bundle and its description validated.

    Parameters
    ----------
    model
        The bundle.
    network
        It as ``scanseg.bundle.deployed.Deployed``.
    tiles
        Inputs to compare at; the first becomes the test of the package.
    folder
        An empty folder to work in.

    Returns
    -------
    package
        The file, in ``folder``.
    largest_difference
        Of a probability, over both networks and all inputs.
    remarks
        What users of the package should know.
    """
    if find_spec("bioimageio") is None or find_spec("bioimageio.spec") is None:
        raise MachineError(
            "Packages for bioimage.io are made and validated by bioimageio.spec, which is not "
            "installed.",
            hint="pip install 'scanseg[bioimageio]'",
        )
    from bioimageio.spec import save_bioimageio_package

    from scanseg.bundle.export import write_verified

    content = folder / "content"
    content.mkdir()
    largest = max(
        write_verified(model, network, tiles, content / WEIGHTS["onnx"], to="onnx"),
        write_verified(model, network, tiles, content / WEIGHTS["torchscript"], to="torchscript"),
    )
    _write_tests(model, tiles[0], content)
    package = folder / "package.zip"
    with _files_left_open():
        save_bioimageio_package(_description(model, content), output_path=package)
        _validate(package)
    return package, largest, ("Its input is a prepared image: no other program prepares it.",)


@contextmanager
def _files_left_open() -> Iterator[None]:
    """Close what bioimageio.spec 0.5 opens and forgets, and do not warn of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def _write_tests(model: Model, tiles: FloatImage, content: Path) -> None:
    """The first test tile, and what the bundle makes of it."""
    from scanseg.bundle.deployed import expected_outputs
    from scanseg.bundle.onnx_network import OnnxNetwork

    first = np.ascontiguousarray(tiles[:1])
    outputs = expected_outputs(OnnxNetwork(model.onnx_path).logits(first), model)
    np.save(content / "test_tiles.npy", first)
    for name, values in outputs.items():
        np.save(content / f"test_{name}.npy", values.astype(np.float32))
    (content / "README.md").write_text(_documentation(model), encoding="utf-8")
    (content / ATTACHED_CONTRACT).write_bytes((model.folder / CONTRACT_FILE).read_bytes())


def _documentation(model: Model) -> str:
    contract = model.contract
    card = model.card_path.read_text(encoding="utf-8") if model.card_path.is_file() else ""
    return (
        f"{card.rstrip()}\n\n## Validation\n\nScores on simulated images never trained on: "
        f"{', '.join(f'{name} {value:g}' for name, value in contract.figures.items()) or 'none'}."
        f"\n\n## In other programs\n\nInput: {_input_text(model)} What is found are pixels whose "
        f"probability of all classes but the background reaches {contract.threshold:g}; scanseg "
        "itself refines positions on the measured image.\n"
    )


def _input_text(model: Model) -> str:
    contract = model.contract
    return _PREPARED[contract.modality].format(
        spacing=contract.spacing_px, channels=", ".join(contract.channels)
    )


def _description(model: Model, content: Path) -> Any:
    from bioimageio.spec.model import v0_5

    contract = model.contract
    # Whose another model is, its contract does not say.
    authors = [v0_5.Author(name="The scanseg developers")] if contract.name in model_names() else []
    weights = v0_5.WeightsDescr(
        onnx=v0_5.OnnxWeightsDescr(source=content / WEIGHTS["onnx"], opset_version=ONNX_OPSET),
        torchscript=v0_5.TorchscriptWeightsDescr(
            source=content / WEIGHTS["torchscript"],
            pytorch_version=v0_5.Version(version_of("torch").split("+")[0]),
            parent="onnx",
        ),
    )
    return v0_5.ModelDescr(
        name=f"scanseg {contract.name} {contract.version}",
        description=_summary(model),
        authors=authors,
        license=v0_5.LicenseId(contract.licence),
        documentation=v0_5.FileDescr(source=content / "README.md"),
        tags=_tags(model),
        version=v0_5.Version(_plain_version(contract.version)),
        attachments=[v0_5.FileDescr(source=content / ATTACHED_CONTRACT)],
        inputs=[_input(model, content)],
        outputs=_outputs(model, content),
        weights=weights,
    )


def _summary(model: Model) -> str:
    contract = model.contract
    found = ", ".join(contract.class_names[1:])
    return f"Finds {contract.task} in {contract.modality} images: {found}. A model of scanseg."


def _tags(model: Model) -> list[str]:
    contract = model.contract
    kind = (
        ["electron-microscopy", "stem", "atoms"]
        if contract.modality == "STEM"
        else ["atomic-force-microscopy", "pfm", "domain-walls"]
    )
    return [*kind, "semantic-segmentation", "materials-science", "2d", "pytorch", "onnx"]


def _plain_version(text: str) -> str:
    """A version that the specification takes: numbers and dots."""
    return text if all(part.isdigit() for part in text.split(".")) else "1"


def _input(model: Model, content: Path) -> Any:
    from bioimageio.spec.model import v0_5

    contract = model.contract
    size = v0_5.ParameterizedSize(
        min=max(64, contract.size_multiple_px), step=contract.size_multiple_px
    )
    return v0_5.InputTensorDescr(
        id=v0_5.TensorId("tiles"),
        description=_input_text(model)[:128],
        axes=[
            v0_5.BatchAxis(),
            v0_5.ChannelAxis(channel_names=[_identifier(name) for name in contract.channels]),
            v0_5.SpaceInputAxis(id=v0_5.AxisId("y"), size=size),
            v0_5.SpaceInputAxis(id=v0_5.AxisId("x"), size=size),
        ],
        test_tensor=v0_5.FileDescr(source=content / "test_tiles.npy"),
        data=v0_5.IntervalOrRatioDataDescr(type="float32"),
    )


def _outputs(model: Model, content: Path) -> list[Any]:
    from bioimageio.spec.model import v0_5

    contract = model.contract
    channels = {"probability": contract.class_names, "spread": ("spread",)}
    meaning = {
        "probability": "Probability of each class, background first.",
        "spread": "Twice the standard deviation of the members, where it is largest.",
    }

    def side(axis: str) -> Any:
        like = v0_5.SizeReference(tensor_id=v0_5.TensorId("tiles"), axis_id=v0_5.AxisId(axis))
        return v0_5.SpaceOutputAxis(id=v0_5.AxisId(axis), size=like)

    names = ("probability", "spread") if contract.members > 1 else ("probability",)
    return [
        v0_5.OutputTensorDescr(
            id=v0_5.TensorId(name),
            description=meaning[name],
            axes=[
                v0_5.BatchAxis(),
                v0_5.ChannelAxis(channel_names=[_identifier(each) for each in channels[name]]),
                side("y"),
                side("x"),
            ],
            test_tensor=v0_5.FileDescr(source=content / f"test_{name}.npy"),
            data=v0_5.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0)),
        )
        for name in names
    ]


def _identifier(name: str) -> Any:
    from bioimageio.spec.model import v0_5

    return v0_5.Identifier("".join(each if each.isalnum() else "_" for each in name))


def _validate(package: Path) -> None:
    """Have the package read and checked as the community's programs read it, offline."""
    from bioimageio.spec import InvalidDescr, ValidationContext, load_description

    with (
        tempfile.TemporaryDirectory() as folder,
        ValidationContext(perform_io_checks=False),
    ):
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        description = load_description(Path(folder) / "rdf.yaml", format_version="latest")
    if isinstance(description, InvalidDescr):
        raise BundleError(
            "bioimageio.spec does not accept the package: "
            f"{' '.join(description.validation_summary.format().split())[:600]}",
            hint="Report it, with the version of bioimageio.spec.",
        )
