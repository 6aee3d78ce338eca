"""Where a model comes from: what is trained further is the model that others were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from scanseg.bundle import Model, load_model, model_names
from scanseg.contract import Origin
from scanseg.errors import BundleError, ConfigError
from scanseg.train.labelled import LabelledImage

__all__ = ["left_out", "origin_of", "record_origin"]


def origin_of(model: Model) -> tuple[Model, str]:
    """The model that one was trained further from, at the end of the chain, and a sentence on it.

    A model that was trained on five images, and then on five others, has forgotten some of the
    first; one that starts anew with all ten has not.

    Raises
    ------
    ConfigError
        When the origin is neither shipped nor in the folder beside the model.
    """
    base = model
    while base.contract.origin is not None:
        base = _found(base, base.contract.origin)
    if base is model:
        return model, ""
    return base, (
        f"{model.name} was trained further from {base.name}, so the training starts from "
        f"{base.name} again (--set from_origin=false goes on from {model.name})."
    )


def record_origin(base: Model, images: Sequence[LabelledImage]) -> Origin:
    """What the contract of a new model says about the old one."""
    return Origin(
        name=base.name,
        version=base.contract.version,
        sha256=base.sha256,
        images={each.name: each.sha256 for each in images},
    )


def left_out(model: Model, images: Sequence[LabelledImage]) -> str:
    """A sentence on images that a model was trained on and that are not given now; or nothing."""
    origin = model.contract.origin
    given = {each.sha256 for each in images}
    missing = [name for name, sha256 in (origin.images if origin else {}).items()
               if sha256 not in given]  # fmt: skip
    if not missing:
        return ""
    named = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
    return (
        f"{model.name} was trained on {len(missing)} images that are not here: {named}. Put all "
        "labelled images into one folder, or the new model will not know them."
    )


def _found(model: Model, origin: Origin) -> Model:
    for each in _candidates(model, origin):
        if each.sha256 == origin.sha256:
            return each
    raise ConfigError(
        f"{model.name} was trained further from {origin.name} (version {origin.version}), which is "
        "neither shipped nor beside it.",
        hint="Give the folder of that model with --from, or go on from this one with "
        "--set from_origin=false.",
    )


def _candidates(model: Model, origin: Origin) -> Iterator[Model]:
    names: list[str | Path] = [name for name in model_names() if name == origin.name]
    names.append(model.folder.parent / origin.name)
    for name in names:
        try:
            yield load_model(name)
        except BundleError:
            continue
