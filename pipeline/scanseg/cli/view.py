"""``scanseg view``: look at a file or at the results of a run in napari."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from scanseg.errors import ConfigError, MachineError

__all__ = ["app", "open_viewer"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def view(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="An image, or the folder of a run.")],
) -> None:
    """Open an image, or the results of a run, in napari.

    Of a run the most doubtful image comes first, beside the list of all.
    Needs the extra napari: pip install 'scanseg[napari]'.
    """
    if not path.exists():
        raise ConfigError(f"There is no {path}.", hint="Check the path.")
    _check_screen()
    try:
        import napari
    except ImportError as error:
        raise MachineError(
            "napari is not installed.", hint="Install it: pip install 'scanseg[napari]'."
        ) from error
    open_viewer(path)
    napari.run()


def open_viewer(path: Path, *, show: bool = True) -> object:
    """Open a window with the layers of a file or a run and the docks for them."""
    import napari
    from napari.layers import Layer

    from scanseg.napari_plugin.reading import read_path
    from scanseg.napari_plugin.viewing import show_scale_bar

    layers = read_path(path)  # first: a mistake must not leave an empty window
    viewer = napari.Viewer(show=show, title=f"scanseg {path.name}")
    for data, attributes, kind in layers:
        viewer.add_layer(Layer.create(data, attributes, kind))
    show_scale_bar(viewer)
    is_run = any("run" in layer.metadata["scanseg"] for layer in viewer.layers)
    names = ("Open run", "Inspect") if is_run else ("Segment",)
    for name in names:
        viewer.window.add_plugin_dock_widget("scanseg", name, tabify=True)
    return viewer


def _check_screen() -> None:
    """Qt ends the process where there is no display, without a word that helps."""
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        raise MachineError(
            "There is no display to open a window on.",
            hint="Run it on a desktop, or over ssh with -X.",
        )
