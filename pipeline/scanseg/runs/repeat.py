"""A run made again from its record: what has changed since, and whether results are the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanseg.errors import ConfigError
from scanseg.runs.manifest import Manifest, content_checksum
from scanseg.runs.record import describe_machine, versions
from scanseg.runs.settings import RunSettings

__all__ = ["Repeat", "compare_results", "read_record"]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A run that can be made again.

    Parameters
    ----------
    folder
        Where its results are.
    record
        What its ``run.json`` says.
    inputs
        Files that are there and unchanged, by the name of the image.
    changes
        What is not as it was, one sentence each.
    """

    folder: Path
    record: Mapping[str, Any]
    inputs: Mapping[str, Path]
    changes: tuple[str, ...]

    @property
    def settings(self) -> RunSettings:
        """The settings of the run."""
        return RunSettings.from_settings(self.record["settings"], origin="run.json")

    @property
    def model(self) -> Mapping[str, Any]:
        """Name, folder and checksum of the model."""
        model: Mapping[str, Any] = self.record["model"]
        return model


def read_record(path: Path) -> Repeat:
    """Read a record, and compare inputs, versions and machine with what is here now.

    Parameters
    ----------
    path
        ``run.json``, or the folder that holds it. The manifest beside it has the checksums.

    Raises
    ------
    ConfigError
        When it is not the record of a run.
    """
    path = path / "run.json" if path.is_dir() else path
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        known = isinstance(record, dict) and {"model", "settings", "inputs"} <= record.keys()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}).", hint="Check the path.") from error
    if not known:
        raise ConfigError(
            f"{path} is not the record of a run that has finished.",
            hint="Name the run.json of an output folder.",
        )
    folder = path.absolute().parent
    manifest = Manifest(folder)
    inputs: dict[str, Path] = {}
    changes = [] if record.get("finished") else ["the run was stopped before its end"]
    for each in record["inputs"]:
        entry, file = manifest.entry(each["image"]), Path(each["path"])
        if not file.exists():
            changes.append(f"{file} is not there any more")
        elif entry is not None and entry.sha256 and content_checksum(file) != entry.sha256:
            changes.append(f"{file} has other contents")
        else:
            inputs[each["image"]] = file
    changes += _differences("version of ", record.get("versions") or {}, versions())
    changes += _differences("", record.get("machine") or {}, describe_machine())
    return Repeat(folder, record, inputs, tuple(changes))


def _differences(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{what}{name}: {before.get(name, 'none')} then, {now.get(name, 'none')} now"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def compare_results(before: Path, now: Path) -> list[str]:
    """Say which images have other results, by the checksums of the two manifests.

    Returns
    -------
    differences
        One sentence an image, empty where all files are the same, byte for byte.
    """
    old, new = Manifest(before), Manifest(now)
    differences = []
    for entry in new.entries():
        known = old.entry(entry.name)
        if known is None:
            differences.append(f"{entry.name}: not in the first run")
        elif known.status != entry.status:
            differences.append(f"{entry.name}: {known.status} then, {entry.status} now")
        elif known.outputs != entry.outputs:
            files = sorted(
                name
                for name in known.outputs.keys() | entry.outputs.keys()
                if known.outputs.get(name) != entry.outputs.get(name)
            )
            counts = f"{known.n_objects} {entry.task} then, {entry.n_objects} now"
            differences.append(f"{entry.name}: {', '.join(files)} differ; {counts}")
    return differences
