"""Found and true results as files: what there is of which image, and who belongs to whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from scanseg.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImageResults", "Pairing", "find_results", "pair_results", "pixel_size_of", "read_table"]

Role = Literal["atoms", "wall_points", "class_map", "probability"]

# Ends of file names: "scan_atoms.csv" and "scan.tif/atoms.csv" both belong to "scan".
_ENDINGS: Mapping[str, Role] = {
    "atoms.csv": "atoms",
    "wall_points.csv": "wall_points",
    "walls.geojson": "wall_points",
    "class_map.tif": "class_map",
    "labels.tif": "class_map",
    "probability.tif": "probability",
}


@dataclass(frozen=True, slots=True)
class ImageResults:
    """Files that tell of one image.

    Parameters
    ----------
    name
        The image: its path below the folder, with "/", without its extension.
    files
        Tables and maps, by what they hold.
    image
        Rows of the tables with this ``image`` alone; None for all.
    """

    name: str
    files: Mapping[Role, Path] = field(default_factory=dict)
    image: str | None = None

    @property
    def task(self) -> Literal["atoms", "walls"]:
        """What was found, or is to be found; a class map alone is one of walls."""
        return "atoms" if "atoms" in self.files else "walls"


@dataclass(frozen=True, slots=True)
class Pairing:
    """Found and true results by image.

    Parameters
    ----------
    pairs
        (found, true) of one image and one task.
    without_truth, without_result
        Names of what has no partner.
    """

    pairs: tuple[tuple[ImageResults, ImageResults], ...]
    without_truth: tuple[str, ...]
    without_result: tuple[str, ...]


def find_results(path: Path) -> tuple[ImageResults, ...]:
    """Results of every image in a folder, or in one file.

    Parameters
    ----------
    path
        The output folder of a run; a folder with ``<name>_atoms.csv``, ``<name>_wall_points.csv``,
        ``<name>_walls.geojson`` or ``<name>_class_map.tif``; or one such file, of any name.

    Raises
    ------
    ConfigError
        When there is no such path, or a file is no result.
    """
    if path.is_dir():
        return _in_folder(path)
    if not path.exists():
        raise ConfigError(f"{path} does not exist.", hint="Check the path.")
    return _in_file(path)


def pair_results(found: Sequence[ImageResults], truth: Sequence[ImageResults]) -> Pairing:
    """Find partners: by path, or by the name alone where it occurs once on either side.

    One found and one true result are a pair whatever they are called.
    """
    if len(found) == len(truth) == 1 and found[0].task == truth[0].task:
        return Pairing(((found[0], truth[0]),), (), ())
    pairs = []
    left_found, left_truth = list(found), list(truth)
    for shorten in (_whole_name, _last_name):
        by_name: dict[tuple[str, str], list[ImageResults]] = defaultdict(list)
        twins: dict[tuple[str, str], int] = defaultdict(int)
        for each in left_truth:
            by_name[each.task, shorten(each.name)].append(each)
        for each in left_found:
            twins[each.task, shorten(each.name)] += 1
        for each in tuple(left_found):
            key = each.task, shorten(each.name)
            if len(by_name[key]) == 1 and twins[key] == 1:
                pairs.append((each, by_name[key][0]))
                left_found.remove(each)
                left_truth.remove(by_name[key][0])
    for each in tuple(left_found):  # maps of another kind of object can still be compared
        same = [truth for truth in left_truth if _last_name(truth.name) == _last_name(each.name)]
        if len(same) == 1 and "class_map" in each.files and "class_map" in same[0].files:
            pairs.append((each, same[0]))
            left_found.remove(each)
            left_truth.remove(same[0])
    return Pairing(
        tuple(sorted(pairs, key=lambda pair: pair[0].name)),
        tuple(each.name for each in left_found),
        tuple(each.name for each in left_truth),
    )


def read_table(path: Path, *, image: str | None = None) -> pd.DataFrame:
    """Read a table of columns or of points of walls, with ``frame`` 0 where it has none.

    Raises
    ------
    ConfigError
        When it is no CSV, or no GeoJSON of walls, or has no positions.
    """
    import pandas as pd

    if path.suffix.lower() in (".geojson", ".json"):
        table = _points_of_geojson(path)
    else:
        try:
            table = pd.read_csv(path)
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"{path} cannot be read as a table: {error}.",
                hint="Give comma-separated values with a line of names first.",
            ) from None
    in_px, in_nm = {"y_px", "x_px"} <= set(table), {"y_nm", "x_nm"} <= set(table)
    if not in_px and not in_nm:
        raise ConfigError(
            f"{path} has no columns y_px and x_px (it has {', '.join(map(str, table)) or 'none'}).",
            hint="Give positions in pixels, the centre of pixel (0, 0) being the origin.",
        )
    if "frame" not in table:
        table["frame"] = 0
    if image is not None and "image" in table:
        table = table[table["image"] == image]
    return table


def pixel_size_of(table: pd.DataFrame) -> tuple[float, float] | None:
    """Pixel size (y, x) from positions that are there in both units; None where they are not."""
    import numpy as np

    if not {"y_px", "x_px", "y_nm", "x_nm"} <= set(table) or not len(table):
        return None
    in_px = table[["y_px", "x_px"]].to_numpy(float).max(axis=0)
    in_nm = table[["y_nm", "x_nm"]].to_numpy(float).max(axis=0)
    if not np.isfinite(in_nm).all() or (in_px <= 0).any() or (in_nm <= 0).any():
        return None
    along_y, along_x = in_nm / in_px
    return float(along_y), float(along_x)


def _in_folder(folder: Path) -> tuple[ImageResults, ...]:
    results: dict[str, dict[Role, Path]] = defaultdict(dict)
    # The tables at the top of a run are those of its images joined.
    is_run = (folder / "run.json").exists()
    for path in sorted(folder.rglob("*")):
        for ending, role in _ENDINGS.items():
            if not path.name.endswith(ending) or (is_run and path.parent == folder):
                continue
            name = _image_of(path, folder, ending)
            if name is not None:
                results[name].setdefault(role, path)  # a table goes before GeoJSON
    return tuple(ImageResults(name, results[name]) for name in sorted(results))


def _image_of(path: Path, folder: Path, ending: str) -> str | None:
    """The image that a file belongs to, by the file's name or by its folder's."""
    if path.name == ending:
        image = path.parent.relative_to(folder)
        return image.with_suffix("").as_posix() if image.name else folder.with_suffix("").name
    stem = path.name.removesuffix(ending)
    if not stem.endswith("_"):
        return None
    return path.relative_to(folder).with_name(stem[:-1]).as_posix()


def _in_file(path: Path) -> tuple[ImageResults, ...]:
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        from scanseg.readers import look_into

        several = len(look_into(path).channels) > 1
        return (ImageResults(path.stem, {"probability" if several else "class_map": path}),)
    if suffix in (".geojson", ".json"):
        return (ImageResults(path.stem, {"wall_points": path}),)
    if suffix != ".csv":
        raise ConfigError(
            f"{path.name} is no table and no map.",
            hint="Give a folder of results, a CSV, a GeoJSON or a class map as TIFF.",
        )
    table = read_table(path)
    files: Mapping[Role, Path] = {"wall_points" if "branch" in table else "atoms": path}
    images = list(dict.fromkeys(table["image"].astype(str))) if "image" in table else []
    if len(images) < 2:
        return (ImageResults(path.stem, files),)
    return tuple(
        ImageResults(PurePosixPath(image).with_suffix("").as_posix(), files, image)
        for image in images
    )


def _points_of_geojson(path: Path) -> pd.DataFrame:
    """Points of the lines of a GeoJSON, in nm or px as it states."""
    import json

    import pandas as pd

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        unit = content.get("unit", "px")
        lines = [each for each in content["features"] if each["geometry"]["type"] == "LineString"]
        rows = [
            (branch, point, y, x, line["properties"]["class"])
            for branch, line in enumerate(lines)
            for point, (x, y) in enumerate(line["geometry"]["coordinates"])
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} cannot be read as GeoJSON of walls ({type(error).__name__}: {error}).",
            hint="Give lines (LineString) whose properties have a class, as scanseg writes them.",
        ) from None
    return pd.DataFrame(rows, columns=["branch", "point", f"y_{unit}", f"x_{unit}", "class"])


def _whole_name(name: str) -> str:
    return name


def _last_name(name: str) -> str:
    return PurePosixPath(name).name
