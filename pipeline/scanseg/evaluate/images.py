"""The image that results are about: beside its truth, or where the run found it."""

from __future__ import annotations

import json
from pathlib import Path

from scanseg.evaluate.results import ImageResults

__all__ = ["image_of"]

_MAPS = ("_class_map", "_labels", "_mask", "_probability")


def image_of(found: ImageResults, truth: ImageResults) -> Path | None:
    """File of the measured image; None where it is not at hand.

    Parameters
    ----------
    found, truth
        Results of one image. An image beside the truth, called as the truth without its ending,
        goes before the path that the manifest of a run names.
    """
    return _beside(truth) or _of_run(found) or _beside(found)


def _beside(results: ImageResults) -> Path | None:
    from scanseg.readers import image_suffixes

    stem = results.name.rsplit("/", 1)[-1]
    for folder in {path.parent for path in results.files.values()}:
        for path in sorted(folder.glob(f"{_escaped(stem)}.*")):
            if path.suffix.lower() in image_suffixes() and not path.stem.endswith(_MAPS):
                return path
    return None


def _of_run(results: ImageResults) -> Path | None:
    """The input that the manifest of a run names for the folder of an image."""
    folder = next(iter(results.files.values())).parent
    run = next((each for each in folder.parents if (each / "run.json").is_file()), None)
    if run is None:
        return None
    name = folder.relative_to(run).as_posix()
    for manifest in sorted(run.glob("manifest*.jsonl")):
        for line in manifest.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # the last line of a run that was killed
                continue
            if isinstance(entry, dict) and entry.get("name") == name:
                path = Path(str(entry.get("path", "")))
                if path.is_file():
                    return path
    return None


def _escaped(name: str) -> str:
    """A name in which a pattern finds no wildcard."""
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)
