from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

TINY = {
    "name": "tiny",
    "patch_px": 64,
    "native_scale": [1.0, 1.0],
    "scene": {"layouts": {"crystal": 1}, "disorder": 0.0, "signal": "dark-field"},
    "architecture": {"name": "compact-unet", "arguments": {"filters": [8, 8, 8]}},
    "optimisation": {"precision": "32-true", "ema_decay": 0.9, "learning_rate": 0.01},
    "validation": {"n_images": 3, "every_steps": 4},
    "batch": 2,
    "steps": 10,
    "workers": 0,
}


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory) -> Path:
    """A recipe that trains a network of 8 filters for ten steps, without extra processes."""
    path = tmp_path_factory.mktemp("recipes") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


TINY_WALLS = {
    "task": "walls",
    "name": "tiny-walls",
    "patch_px": 64,
    "uses": 2,
    "architecture": {"name": "compact-unet", "arguments": {"filters": [8, 8]}},
    "optimisation": {
        "precision": "32-true",
        "ema_decay": 0.9,
        "learning_rate": 0.01,
        "snapshots": 2,
    },
    "validation": {"n_images": 4, "every_steps": 2},
    "batch": 2,
    "steps": 8,
    "workers": 0,
}


@pytest.fixture(scope="session")
def tiny_walls(tmp_path_factory) -> Path:
    """A recipe that trains two members in eight steps: stored after the fourth and the last."""
    path = tmp_path_factory.mktemp("recipes") / "tiny-walls.yaml"
    path.write_text(yaml.safe_dump(TINY_WALLS))
    return path


@pytest.fixture(scope="module")
def one_thread():
    """PyTorch with one thread: sums in one order, and the cores left to others."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Killed(Exception):
    """Stands in for the end of a process."""


@pytest.fixture(scope="session")
def killed_in_step():
    """A context in which a training dies in a step, counted from 1."""
    from scanseg.train.module import SegmentationModule

    step = SegmentationModule.training_step

    @contextmanager
    def killed(number):
        def dying(module, batch, index):
            if module.global_step == number - 1:
                raise Killed
            return step(module, batch, index)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SegmentationModule, "training_step", dying)
            with pytest.raises(Killed):
                yield

    return killed
