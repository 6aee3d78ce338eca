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

__all__ = ["check_labels", "problem_lines"]


def check_labels(folders: Sequence[Path], *, model: str | None, as_json: bool) -> ExitCode:
    """Print what is wrong with a folder of labelled images.

    Parameters
    ----------
    folders
        One folder.
    model
        The model whose classes count; the shipped ones by default.
    as_json
        For programs.
    """
    if len(folders) != 1:
        raise ConfigError(
            f"{len(folders)} paths were given, and labels are checked folder by folder.",
            hint="Give one folder of labelled images.",
        )
    from scanseg.train.labelled_check import check_labelled

    if model is None:
        data = check_labelled(folders[0])
    else:
        from scanseg.bundle import load_model

        contract = load_model(model).contract
        data = check_labelled(folders[0], task=contract.task, class_names=contract.class_names)
    if as_json:
        problems = [asdict(problem) for problem in data.problems]
        names = [each.name for each in data.images]
        typer.echo(json.dumps({"images": names, "problems": problems}, indent=1))
    else:
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
