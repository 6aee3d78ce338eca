"""Models that need no network: bright spots are atoms, changes of the phase are walls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage

from scanseg.micrograph import Micrograph, Signal
from scanseg.runs.choice import ByModality
from scanseg.runs.detection import Detection, detected_atoms, detected_walls
from scanseg.runs.execute import RunResult, execute
from scanseg.runs.folder import RunFolder
from scanseg.runs.plan import Plan, find_inputs
from scanseg.runs.settings import RunSettings
from scanseg.runs.shards import Shard
from scanseg.walls import trace_walls
from scanseg.writers import write

PIXEL_SIZE_NM = (0.02, 0.03)
SCAN_PIXEL_NM = (5.0, 8.0)
SCAN_WALLS_PX = (20.3, 50.6)


@dataclass(frozen=True)
class FakeMaps:
    class_map: np.ndarray

    def probability_rows(self, start: int, stop: int) -> np.ndarray:
        rows = self.class_map[start:stop]
        return np.stack([1 - rows, rows]).astype(np.float32)

    def uncertainty_rows(self, start: int, stop: int) -> np.ndarray:
        return np.full((stop - start, self.class_map.shape[1]), 0.25, np.float32)

    def class_map_rows(self, start: int, stop: int) -> np.ndarray:
        return self.class_map[start:stop]


@dataclass
class SpotFinder:
    """Calls a connected region above 50 counts an atom; ``before`` runs first on every frame."""

    before: Callable[[Micrograph], None] = lambda image: None
    checksum: str = "model-1"
    seen: list[str] = field(default_factory=list)

    @property
    def description(self) -> dict[str, Any]:
        return {"name": "spots", "version": "1", "checksum": self.checksum}

    @property
    def colours(self) -> dict[str, str]:
        return {"column": "#ffb000"}

    def prepare(self, image: Micrograph | None = None) -> None:
        pass

    def __call__(self, image: Micrograph) -> Detection:
        self.before(image)
        self.seen.append(image.source)
        spots, n_spots = ndimage.label(image.data > 50)
        indices = np.arange(1, n_spots + 1)
        position = np.reshape(ndimage.center_of_mass(spots > 0, spots, indices), (-1, 2))
        size_nm = image.pixel_size_nm or (np.nan, np.nan)
        atoms = pd.DataFrame(
            {
                "atom": np.arange(n_spots),
                "y_px": position[:, 0],
                "x_px": position[:, 1],
                "y_nm": position[:, 0] * size_nm[0],
                "x_nm": position[:, 1] * size_nm[1],
                "class": ["column"] * n_spots,
                "probability": np.ones(n_spots),
                "y_err_px": np.full(n_spots, 0.01),
                "x_err_px": np.full(n_spots, 0.01),
                "amplitude": np.full(n_spots, 90.0),
                "sigma_px": np.full(n_spots, 1.5),
                "background": np.full(n_spots, 10.0),
                "at_edge": np.zeros(n_spots, bool),
                "fit_ok": np.ones(n_spots, bool),
            }
        )
        maps = FakeMaps((spots > 0).astype(np.uint8))
        found = detected_atoms(
            image, maps, atoms, colours=self.colours, spacing_px=10.0, warnings=("a remark",)
        )
        return replace(found, model="spots")


@dataclass(frozen=True)
class ScanMaps:
    probability: np.ndarray

    def probability_rows(self, start: int, stop: int) -> np.ndarray:
        return self.probability[:, start:stop]

    def uncertainty_rows(self, start: int, stop: int) -> np.ndarray:
        return 1 - self.probability[:, start:stop].max(axis=0)

    def class_map_rows(self, start: int, stop: int) -> np.ndarray:
        return self.probability[:, start:stop].argmax(axis=0).astype(np.uint8)


@dataclass
class WallFinder:
    """Calls a wall what lies between two phases; ``before`` runs first on every frame."""

    before: Callable[[Micrograph], None] = lambda image: None
    checksum: str = "walls-1"

    @property
    def description(self) -> dict[str, Any]:
        return {"name": "walls", "version": "2", "checksum": self.checksum, "engine": "none"}

    @property
    def colours(self) -> dict[str, str]:
        return {"ferroelectric": "#ff5a36", "ferroelastic": "#38d6ff"}

    def prepare(self, image: Micrograph | None = None) -> None:
        pass

    def __call__(self, image: Micrograph) -> Detection:
        self.before(image)
        response = np.cos(np.deg2rad(image.channels()[Signal.PFM_PHASE].data))
        on_wall = np.zeros(image.shape, bool)
        on_wall[:, 1:] = response[:, 1:] * response[:, :-1] < 0
        maps = ScanMaps(np.stack([~on_wall, 0.9 * on_wall, 0.1 * on_wall]).astype(np.float32))
        names = ("background", *self.colours)
        model = SimpleNamespace(
            contract=SimpleNamespace(task="walls", class_names=names, threshold=0.5)
        )
        prediction: Any = SimpleNamespace(image=image, model=model, probability=maps.probability)
        walls = trace_walls(prediction)
        return replace(detected_walls(image, maps, walls, colours=self.colours), model="walls")


def both_kinds(before: Callable[[Micrograph], None] = lambda image: None) -> Any:
    """The two stand-ins, chosen by the modality."""
    return ByModality({"STEM": SpotFinder(before), "PFM": WallFinder(before)})


def scan(shape: tuple[int, int] = (48, 72), *, shift_px: float = 0.0) -> Micrograph:
    """Amplitude and phase over two upright walls at ``SCAN_WALLS_PX``."""
    rng = np.random.default_rng(1)
    first, second = (place + shift_px for place in SCAN_WALLS_PX)
    x = np.arange(shape[1]) + np.zeros(shape)
    response = np.tanh((x - first) / 2) * np.tanh((x - second) / 2) + 0j
    response += rng.normal(0, 0.02, shape) + 1j * rng.normal(0, 0.02, shape)
    phase = Micrograph(
        np.rad2deg(np.angle(response)), signal=Signal.PFM_PHASE, pixel_size_nm=SCAN_PIXEL_NM
    )
    return Micrograph(
        np.abs(response),
        signal=Signal.PFM_AMPLITUDE,
        pixel_size_nm=SCAN_PIXEL_NM,
        companions={Signal.PFM_PHASE: phase},
    )


def write_scan(path: Path, image: Micrograph | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(image if image is not None else scan(), path)
    return path


def spots(shape: tuple[int, int] = (40, 60), *, offset: int = 0) -> np.ndarray:
    """Spots of 2 x 2 pixels every 10 pixels, so their centres are known to be at .5."""
    data = np.full(shape, 10, np.uint16)
    for y in range(4, shape[0] - 2, 10):
        for x in range(4 + offset, shape[1] - 2, 10):
            data[y : y + 2, x : x + 2] = 100
    return data


def write_tiff(path: Path, data: np.ndarray, *, calibrated: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata: dict[str, Any] = {"axes": "TYX" if data.ndim == 3 else "YX"}
    if calibrated:
        metadata |= {"PhysicalSizeY": PIXEL_SIZE_NM[0], "PhysicalSizeYUnit": "nm"}
        metadata |= {"PhysicalSizeX": PIXEL_SIZE_NM[1], "PhysicalSizeXUnit": "nm"}
    tifffile.imwrite(path, data, ome=True, photometric="minisblack", metadata=metadata)
    return path


@dataclass
class Bench:
    """Runs the fake model from one folder into another."""

    images: Path
    output: Path
    last_plan: Plan | None = None

    def run(
        self,
        processor: Any = None,
        *,
        settings: RunSettings | None = None,
        fresh: bool = False,
        shard: Shard | None = None,
        **options: Any,
    ) -> RunResult:
        with RunFolder(self.output, fresh=fresh, part=shard.label if shard else "") as folder:
            plan = find_inputs([self.images], output=self.output)
            plan = shard.part_of(plan) if shard else plan
            self.last_plan = plan
            return execute(
                plan,
                folder,
                processor or SpotFinder(),
                settings=settings or RunSettings(),
                **options,
            )

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.output / name)

    def files(self) -> dict[str, bytes]:
        """Everything below the output folder that holds results."""
        return {
            path.relative_to(self.output).as_posix(): path.read_bytes()
            for path in sorted(self.output.rglob("*"))
            if path.is_file() and path.name not in ("run.json", "manifest.jsonl")
        }


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty folder of images and a place for results."""
    (tmp_path / "images").mkdir()
    return Bench(tmp_path / "images", tmp_path / "out")


@pytest.fixture
def tools() -> Any:
    """The helpers of this file, which tests cannot import."""

    class Tools:
        pass

    tools = Tools()
    tools.spots, tools.write_tiff, tools.SpotFinder = spots, write_tiff, SpotFinder
    tools.PIXEL_SIZE_NM = PIXEL_SIZE_NM
    tools.scan, tools.write_scan, tools.both_kinds = scan, write_scan, both_kinds
    tools.WallFinder = WallFinder
    tools.SCAN_PIXEL_NM, tools.SCAN_WALLS_PX = SCAN_PIXEL_NM, SCAN_WALLS_PX
    return tools
