"""How long the window of the napari plugin waits: docks, segmenting, training, 100,000 atoms.

Run it on a display, or under ``xvfb-run -a -s "-screen 0 1280x1024x24"``. Wall time and processor
time of the window's thread are printed; on a machine that does other work as well, the second one
is what the window itself needs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

N_ATOMS = 100_000
PIXEL_NM = (0.02, 0.02)


@contextmanager
def measured(what: str, goal: str) -> Iterator[None]:
    """Print what a step takes."""
    wall, cpu = time.perf_counter(), time.thread_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    print(f"{what:<44} {1e3 * wall:8.0f} {1e3 * cpu:8.0f}   {goal}", flush=True)


def turn(seconds: float = 0.2) -> None:
    """Let the window do what waits."""
    from qtpy.QtWidgets import QApplication

    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        QApplication.processEvents()
        time.sleep(0.002)


def stalls(until: Callable[[], bool]) -> tuple[float, float]:
    """Longest turn of the event loop until something is true, in s: wall, processor."""
    from qtpy.QtWidgets import QApplication

    worst = (0.0, 0.0)
    while not until():
        wall, cpu = time.perf_counter(), time.thread_time()
        QApplication.processEvents()
        worst = (
            max(worst[0], time.perf_counter() - wall),
            max(worst[1], time.thread_time() - cpu),
        )
        time.sleep(0.001)
    return worst


def many_atoms() -> pd.DataFrame:
    """A square lattice of two classes."""
    side = int(np.sqrt(N_ATOMS)) + 1
    y, x = (12.0 * each.ravel()[:N_ATOMS] for each in np.mgrid[:side, :side])
    classes = np.where(np.arange(N_ATOMS) % 7 == 0, "Si", "C")
    return pd.DataFrame(
        {
            "image": "many.tif",
            "frame": 0,
            "atom": np.arange(N_ATOMS),
            "y_px": y,
            "x_px": x,
            "y_nm": y * PIXEL_NM[0],
            "x_nm": x * PIXEL_NM[1],
            "class": classes,
            "probability": np.random.default_rng(0).uniform(0.5, 1, N_ATOMS),
            "y_err_px": 0.03,
            "x_err_px": 0.03,
            "amplitude": 100.0,
            "sigma_px": 2.0,
            "background": 10.0,
            "at_edge": False,
            "fit_ok": True,
        }
    )


def main() -> None:
    """Measure everything in one window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skip-segmenting", action="store_true")
    parser.add_argument("--skip-training", action="store_true")
    parser.add_argument("--training-s", type=float, default=60, help="how long it is watched")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import napari
    from napari.layers import Layer

    from scanseg.napari_plugin.calibration import spatial
    from scanseg.napari_plugin.content import atom_layer, colours_of

    print(f"{'':<44} {'wall ms':>8} {'cpu ms':>8}   goal")
    viewer = napari.Viewer()
    viewer.open_sample("scanseg", "stem")
    turn(1)
    widgets = {}
    for name in ("Segment", "Inspect", "Correct", "Retrain", "Open run"):
        with measured(f"dock of {name}", "500"):
            _, widgets[name] = viewer.window.add_plugin_dock_widget("scanseg", name, tabify=True)
        turn(1)
    if not options.skip_segmenting:
        segmenting(viewer, widgets["Segment"])
    if not options.skip_training:
        training(viewer, widgets["Retrain"], options.training_s)
    viewer.layers.clear()
    turn()
    colours = {"C": "#38d6ff", "Si": "#ff9f1c"}
    atoms = many_atoms()
    with measured("100,000 atoms: show", "3000"):
        made = atom_layer(
            atoms, spatial(PIXEL_NM), name="many", colours=colours, facts={"path": "many"}
        )
        layer = viewer.add_layer(Layer.create(*made))
        turn(0)
    turn(1)
    with measured("100,000 atoms: recolour", "300"):
        layer.face_color = colours_of(atoms["class"], colours)
        turn(0)
    turn(1)
    correct = widgets["Correct"]
    correct.snap_box.setChecked(False)
    everything, zoom = viewer.camera.center, viewer.camera.zoom
    dragging(layer, correct, "all in view")
    viewer.camera.center, viewer.camera.zoom = layer.data[500] * PIXEL_NM, 20 * zoom
    turn(2)
    dragging(layer, correct, "60 x 60 in view")
    viewer.camera.center, viewer.camera.zoom = everything, zoom
    turn(2)
    with measured("100,000 atoms: undo", ""):
        correct.editor.undo()
        turn(0)
    with measured("100,000 atoms: next suspect", ""):
        widgets["Inspect"].step(1)
        turn(0)
    correct.autosave.forget()
    viewer.close()


class MouseEvent:
    """What napari hands to tools: a wrapper whose contents it changes while the mouse moves."""

    def __init__(self, kind: str, position: Any) -> None:
        self.__wrapped__: Any = SimpleNamespace(
            type=kind,
            position=tuple(position),
            handled=False,
            is_dragging=kind == "mouse_move",
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


def dragging(layer: Any, correct: Any, where: str) -> None:
    """The longest wait while an atom is dragged, and for the first drawing after it was let go."""
    from napari.utils.interactions import (
        mouse_move_callbacks,
        mouse_press_callbacks,
        mouse_release_callbacks,
    )

    correct.editor.start_moving()
    turn(1)
    start = layer.data[500].copy()
    places = [start + 0.1 * step for step in range(10)]
    worst: dict[str, tuple[float, float]] = {}

    def act(what: str, callbacks: Any, kind: str, place: Any) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        callbacks(layer, MouseEvent(kind, layer.data_to_world(place)))
        turn(0)
        took = time.perf_counter() - wall, time.thread_time() - cpu
        worst[what] = max(worst.get(what, (0.0, 0.0)), took)

    act("taken", mouse_press_callbacks, "mouse_press", start)
    for place in places:
        act("moved", mouse_move_callbacks, "mouse_move", place)
    act("let go", mouse_release_callbacks, "mouse_release", places[-1])
    assert np.allclose(layer.data[500], places[-1])
    for what, (wall, cpu) in worst.items():
        print(f"{f'one of 100,000, {where}: {what}':<44} {1e3 * wall:8.0f} {1e3 * cpu:8.0f}   50")
    since = time.monotonic()
    wall, cpu = stalls(lambda: layer.visible or time.monotonic() > since + 20)
    name = f"one of 100,000, {where}: all drawn again"
    print(f"{name:<44} {1e3 * wall:8.0f} {1e3 * cpu:8.0f}   (when the hand rests)")
    turn(2)


def training(viewer: Any, widget: Any, seconds: float) -> None:
    """The largest stall while a network is trained on the sample, then how quickly it is gone."""
    from scanseg.napari_plugin.calibration import like

    with tempfile.TemporaryDirectory() as folder:
        widget.use_folder(Path(folder) / "corrected")
        if widget.layer_choice.layer is None:  # nothing was segmented: any labels will do
            rows, columns = (12.0 * each.ravel() for each in np.mgrid[1:9, 1:9])
            axes = like(viewer.layers[0])
            viewer.add_points(np.column_stack([rows, columns]), name="atoms", **axes)
        widget.add()
        widget.train()
        job, ends = widget._job, time.monotonic() + seconds
        wall, cpu = stalls(lambda: time.monotonic() > ends or not job.is_running)
        assert job.is_running, widget.status.text()
        steps = len(widget.curve.lines.get(0, ()))
        name = f"longest stall while training ({steps} steps)"
        print(f"{name:<44} {1e3 * wall:8.0f} {1e3 * cpu:8.0f}   50")
        with measured("cancel a training", "1000"):
            widget.cancel()
        assert not job.folder.exists()


def segmenting(viewer: object, widget: object) -> None:
    """The largest stall while a process works, then how quickly it is gone when cancelled."""
    said: list[str] = []
    widget.done.connect(said.append)  # type: ignore[attr-defined]

    def process_ended() -> bool:
        return widget._loader is not None or bool(said)  # type: ignore[attr-defined]

    widget.segment()  # type: ignore[attr-defined]
    wall, cpu = stalls(process_ended)
    print(f"{'longest stall while segmenting':<44} {1e3 * wall:8.0f} {1e3 * cpu:8.0f}   50")
    wall, cpu = stalls(lambda: bool(said))
    print(f"{'longest stall while results are shown':<44} {1e3 * wall:8.0f} {1e3 * cpu:8.0f}")
    turn(1)
    widget.segment()  # type: ignore[attr-defined]
    job = widget._job  # type: ignore[attr-defined]
    stalls(lambda: job.is_running)
    turn(1)
    with measured("cancel", "1000"):
        widget.cancel()  # type: ignore[attr-defined]
    assert not job.folder.exists()


if __name__ == "__main__":
    main()
