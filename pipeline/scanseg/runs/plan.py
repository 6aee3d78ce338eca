"""Which files a run takes, what it leaves out and why, and where the results of each go."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scanseg.errors import ConfigError
from scanseg.readers import image_suffixes, is_image_folder
from scanseg.runs.tasks import TABLES

__all__ = ["InputFile", "Plan", "Skipped", "find_inputs"]

# Files with these extensions inside a folder are results and notes of other programs; the images
# of an .emi lie in .ser files beside it.
_NOT_IMAGES = """
    .7z .avi .bib .bz2 .c .cfg .cif .conf .css .csv .db .doc .docx .emi .gz .htm .html .ini .ipynb
    .js .json .log .m .md .mov .mp4 .odt .onnx .pdf .pkl .ppt .pptx .prz .ps .pt .pth .py .pyc .rar
    .rst .rtf .safetensors .sh .svg .tar .tex .toml .tsv .txt .xls .xlsx .xml .xyz .yaml .yml .zip
"""
NOT_IMAGES = frozenset(_NOT_IMAGES.split())
# Files at the top of an output folder: no folder of an image may be called so.
RESERVED = frozenset(
    {
        *TABLES,
        "failures.csv",
        "images.csv",
        "manifest.jsonl",
        "report.html",
        "run.json",
        "run.log",
    }
)
CLASS_MAP = "_class_map"  # end of the name of a map of what an image shows
# What tells folders of results: those of a run, and those of what was made from one, whose figures
# are no images.
RESULTS = (
    ("run.json", "manifest.jsonl"),
    ("motion.json", "wall_motion.csv"),
    ("tracks.json", "tracks.csv"),
    ("distortion.json", "distortion.csv"),
)
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to process.

    Parameters
    ----------
    path
        Where it is, absolute.
    name
        Its path below the folder that was named, with "/"; also the folder of its results and the
        ``image`` column of tables.
    expected
        Whether it was named by hand or has the extension of an image, so that not being able to
        read it is a failure.
    """

    path: Path
    name: str
    expected: bool = True


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is left out."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The files of a run, ordered by name."""

    files: tuple[InputFile, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    root: Path  # the folder that was named, or the folder of the file that was named
    expected: bool

    @property
    def name(self) -> str:
        return _printable(self.path.relative_to(self.root).as_posix())


def find_inputs(
    paths: Sequence[Path],
    *,
    output: Path | None,
    taken: Callable[[str], Path | None] = lambda name: None,
) -> Plan:
    """List the files below some files and folders.

    Parameters
    ----------
    paths
        Files, and folders to search recursively. Hidden files and the output folder are left out.
    output
        Folder of the results; it may lie inside an input folder. None where nothing is written.
    taken
        Returns the file that has used a name in an earlier run into the same folder, or None.

    Raises
    ------
    ConfigError
        When a path does not exist, or is the output folder.
    """
    found: list[_Found] = []
    skipped: list[Skipped] = []
    results = None if output is None else Path(os.path.abspath(output))
    for path in paths:
        here = Path(os.path.abspath(path))
        if here == results:
            raise ConfigError(
                f"{path} is the folder of the images and of the results.",
                hint="Name another folder with -o; inputs stay as they are.",
            )
        if here.is_dir() and not is_image_folder(here):
            for item in _walk(here, results):
                (found if isinstance(item, _Found) else skipped).append(item)  # type: ignore[arg-type]
        elif here.exists():
            found.append(_Found(here, here.parent, expected=True))
        else:
            raise ConfigError(f"{path} does not exist.", hint="Check the path.")
    unique = {item.path: item for item in reversed(found)}
    files = _named(sorted(unique.values(), key=lambda item: str(item.path)), taken)
    return Plan(tuple(sorted(files, key=lambda file: file.name)), tuple(skipped))


def _walk(root: Path, output: Path | None) -> Iterator[_Found | Skipped]:
    visited = set()
    # A broken file of these is a failure; of any other extension it is left out.
    expected = image_suffixes()
    closed: list[OSError] = []
    for folder, folders, names in os.walk(root, followlinks=True, onerror=closed.append):
        here = Path(folder)
        if (real := os.path.realpath(folder)) in visited or here == output:
            folders.clear()
            continue
        visited.add(real)
        if is_image_folder(here):
            yield _Found(here, root, expected=True)
            folders.clear()
            continue
        if here != root and any(_has(here, names) for names in RESULTS):
            yield Skipped(here, "results of an earlier run")
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        stems = {Path(name).stem for name in names}
        for name in sorted(names):
            if name.startswith(".") or name.lower() in SYSTEM_FILES:
                continue
            path, suffix = here / name, Path(name).suffix.lower()
            if suffix in NOT_IMAGES:
                yield Skipped(path, f"{suffix} files hold no images")
            elif path.stem.endswith(CLASS_MAP) and path.stem.removesuffix(CLASS_MAP) in stems:
                yield Skipped(path, "the truth of the image beside it")
            elif path.is_file():
                yield _Found(path, root, expected=suffix in expected)
            else:
                yield Skipped(path, "not a file")
    for error in closed:
        if Path(error.filename) == root:
            raise ConfigError(
                f"{root} cannot be opened ({error.strerror}).", hint="Check its permissions."
            )
        yield Skipped(Path(error.filename), f"it cannot be opened ({error.strerror})")


def _has(folder: Path, names: Sequence[str]) -> bool:
    return all((folder / name).exists() for name in names)


def _named(found: Sequence[_Found], taken: Callable[[str], Path | None]) -> list[InputFile]:
    """Give every file a name of its own; some file systems do not tell a.tif from A.TIF."""
    names = Counter(item.name.lower() for item in found)
    prefixed = Counter(f"{item.root.name}/{item.name}".lower() for item in found)
    files = []
    for item in found:
        name = item.name
        if names[name.lower()] > 1 or name.lower() in RESERVED or _is_others(item, name, taken):
            name = f"{_printable(item.root.name)}/{item.name}"
            if prefixed[name.lower()] > 1 or _is_others(item, name, taken):
                # Only the place tells them apart; its checksum does not depend on the other files.
                # The file itself counts where two differ by upper and lower case alone.
                place = hashlib.sha256(os.fsencode(item.path)).hexdigest()[:8]
                name = f"{_printable(item.root.name)}-{place}/{item.name}"
        files.append(InputFile(item.path, name, item.expected))
    return files


def _is_others(item: _Found, name: str, taken: Callable[[str], Path | None]) -> bool:
    """Whether an earlier run has used the name for another file that still exists."""
    other = taken(name)
    return other is not None and other != item.path and other.exists()


def _printable(name: str) -> str:
    """A name that can be written as UTF-8 and on one line, whatever bytes the file system holds."""
    plain = name.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else "_" for letter in plain)
