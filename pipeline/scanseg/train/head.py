"""The decoder of a model trained further, on features that the encoder gave once."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from scanseg.bundle import Model
from scanseg.nets.ensemble import Ensemble
from scanseg.nets.halves import Halves, halves_of
from scanseg.train.fine_tune import FEWEST_STEPS, OnStep, n_workers, too_few_steps
from scanseg.train.losses import SegmentationLoss
from scanseg.train.module import learning_rate_factor
from scanseg.train.precision import trainer_precision
from scanseg.train.processes import one_thread
from scanseg.train.progress import duration
from scanseg.train.recalibrate import network_of
from scanseg.train.recipe import AtomRecipe, WallRecipe
from scanseg.train.replay import Makeup, Replay
from scanseg.train.retrain_settings import Retraining
from scanseg.train.task import Example, LabelledView, task_of

__all__ = ["train_head"]

# Of the time that is left, what the features may cost.
FEATURES_SHARE = 0.4
FEWEST_CROPS = 16


@dataclass(frozen=True, slots=True)
class _Kept:
    """Features of a batch of crops, in bfloat16, and its class maps (uint8)."""

    features: list[Tensor]
    class_map: Tensor


def train_head(
    base: Model,
    views: Sequence[LabelledView],
    recipe: AtomRecipe | WallRecipe,
    settings: Retraining,
    *,
    deadline: float | None,
    output: Path,
    say: Callable[[str], None],
    on_step: OnStep | None = None,
) -> tuple[nn.Module, int]:
    """Train the decoder of every member; parameters, result and errors as of ``fine_tune``.

    The encoder runs once over each crop, and its features are kept: a step costs a fourth of one
    over all weights, and nothing is drawn for it. Means and variances of batches stay those of the
    model, so that what was not shown to it changes little.
    """
    n_members = base.contract.members
    networks, steps = [], 0
    for member in range(n_members):
        torch.manual_seed(settings.seed + 1000 * member)
        network = network_of(base, member=member, n_classes=len(recipe.classes))
        share = None
        if deadline is not None:
            share = time.monotonic() + (deadline - time.monotonic()) / (n_members - member)
        steps = _train(
            network, member, views, recipe, settings, deadline=share,
            log_file=output / "logs" / f"member_{member}" / "metrics.csv", say=say,
            on_step=on_step,
        )  # fmt: skip
        networks.append(network.eval())
    return networks[0] if n_members == 1 else Ensemble(networks).eval(), steps


def _train(
    network: nn.Module, member: int, views: Sequence[LabelledView],
    recipe: AtomRecipe | WallRecipe, settings: Retraining, *, deadline: float | None,
    log_file: Path, say: Callable[[str], None], on_step: OnStep | None,
) -> int:  # fmt: skip
    halves = halves_of(network)
    seed = settings.seed + 1000 * member
    kept = list(_kept(halves, views, recipe, settings, seed, deadline))
    weights = [weight for part in halves.decoder for weight in part.parameters()]
    optimiser = torch.optim.AdamW(weights, settings.learning_rate)
    loss_of = SegmentationLoss(recipe.loss)
    rng = np.random.default_rng((seed, 5))
    since = time.monotonic()
    _step(halves, kept[0], loss_of, recipe)  # the first allocates
    since = time.monotonic()
    _step(halves, kept[-1], loss_of, recipe)
    step_s = time.monotonic() - since
    lasts = settings.steps
    if deadline is not None:
        lasts = min(lasts, int((deadline - time.monotonic()) / step_s))
    if lasts < min(FEWEST_STEPS, settings.steps):
        raise too_few_steps(lasts, step_s)
    n_crops = sum(len(each.class_map) for each in kept)
    say(
        f"Training takes about {duration(lasts * step_s)}: {lasts} steps of {step_s:.2g} s over "
        f"the features of {n_crops} crops."
    )
    started = time.monotonic()
    rows: list[tuple[int, float]] = []
    for step in range(1, lasts + 1):
        progress = step / lasts
        if deadline is not None:
            progress = max(progress, (time.monotonic() - started) / max(deadline - started, 1e-9))
        factor = learning_rate_factor(min(progress, 1.0), recipe.optimisation)
        for group in optimiser.param_groups:
            group["lr"] = factor * settings.learning_rate
        optimiser.zero_grad()
        loss = _step(halves, kept[int(rng.integers(len(kept)))], loss_of, recipe)
        nn.utils.clip_grad_norm_(weights, recipe.optimisation.clip_norm)
        optimiser.step()
        rows.append((step, loss))
        if on_step is not None:
            on_step(member, step, lasts, loss)
        if progress >= 1.0:
            break
    _write_log(log_file, rows)
    return len(rows)


def _kept(
    halves: Halves, views: Sequence[LabelledView], recipe: AtomRecipe | WallRecipe,
    settings: Retraining, seed: int, deadline: float | None,
) -> Iterator[_Kept]:  # fmt: skip
    """Features of batches of crops, as many as are asked for or the time allows."""
    until = None
    if deadline is not None:
        now = time.monotonic()
        until = now + FEATURES_SHARE * (deadline - now)
    n_crops = max(settings.crops, recipe.batch)
    simulated = task_of(recipe.model_copy(update={"seed": seed})).patches(range(n_crops))
    # Only features are kept, not what the old network saw: all that is replayed has labels.
    labelled = settings.model_copy(
        update={"recalled": 0.0, "replayed": settings.replayed + settings.recalled}
    )
    examples: DataLoader[Example] = DataLoader(
        Replay(
            views, simulated, simulated, makeup=Makeup.of(labelled, recipe),
            n_examples=n_crops, seed=seed,
        ),
        batch_size=recipe.batch, num_workers=n_workers(recipe), worker_init_fn=one_thread,
    )  # fmt: skip
    done = 0
    for image, class_map in examples:
        with torch.no_grad(), _autocast(recipe):
            features = halves.encode(image.contiguous(memory_format=torch.channels_last))
        yield _Kept([each.to(torch.bfloat16) for each in features], class_map.to(torch.uint8))
        done += len(image)
        if until is not None and time.monotonic() > until and done >= FEWEST_CROPS:
            return


def _step(
    halves: Halves, kept: _Kept, loss_of: SegmentationLoss, recipe: AtomRecipe | WallRecipe
) -> float:
    """Loss of a batch; its gradients are left in the weights of the decoder."""
    features = kept.features
    if trainer_precision(recipe.optimisation) == "32-true":
        features = [each.float() for each in features]
    with _autocast(recipe):
        logits = halves.decode(list(features))
    loss: Tensor = loss_of(logits, kept.class_map.long())
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _autocast(recipe: AtomRecipe | WallRecipe) -> torch.autocast:
    enabled = trainer_precision(recipe.optimisation) != "32-true"
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def _write_log(path: Path, rows: list[tuple[int, float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("step", "train_loss"))
        writer.writerows(rows)
