"""What a training leaves for people to read: curves, a reliability diagram, a model card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanseg.contract import ModelContract
from scanseg.train.recipe import Recipe

__all__ = ["draw_curves", "draw_reliability", "write_card"]


def draw_curves(rows: list[dict[str, str]], path: Path) -> None:
    """Draw loss and detection against steps, from the rows of Lightning's CSV log."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, axes in (
        ("train_loss", left), ("validation_loss", left),
        ("validation_f1", right), ("validation_f1_clear", right),
    ):  # fmt: skip
        points = [(float(r["step"]), float(r[name])) for r in rows if r.get(name)]
        if points:
            axes.plot(*np.array(points).T, label=name.replace("_", " "), lw=1)
    left.set(xlabel="step", ylabel="loss", yscale="log")
    right.set(xlabel="step", ylabel="F1")
    for axes in (left, right):
        if axes.lines:
            axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def draw_reliability(calibration: NDArray[np.float64], path: Path) -> None:
    """Draw how often a stated probability is right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", lw=1)
    axes.plot(calibration[:, 0], calibration[:, 1], "o-", color="#d1495b", lw=1)
    axes.set(xlabel="stated probability", ylabel="frequency", aspect="equal")
    figure.savefig(path, dpi=110)


def write_card(
    contract: ModelContract,
    recipe: Recipe,
    described_input: str,
    calibration: NDArray[np.float64],
    *,
    steps: int,
) -> str:
    """Model card in Markdown."""
    figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in contract.figures.items())
    bins = "\n".join(f"| {p:.3f} | {f:.3f} | {n:.4f} |" for p, f, n in calibration)
    seen = steps * recipe.batch
    classes = ", ".join(contract.class_names[1:])
    members = f", {contract.members} of them, averaged" if contract.members > 1 else ""
    return f"""# {contract.name}

Finds {classes} in {contract.modality} images. Version {contract.version}, licence
{contract.licence}.

**Network.** {contract.architecture.name}{members}.

**Input and score.** {described_input}

**Training.** {contract.data} {seen:,} patches of {recipe.patch_px}² pixels ({steps:,} steps of
{recipe.batch}), seed {contract.seed}. The recipe: `scanseg train configs/{contract.recipe}`.

**Figures of merit** on {recipe.validation.n_images} simulated validation images (seed
{recipe.validation.seed}, never trained on; threshold and temperature were chosen on them).

| figure | value |
|---|---|
{figures}

**Calibration** (temperature {contract.temperature:.2f}; over pixels of the validation set)

| stated probability | frequency | share of pixels |
|---|---|---|
{bins}

**Limits.** It has never seen a measured image while it was trained: look at the overlays before you
believe a new material.
"""
