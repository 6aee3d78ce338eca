"""``scanseg train`` with a folder of labelled images: a model made better for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from scanseg.cli.label_table import problem_lines
from scanseg.cli.progress import print_event
from scanseg.errors import ConfigError

if TYPE_CHECKING:
    from scanseg.contract import ModelContract
    from scanseg.train.labelled_check import CheckedData
    from scanseg.train.retrain import Retrained

__all__ = ["checked_labels", "retrain_model"]


def retrain_model(
    folder: Path,
    *,
    start_from: str | None,
    output: Path,
    speed: str,
    reviewed: bool,
    recipe_file: Path | None,
    name: str | None,
    budget_s: float | None,
    overrides: Sequence[str],
    folds: int = 0,
    new_classes: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Check the images, train, and print what came of it; options as in ``scanseg train``.

    With ``as_json`` programs are told: what is ``said``, every ``step``, and the ``end``.
    """
    if start_from is None:
        raise ConfigError(
            f"{folder} is a folder of labelled images, and no model to start from was given.",
            hint="Add --from stem-atoms, --from pfm-walls, or the folder of a model.",
        )
    from scanseg.bundle import load_model
    from scanseg.train.retrain_settings import Retraining

    settings = Retraining.from_settings(
        {"speed": speed, "folds": folds, "new_classes": list(new_classes)},
        overrides=tuple(overrides),
        origin="the options",
    )
    say = _say_event if as_json else typer.echo
    given = base = load_model(start_from)
    if settings.from_origin:
        from scanseg.train.origin import origin_of

        base, said = origin_of(given)
        if said:
            say(said)
    data = checked_labels(
        folder, base.contract, reviewed=reviewed, new_classes=settings.new_classes
    )
    say("\n".join(problem_lines(data)))
    if data.errors:
        raise ConfigError(
            f"{len(data.errors)} errors in the labels, listed above.",
            hint="Correct them, or move those images away; check --labels --fix mends some.",
        )
    from scanseg.train.origin import left_out
    from scanseg.train.retrain import recipe_of_model, retrain

    recipe, said = recipe_of_model(base, recipe_file, new_classes=settings.new_classes)
    for text in filter(None, (said, left_out(given, data.images))):
        say(text)
    result = retrain(
        data.images, base, output=output, recipe=recipe, name=name, settings=settings,
        budget_s=budget_s, say=say, on_step=_tell_step if as_json else None,
    )  # fmt: skip
    if as_json:
        print_event(_end_event(result))
    else:
        typer.echo("\n".join(_outcome(result, base.name)))


def checked_labels(
    folder: Path, contract: ModelContract, *, reviewed: bool, new_classes: Sequence[str] = ()
) -> CheckedData:
    """Labelled images of a folder, or what was marked good in a run, with all their problems."""
    from scanseg.train.labelled_check import check_files, check_labelled

    is_run = (folder / "run.json").is_file()
    if reviewed != is_run:
        raise ConfigError(
            f"{folder} is {'a run' if is_run else 'no run'}.",
            hint="Results that were marked good in its report are trained on with --reviewed."
            if is_run
            else "Leave --reviewed out; it is for output folders of scanseg predict.",
        )
    names = (*contract.class_names, *new_classes)
    if not reviewed:
        return check_labelled(folder, task=contract.task, class_names=names)
    from scanseg.runs.reviewed import reviewed_labels

    files, problems = reviewed_labels(folder)
    return check_files(files, task=contract.task, class_names=names, found=problems)


def _say_event(text: str) -> None:
    print_event({"event": "said", "text": text})


def _tell_step(member: int, step: int, n_steps: int, loss: float) -> None:
    print_event({"event": "step", "member": member, "step": step, "n_steps": n_steps, "loss": loss})


def _end_event(result: Retrained) -> dict[str, Any]:
    """What a program is told about a training; ``figures`` are of images held out, if any were."""
    from scanseg.train.retrain_card import comparison_rows

    return {
        "event": "end",
        "is_better": result.is_better,
        "model": result.model.name,
        "folder": str(result.model.folder),
        "training": list(result.split.training),
        "held_out": list(result.split.held_out),
        "figures": comparison_rows(result.before, result.after),
        "f1_of_image_before": result.before.f1_of_image,
        "f1_of_image": result.after.f1_of_image,
        "simulated_f1": list(result.simulated_f1),
        "remarks": list(result.remarks),
    }


def _outcome(result: Retrained, base: str) -> list[str]:
    from scanseg.train.retrain_card import comparison_rows

    of = "images held out" if result.split.held_out or result.folds else "the images trained on"
    lines = [f"On {of}, before and after:"]
    lines += [
        f"  {name:<20} {old:8.4f} {new:8.4f}"
        for name, old, new in comparison_rows(result.before, result.after)
    ]
    lines.append(
        f"  {'f1 on simulations':<20} {result.simulated_f1[0]:8.4f} {result.simulated_f1[1]:8.4f}"
    )
    if not result.is_better:
        lines.append(
            f"The new model is NOT better, so {base} was kept; the new one is in not-better/."
        )
    lines += result.remarks if result.is_better else ()
    return [*lines, f"{result.model.name}: {result.model.folder}"]
