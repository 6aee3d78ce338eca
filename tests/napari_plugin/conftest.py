"""A napari on a screen that nobody sees: the offscreen platform of Qt crashes on image layers."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scanseg.runs.settings import RunSettings

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_data"

if not (find_spec("napari") and find_spec("qtpy")):
    collect_ignore_glob = ["test_*.py"]
else:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between napari and what it is made of
        import napari.layers  # noqa: F401


@pytest.fixture(scope="session")
def display() -> Iterator[None]:
    """A display: that of the machine, or a virtual one."""
    if os.environ.get("DISPLAY"):
        yield
        return
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("there is no display, and no Xvfb to make one")
    read, write = os.pipe()
    server = subprocess.Popen(
        [xvfb, "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    if not number:
        server.wait()
        pytest.skip("Xvfb does not start")
    os.environ["DISPLAY"] = f":{number}"
    yield
    del os.environ["DISPLAY"]
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def napari_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings and caches of the plugin and of napari, away from the user's own."""
    home = tmp_path_factory.mktemp("napari")
    before = {name: os.environ.get(name) for name in ("NAPARI_CONFIG", "XDG_CACHE_HOME")}
    os.environ["NAPARI_CONFIG"] = str(home / "settings.yaml")
    os.environ["SCANSEG_RECOVERY"] = str(home / "recovery")
    os.environ["SCANSEG_DATA"] = str(home / "data")
    yield home
    os.environ.pop("SCANSEG_RECOVERY")
    os.environ.pop("SCANSEG_DATA")
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)


@pytest.fixture(scope="session")
def shared_viewer(display: None, napari_home: Path) -> Iterator[Any]:
    """One viewer for all tests: opening one takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of napari and what it loads
        import napari

        viewer = napari.Viewer(show=False)
        yield viewer
        viewer.close()
        turn()
        gc.collect()


@pytest.fixture
def viewer(shared_viewer: Any) -> Iterator[Any]:
    """The viewer without layers and docks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield shared_viewer
        shared_viewer.window.remove_dock_widget("all")
        shared_viewer.layers.clear()
        turn()


def turn() -> None:
    """Let Qt do what waits."""
    from qtpy.QtWidgets import QApplication

    application = QApplication.instance()
    for _ in range(3):
        application.processEvents()


@pytest.fixture
def wait() -> Callable[..., None]:
    """Turn the event loop until something is true."""

    def wait_until(true: Callable[[], bool], *, seconds: float = 90.0) -> None:
        ends = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < ends, "it did not happen in time"
            turn()
            time.sleep(0.005)

    return wait_until


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def run_tools() -> ModuleType:
    """The stand-ins for models of the tests of runs: tests are no package, so by their path."""
    name = "scanseg_test_runs"
    if name not in sys.modules:
        path = Path(__file__).parent.parent / "runs" / "conftest.py"
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def run_folder(run_tools: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over a STEM image, a damaged one and a PFM scan, with stand-ins for the networks."""
    place = tmp_path_factory.mktemp("run")
    images = place / "images"
    run_tools.write_tiff(images / "stem.tif", run_tools.spots())
    run_tools.write_scan(images / "scan.tif")
    (images / "broken.tif").write_bytes(b"II*\0 no more than that")
    settings = RunSettings.from_settings({"output": {"save": ["domains"]}})
    run_tools.Bench(images, place / "out").run(run_tools.both_kinds(), settings=settings)
    return place / "out"


@pytest.fixture
def by_role() -> Callable[[Any], dict[str, Any]]:
    """The layers of a viewer by what they are."""
    from scanseg.napari_plugin.viewing import facts_of

    return lambda viewer: {facts_of(layer).get("role"): layer for layer in viewer.layers}


@pytest.fixture
def shown(
    viewer: Any, run_folder: Path, by_role: Callable[[Any], dict[str, Any]]
) -> Callable[[str], dict[str, Any]]:
    """Shows an image of the run; returns its layers by what they are."""

    def show(name: str) -> dict[str, Any]:
        from scanseg.napari_plugin.reading import RunView
        from scanseg.napari_plugin.viewing import show_layers

        show_layers(viewer, RunView(run_folder).layers(name), slot="run")
        return by_role(viewer)

    return show


@pytest.fixture
def units_agree(viewer: Any) -> Callable[[], bool]:
    """Whether all layers have the same units, and napari knows them."""

    def agree() -> bool:
        units = {tuple(map(str, layer.units[-2:])) for layer in viewer.layers}
        return len(units) == 1

    return agree


@pytest.fixture
def drag() -> Callable[..., None]:
    """Drags the mouse over a layer from place to place, in pixels of the layer."""
    from napari.utils.interactions import (
        mouse_move_callbacks,
        mouse_press_callbacks,
        mouse_release_callbacks,
    )

    def act(layer: Any, *places: Any) -> None:
        tell = (mouse_press_callbacks, *[mouse_move_callbacks] * (len(places) - 1))
        kinds = ("mouse_press", *["mouse_move"] * (len(places) - 1))
        for callbacks, kind, place in zip(tell, kinds, places, strict=True):
            callbacks(layer, _event(kind, layer.data_to_world(place)))
        mouse_release_callbacks(layer, _event("mouse_release", layer.data_to_world(places[-1])))

    return act


class _Event:
    """What napari hands to its tools: a wrapper whose contents it changes while the mouse moves."""

    def __init__(self, **given: Any) -> None:
        self.__wrapped__: Any = SimpleNamespace(**given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


def _event(kind: str, position: Any) -> _Event:
    return _Event(
        type=kind, position=tuple(position), pos=np.zeros(2), modifiers=(), handled=False,
        is_dragging=kind == "mouse_move", dims_displayed=[0, 1], view_direction=None,
        dims_point=[0, 0], up_direction=None, button=1,
    )  # fmt: skip
