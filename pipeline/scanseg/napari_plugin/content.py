"""Layers of images and of what was found in them, as napari's layer data tuples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph, Signal, Stack
from scanseg.napari_plugin.calibration import spatial

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "KEY",
    "LayerTuple",
    "atom_layer",
    "class_map_layer",
    "colours_of",
    "domain_layer",
    "image_layers",
    "map_layer",
    "spacing_px",
    "wall_layer",
]

LayerTuple = tuple[Any, dict[str, Any], str]

# Under this name a layer's metadata say where it comes from and what it is.
KEY = "scanseg"
COLORMAPS = {Signal.PFM_PHASE: "twilight", Signal.TOPOGRAPHY: "copper"}
# Columns are seldom closer; a mark covers this part of the distance.
MARK_OF_SPACING = 0.45
WALL_WIDTH_PX = 1.2
UNKNOWN_COLOUR = "#ffffff"
CONTRAST_PERCENTILES = (0.2, 99.8)
# By polarity; domains of one polarity that touch are seldom of one shade.
DOMAIN_COLOURS = {
    1: ("#e07a5f", "#f2a48f", "#c2553a"),
    -1: ("#3d7ea6", "#7fb2d0", "#235a7d"),
    0: ("#9a9a9a", "#bdbdbd", "#777777"),
}


def image_layers(image: Micrograph | Stack, *, path: Path, name: str = "") -> list[LayerTuple]:
    """An image with its companions, or a movie whose frames are loaded when they are shown.

    Parameters
    ----------
    image
        From :func:`scanseg.read`.
    path
        The file it was read from.
    name
        Of the layer; the file's by default.
    """
    name = name or path.stem
    first = image.frame(0)
    axes = spatial(image.pixel_size_nm, n_frames=image.n_frames, frame_time_s=image.frame_time_s)
    channels = first.channels()
    layers: list[LayerTuple] = []
    for signal, channel in channels.items():
        many = len(channels) > 1
        facts = {
            "role": "image",
            "path": str(path),
            "signal": str(signal),
            "channel": channel.channel,
            "frame_time_s": image.frame_time_s,
            "warnings": list(channel.warnings),
        }
        layers.append(
            (
                _shown(channel.data) if image.n_frames == 1 else _lazy(image, first),
                {
                    "name": f"{name} {signal.lower()}" if many else name,
                    "colormap": COLORMAPS.get(signal, "gray"),
                    "contrast_limits": _contrast(channel.data),
                    "visible": channel is first,
                    "metadata": {KEY: facts},
                    **axes,
                },
                "image",
            )
        )
    return layers[::-1]  # the main channel on top


def class_map_layer(
    class_map: NDArray[Any],
    axes: Mapping[str, Any],
    *,
    name: str,
    classes: Sequence[tuple[str, str]],
    facts: Mapping[str, Any],
) -> LayerTuple:
    """The class of every pixel.

    Parameters
    ----------
    class_map
        Whole numbers, shape (H, W) or (T, H, W).
    axes
        Attributes of the layer's axes.
    classes
        (name, colour) of every class but the background.
    facts
        Go into the metadata.
    """
    import pandas as pd

    colours = {index: colour for index, (_, colour) in enumerate(classes, start=1)}
    names = ["background", *(each for each, _ in classes)]
    return (
        np.array(class_map, np.uint8),
        {
            "name": f"{name} class map",
            "features": pd.DataFrame({"index": range(len(names)), "name": names}),
            "colormap": {None: "transparent", 0: "transparent", **colours},
            "opacity": 0.35,
            "visible": False,
            "metadata": {KEY: {**facts, "role": "class map"}},
            **axes,
        },
        "labels",
    )


def domain_layer(
    domain_map: NDArray[Any],
    domains: pd.DataFrame,
    axes: Mapping[str, Any],
    *,
    name: str,
    facts: Mapping[str, Any],
) -> LayerTuple:
    """Domains, each with the row of its table, coloured by polarity.

    Parameters
    ----------
    domain_map
        Number of the domain of each pixel, shape (H, W) or (T, H, W).
    domains
        Table of domains; of a movie only the map is shown, since each frame counts anew.
    axes, name, facts
        As for the class map.
    """
    import pandas as pd

    rows = domains.rename(columns={"domain": "index"})
    if domain_map.ndim > 2:
        rows = rows.drop_duplicates("index").loc[:, ["index"]]
    polarity = dict(zip(rows["index"], rows.get("polarity", rows["index"] * 0), strict=True))
    colours = {
        int(number): DOMAIN_COLOURS[int(sign)][int(number) % 3] for number, sign in polarity.items()
    }
    background = pd.DataFrame({"index": [0]})
    return (
        np.array(domain_map, np.int32),
        {
            "name": f"{name} domains",
            "features": pd.concat([background, rows], ignore_index=True),
            "colormap": {None: "transparent", 0: "transparent", **colours},
            "opacity": 0.4,
            "metadata": {KEY: {**facts, "role": "domains"}},
            **axes,
        },
        "labels",
    )


def map_layer(
    data: NDArray[Any], axes: Mapping[str, Any], *, name: str, role: str, facts: Mapping[str, Any]
) -> LayerTuple:
    """A probability or an uncertainty, 0 to 1."""
    return (
        data,
        {
            "name": f"{name} {role}",
            "colormap": "magma",
            "blending": "additive",
            "contrast_limits": (0.0, 1.0),
            "visible": False,
            "metadata": {KEY: {**facts, "role": role}},
            **axes,
        },
        "image",
    )


def atom_layer(
    atoms: pd.DataFrame,
    axes: Mapping[str, Any],
    *,
    name: str,
    colours: Mapping[str, str],
    facts: Mapping[str, Any],
) -> LayerTuple:
    """Atoms as points, coloured by class; the table's columns are their features.

    Parameters
    ----------
    atoms
        One row an atom, with ``frame``, ``y_px``, ``x_px`` and ``class``.
    axes
        Attributes of the layer's axes, two of them or three.
    colours
        Colour of each class.
    """
    columns = ["y_px", "x_px"] if len(axes["scale"]) == 2 else ["frame", "y_px", "x_px"]
    position = np.array(atoms[columns], np.float64)  # its own: atoms are moved in place
    return (
        position,
        {
            "name": f"{name} atoms",
            "features": atoms.reset_index(drop=True),
            "face_color": _colours_or_default(atoms["class"], colours),
            "border_width": 0.0,
            "size": max(1.5, MARK_OF_SPACING * spacing_px(position)),
            "opacity": 0.75,
            "metadata": {KEY: {**facts, "role": "atoms", "colours": dict(colours)}},
            **axes,
        },
        "points",
    )


def wall_layer(
    walls: pd.DataFrame,
    points: pd.DataFrame,
    axes: Mapping[str, Any],
    *,
    name: str,
    colours: Mapping[str, str],
    facts: Mapping[str, Any],
) -> LayerTuple:
    """Domain walls as paths, coloured by class; the table's columns are their features.

    Parameters
    ----------
    walls, points
        Tables of branches and of the points along them.
    axes, colours
        As for atoms.
    """
    columns = ["y_px", "x_px"] if len(axes["scale"]) == 2 else ["frame", "y_px", "x_px"]
    lines = {key: line for key, line in points.groupby(["frame", "branch"], sort=False)}
    keys = list(zip(walls["frame"], walls["branch"], strict=True))
    return (
        [np.array(lines[key][columns], np.float64) for key in keys],
        {
            "name": f"{name} walls",
            "shape_type": "path",
            "features": walls.reset_index(drop=True),
            "edge_color": _colours_or_default(walls["class"], colours),
            "face_color": "transparent",
            "edge_width": WALL_WIDTH_PX,
            "ndim": len(columns),
            "metadata": {KEY: {**facts, "role": "walls", "colours": dict(colours)}},
            **axes,
        },
        "shapes",
    )


def colours_of(classes: pd.Series[Any], colours: Mapping[str, str]) -> NDArray[np.float32]:
    """Red, green, blue and opacity of each object, shape (N, 4)."""
    table = np.array([_rgba(each) for each in (*colours.values(), UNKNOWN_COLOUR)], np.float32)
    known = {name: index for index, name in enumerate(colours)}
    codes, names = classes.astype(object).factorize()
    index = np.array([known.get(str(each), len(known)) for each in names] + [len(known)])
    return np.asarray(table[index[codes]])


def _colours_or_default(classes: pd.Series[Any], colours: Mapping[str, str]) -> Any:
    """Colours of objects; where there are none, that of the first class, for those to come."""
    if len(classes):
        return colours_of(classes, colours)
    return next(iter(colours.values()), UNKNOWN_COLOUR)


def spacing_px(position_px: NDArray[np.float64]) -> float:
    """Typical distance of neighbouring points in pixels; 12 where there are too few to tell."""
    from scipy.spatial import cKDTree

    if len(position_px) < 2:
        return 12.0
    # Points of other frames are far away: a frame counts for more than any image is wide.
    placed = position_px * ([1.0] * 2 if position_px.shape[1] == 2 else [1e6, 1.0, 1.0])
    some = placed[:: max(1, len(placed) // 500)]
    distance = cKDTree(placed).query(some, k=2)[0][:, 1]
    usual = float(np.median(distance))
    return usual if 0 < usual < 1e5 else 12.0


def _rgba(colour: str) -> tuple[float, ...]:
    return (*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0)


def _shown(data: NDArray[Any]) -> NDArray[Any]:
    return data.astype(np.uint8) if data.dtype == np.bool_ else data


def _contrast(data: NDArray[Any]) -> tuple[float, float]:
    """Grey values between which contrast lies, from some 100,000 pixels."""
    step = max(1, int(np.sqrt(data.size / 100_000)))
    some = data[::step, ::step].astype(np.float64)
    some = some[np.isfinite(some)]
    if not some.size:
        return 0.0, 1.0
    low, high = (float(each) for each in np.percentile(some, CONTRAST_PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def _lazy(stack: Micrograph | Stack, first: Micrograph) -> Any:
    """Frames as one array that loads those that are looked at."""
    import dask.array as da
    from dask import delayed

    load = delayed(lambda index: stack.frame(index).data, pure=True)
    frames = [
        da.from_delayed(load(index), first.shape, dtype=first.data.dtype)
        for index in range(stack.n_frames)
    ]
    return da.stack(frames)
