"""Files of a model from somebody else, copied out of a folder or an archive.

Nothing of them is opened by anything that could execute it: what could be code (pickles, Python,
libraries) is refused by its name and by its first bytes.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scanseg.bundle.model import (
    CARD_FILE,
    CONTRACT_FILE,
    ONNX_FILE,
    REQUIRED_FILES,
    WEIGHTS_FILE,
)
from scanseg.errors import BundleError, ConfigError

__all__ = ["copy_allowed"]

# Bytes. Shipped models have 6 to 14 MB; the largest U-Nets of segmentation-models-pytorch 1 GB.
LARGEST_FILE = 2_000_000_000
LARGEST_TEXT = 1_000_000
LARGEST_TEST = 200_000_000
ALLOWED_FILES = frozenset((CONTRACT_FILE, CARD_FILE, *REQUIRED_FILES))
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".npz", ".dill")
_CODE = (".py", ".pyc", ".so", ".dll", ".dylib", ".sh", ".exe", ".bat")
# A pickle of protocol 2 or later, and the archive that torch.save puts it in.
_PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
# safetensors begin with the length of a JSON header; the header follows.
_LENGTH_BYTES = 8


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


def copy_allowed(path: Path, folder: Path) -> None:
    """Copy the files of a bundle, and refuse whatever does not belong to one.

    Parameters
    ----------
    path
        Folder of a model, or a zip archive of one.
    folder
        Where the files go.

    Raises
    ------
    BundleError
        When something is missing, too large, leads elsewhere or could be code.
    ConfigError
        When there is no such path.
    """
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
            first = file.read(_LENGTH_BYTES + 1)
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
