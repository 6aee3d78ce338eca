"""``scanseg train --preview``: a sheet of what would be trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from scanseg.errors import ConfigError

__all__ = ["draw_preview"]


def draw_preview(
    source: Path,
    sheet: Path,
    *,
    start_from: str | None,
    recipe_file: Path | None,
    reviewed: bool,
    overrides: Sequence[str],
) -> None:
    """Draw patches of a recipe, or crops of labelled images; options as in ``scanseg train``."""
    if sheet.suffix.lower() != ".png":
        raise ConfigError(f"{sheet} is no PNG file.", hint="Give a name that ends in .png.")
    from scanseg.train.preview import preview_labelled, preview_recipe

    if not source.is_dir():
        preview_recipe(source, sheet, overrides=tuple(overrides))
    else:
        from scanseg.bundle import load_model
        from scanseg.cli.retrain import checked_labels
        from scanseg.train.retrain import recipe_of_model

        if start_from is None:
            raise ConfigError(
                "Labelled images are shown as a model would see them, and none was given.",
                hint="Add --from stem-atoms, --from pfm-walls, or the folder of a model.",
            )
        base = load_model(start_from)
        data = checked_labels(source, base.contract, reviewed=reviewed)
        if not data.images:
            raise ConfigError(
                f"{source} holds no labelled image that can be used.",
                hint="scanseg check --labels lists what is wrong.",
            )
        recipe, _ = recipe_of_model(base, recipe_file)
        preview_labelled(data.images, base, recipe, sheet)
    typer.echo(f"{sheet} shows patches and their labels; grey labels are not trained on.")
