"""The command line with a model that needs no network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _helpers() -> ModuleType:
    """The conftest of the runs: tests are no package, so it is loaded by its path."""
    name = "scanseg_test_runs"
    if name not in sys.modules:
        path = Path(__file__).parent.parent / "runs" / "conftest.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def tools() -> ModuleType:
    """Helpers that write images, and the model."""
    return _helpers()


@pytest.fixture(scope="session")
def spots_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose network is one convolution: what stands out is a column."""
    import torch

    from scanseg.bundle import save_bundle
    from scanseg.contract import ModelClass, ModelContract, Sampling

    distance = torch.arange(5.0) - 2
    spot = torch.exp(-(distance[:, None] ** 2 + distance**2) / 2)
    network = torch.nn.Conv2d(1, 2, 5, padding=2)
    with torch.no_grad():
        network.weight.zero_()
        network.weight[1, 0] = 6 * spot / spot.sum()
        # As probable as not one spread above the mean: gaps stay below, columns reach two.
        network.bias.copy_(torch.tensor([0.0, -6.0]))
    contract = ModelContract(
        name="spots",
        version="1",
        task="atoms",
        modality="STEM",
        classes=(
            ModelClass(name="background", colour="#000000"),
            ModelClass(name="column", colour="#ffb000"),
        ),
        sampling=Sampling(spacing_px=12.0),
        size_multiple_px=4,
        halo_px=2,
        recipe="none.yaml",
        seed=0,
        data="Made by hand.",
        scanseg_version="0.1.0",
    )
    folder = tmp_path_factory.mktemp("models") / "spots"
    save_bundle(folder, contract, network.eval(), card="# spots\n\nWhat stands out is a column.\n")
    return folder


@pytest.fixture(scope="session")
def walls_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose network sees a wall where the phase changes from pixel to pixel."""
    import torch

    from scanseg.bundle import save_bundle
    from scanseg.contract import ModelClass, ModelContract, Sampling
    from scanseg.preprocess.scan import SCAN_PLANES

    steps = torch.nn.Conv2d(len(SCAN_PLANES), 4, 3, padding=1, padding_mode="replicate")
    sums = torch.nn.Conv2d(4, 3, 1)
    with torch.no_grad():
        for weights in (steps.weight, steps.bias, sums.weight):
            weights.zero_()
        cosine = SCAN_PLANES.index("phase_cos")
        for feature, (sign, axis) in enumerate([(1, 0), (-1, 0), (1, 1), (-1, 1)]):
            ends = ((0, 1), (2, 1)) if axis == 0 else ((1, 0), (1, 2))
            steps.weight[feature, cosine][ends[0]] = -sign
            steps.weight[feature, cosine][ends[1]] = sign
        # A reversal is a step of 2: halfway, a wall is as probable as not.
        sums.weight[1] = 6.0
        sums.bias.copy_(torch.tensor([0.0, -6.0, -20.0]))
    contract = ModelContract(
        name="steps",
        version="3",
        task="walls",
        modality="PFM",
        classes=(
            ModelClass(name="background", colour="#000000"),
            ModelClass(name="ferroelectric", colour="#ff5a36"),
            ModelClass(name="ferroelastic", colour="#38d6ff"),
        ),
        channels=SCAN_PLANES,
        sampling=Sampling(),
        normalisation=None,
        size_multiple_px=4,
        halo_px=2,
        recipe="none.yaml",
        seed=0,
        data="Made by hand.",
        scanseg_version="0.1.0",
    )
    folder = tmp_path_factory.mktemp("models") / "steps"
    network = torch.nn.Sequential(steps, torch.nn.ReLU(), sums)
    save_bundle(folder, contract, network.eval(), card="# steps\n\nPhases that reverse.\n")
    return folder


@pytest.fixture
def scanseg(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command line as the shell does; returns (exit code, stdout, stderr)."""
    from scanseg.cli import folder_run, main, watch

    finder = _helpers().SpotFinder()
    for command in (folder_run, watch):
        monkeypatch.setattr(command, "open_processor", lambda model, settings, **_: finder)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scanseg", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        shown = capsys.readouterr()
        return int(exit.value.code or 0), shown.out, shown.err

    call.finder = finder  # type: ignore[attr-defined]
    return call
