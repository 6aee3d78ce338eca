"""The model card of a model that was trained further."""

from __future__ import annotations

from collections.abc import Sequence

from scanseg.bundle import Model
from scanseg.contract import ModelContract
from scanseg.train.folds import FoldScore
from scanseg.train.held_out import LabelledScore
from scanseg.train.retrain_settings import Retraining
from scanseg.train.splits import Split

__all__ = ["comparison_rows", "write_retrained_card"]


def comparison_rows(before: LabelledScore, after: LabelledScore) -> list[tuple[str, float, float]]:
    """Rows of (figure, before, after)."""
    return [(name, before.figures[name], value) for name, value in after.figures.items()]


def write_retrained_card(
    contract: ModelContract,
    base: Model,
    settings: Retraining,
    split: Split,
    before: LabelledScore,
    after: LabelledScore,
    simulated_f1: tuple[float, float],
    *,
    steps: int,
    said: Sequence[str],
    folds: FoldScore | None = None,
) -> str:
    """Model card in Markdown; ``said`` are remarks that users of the model should read."""
    rows = "\n".join(
        f"| {name} | {old:.4g} | {new:.4g} |" for name, old, new in comparison_rows(before, after)
    )
    images = "\n".join(
        f"| {name} | {before.f1_of_image[name]:.4g} | {value:.4g} |"
        for name, value in after.f1_of_image.items()
    )
    of = "held out" if split.held_out else "trained on, for nothing was held out"
    of = f"held out in {len(folds.splits)} folds, means" if folds else of
    trained = "The decoder" if settings.speed == "head" else "All weights"
    how = (
        "Threshold and temperature alone were chosen anew."
        if settings.speed == "threshold"
        else f"{trained}: {steps:,} steps at a learning rate of up to "
        f"{settings.learning_rate:g}, {settings.replayed:.0%} of each batch simulated."
    )
    remarks = "".join(f"\n* {text}" for text in said)
    return f"""# {contract.name}

Finds {", ".join(contract.class_names[1:])} in {contract.modality} images. Version
{contract.version}, licence {contract.licence}. Trained further from {base.name}, version
{base.contract.version} (sha256 of its model.yaml: {base.sha256[:16]}).

**Labelled images.** {len(split.training)} trained on. {split.statement}

**Training.** {how} Threshold {base.contract.threshold:g} before, {contract.threshold:g} now;
temperature {base.contract.temperature:.2f} before, {contract.temperature:.2f} now.

**Before and after**, on images {of}; whole predictions, sampling included.

| figure | before | after |
|---|---|---|
{rows}
| F1 on simulated images | {simulated_f1[0]:.4g} | {simulated_f1[1]:.4g} |

| image: F1 | before | after |
|---|---|---|
{images}

**Limits.** The figures hold for images like these. Start from {base.name} again, with all
corrections, rather than from this model.{remarks}
"""
