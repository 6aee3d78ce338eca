"""What the plugin says of itself is true, and opening it costs nothing it need not."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import npe2
import pytest

import scanseg.napari_plugin
from scanseg.napari_plugin.plugin_settings import DEFAULTS, engine_settings
from scanseg.readers import image_suffixes
from scanseg.runs.settings import RunSettings

MANIFEST = Path(scanseg.napari_plugin.__file__).parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> npe2.PluginManifest:
    return npe2.PluginManifest.from_file(MANIFEST)


def test_manifest_is_valid(manifest):
    manifest.validate_imports()
    assert manifest.name == "scanseg"
    assert {widget.display_name for widget in manifest.contributions.widgets} >= {
        "Segment",
        "Inspect",
        "Correct",
        "Retrain",
        "Open run",
    }


def test_settings_are_those_of_the_manifest(manifest):
    stated = {
        group: {name: each.default for name, each in found.properties.items()}
        for group, found in manifest.contributions.configurations.items()
    }
    assert stated == DEFAULTS
    settings = RunSettings()
    assert {name: getattr(settings.machine, name) for name in stated["engine"]} == stated["engine"]
    assert engine_settings() == ()


def test_installed_plugin_is_found():
    found = npe2.PluginManifest.from_distribution("scanseg")
    assert found.contributions.readers


def test_claimed_patterns_are_formats_that_are_read(manifest):
    (reader,) = manifest.contributions.readers
    suffixes = {f".{pattern.rpartition('.')[2]}" for pattern in reader.filename_patterns}
    assert suffixes - {".json"} <= image_suffixes()
    # Plain pictures belong to everybody, and a plugin that claims them gets into the way.
    assert not suffixes & {".png", ".jpg", ".npy"}


def test_opening_the_plugin_loads_no_network_library(manifest):
    modules = {command.python_name.split(":")[0] for command in manifest.contributions.commands}
    loads = "; ".join(f"import {module}" for module in sorted(modules))
    heavy = ("torch", "albumentations", "openvino", "segmentation_models_pytorch", "matplotlib")
    report = f"import sys; {loads}; print(*[each for each in {heavy} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
    assert all(import_module(module) for module in modules)
