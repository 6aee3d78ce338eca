"""What a training leaves for people to read: curves, a reliability diagram, a model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanseg.contract import ModelContract
from scanseg.train.calibration import calibration_error
from scanseg.train.recipe import Recipe
from scanseg.train.strange_inputs import Response

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
    responses: Sequence[Response] = (),
) -> str:
    """Model card in Markdown.

    Parameters
    ----------
    contract, recipe
        What was trained.
    described_input
        Of the task.
    calibration
        See ``reliability``.
    steps
        Of each seed.
    responses
        To the validation set, and to other inputs.
    """
    figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in contract.figures.items())
    bins = "\n".join(f"| {p:.3f} | {f:.3f} | {n:.4f} |" for p, f, n in calibration)
    seen = steps * recipe.batch * recipe.optimisation.accumulate * recipe.members
    batch = f"{recipe.batch}"
    if recipe.optimisation.accumulate > 1:
        batch += f" times {recipe.optimisation.accumulate}"
    if recipe.members > 1:
        batch += f", for each of {recipe.members} seeds"
    classes = ", ".join(contract.class_names[1:])
    members = f", {contract.members} of them, averaged" if contract.members > 1 else ""
    return f"""# {contract.name}

Finds {classes} in {contract.modality} images. Version {contract.version}, licence
{contract.licence}.

**Network.** {contract.architecture.name}{members}.

**Input and score.** {described_input}

**Training.** {contract.data} {seen:,} patches of {recipe.patch_px}² pixels ({steps:,} steps of
{batch}), seed {contract.seed}. The recipe: `scanseg train configs/{contract.recipe}`.

**Figures of merit** on {recipe.validation.n_images} simulated validation images (seed
{recipe.validation.seed}, never trained on; threshold and temperature were chosen on them).

| figure | value |
|---|---|
{figures}

**Calibration** (temperature {contract.temperature:.2f}; over pixels of the validation set)

| stated probability | frequency | share of pixels |
|---|---|---|
{bins}

A stated probability is off by {calibration_error(calibration):.4f} on average (expected calibration
error, weighted by the share of pixels).
{_unlike_training(responses)}
**Limits.** It has never seen a measured image while it was trained: look at the overlays before you
believe a new material.
"""


def _unlike_training(responses: Sequence[Response]) -> str:
    """A section on input unlike the training, or nothing."""
    if not responses:
        return ""
    rows = "\n".join(
        f"| {each.kind} | {each.found:.4f} | {_number(each.doubt)} | {_number(each.spread)} | "
        f"{_number(each.told_apart)} |"
        for each in responses
    )
    return f"""
**Input unlike the training**, made from images of the validation set

| input | pixels found | doubt | spread of members | doubted more than the validation set |
|---|---|---|---|---|
{rows}

Doubt is p (1 - p) over p, 0 for certainty. The last column is how often such an image is doubted
more than one of the validation set: at 1 doubt tells them apart, at 0.5 it says nothing, and below
the network is sure of what it does not know.
"""


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"
