"""The table of ``scanseg check --labels``: every problem of labelled images at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from scanseg.cli.exits import ExitCode
from scanseg.errors import ConfigError

if TYPE_CHECKING:
    from scanseg.train.labelled_check import CheckedData
    from scanseg.train.labelled_fix import Mended

__all__ = ["check_labels", "problem_lines"]


def check_labels(
    folders: Sequence[Path], *, model: str | None, fixed: Path | None = None, as_json: bool
) -> ExitCode:
    """Print what is wrong with a folder of labelled images.

    Parameters
    ----------
    folders
        One folder.
    model
        The model whose classes count; the shipped ones by default.
    fixed
        Gets a copy in which what is safe is mended, and the copy is checked; None for none.
    as_json
        For programs.
    """
    if len(folders) != 1:
        raise ConfigError(
            f"{len(folders)} paths were given, and labels are checked folder by folder.",
            hint="Give one folder of labelled images.",
        )
    from scanseg.train.labelled_check import check_labelled, default_classes
    from scanseg.train.labelled_fix import mend_labelled

    task, names = None, None
    if model is not None:
        from scanseg.bundle import load_model

        contract = load_model(model).contract
        task, names = contract.task, contract.class_names
    folder = folders[0]
    mended: tuple[Mended, ...] = ()
    if fixed is not None:
        mended = mend_labelled(folder, fixed, class_names=names or default_classes("atoms"))
        folder = fixed
    data = check_labelled(folder, task=task, class_names=names)
    if as_json:
        problems = [asdict(problem) for problem in data.problems]
        images = [each.name for each in data.images]
        document: dict[str, object] = {"images": images, "problems": problems}
        if fixed is not None:
            document["mended"] = [asdict(each) for each in mended]
        typer.echo(json.dumps(document, indent=1))
    else:
        if fixed is not None:
            for each in mended:
                typer.echo(f"mended   {each.name}  {each.what}")
            typer.echo(f"{len(mended)} changes in the copy, {fixed}. What is left:")
        typer.echo("\n".join(problem_lines(data)))
    if not data.n_found and not data.errors:
        return ExitCode.NOTHING_TO_DO
    return ExitCode.SOME_FAILED if data.errors else ExitCode.ALL_GOOD


def problem_lines(data: CheckedData) -> list[str]:
    """Columns of what is wrong, the worst first, and a line that sums it up."""
    rows = [(each.level, each.name, each.what) for each in data.problems]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    lines = []
    for (level, name, what), problem in zip(rows, data.problems, strict=True):
        lines.append(f"{level:<{widths[0]}}  {name:<{widths[1]}}  {what}".rstrip())
        if problem.advice:
            lines.append(f"{'':{widths[0] + widths[1] + 4}}{problem.advice}")
    n_bad = len({each.name for each in data.errors})
    bad = f"; {n_bad} with errors" if n_bad else ""
    if not data.n_found and not n_bad:
        return [*lines, "Nothing to train on: no image with labels beside it was found."]
    return [*lines, f"{len(data.images)} labelled images can be trained on{bad}."]
