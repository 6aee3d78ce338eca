"""Results that a person has called good, as labels to train on."""

from __future__ import annotations

from pathlib import Path

from scanseg.errors import ConfigError
from scanseg.report.review import read_review
from scanseg.runs.manifest import content_checksum
from scanseg.train.labelled_files import LabelFiles, LabelKind, Problem

__all__ = ["REVIEW_FILE", "reviewed_labels"]

REVIEW_FILE = "review.json"
# Tables of an image's folder that say what was found.
TABLES: dict[str, LabelKind] = {"atoms.csv": "points", "wall_points.csv": "lines"}


def reviewed_labels(run: Path) -> tuple[tuple[LabelFiles, ...], tuple[Problem, ...]]:
    """Images of a run that were marked good, with what was found in them.

    Parameters
    ----------
    run
        Output folder of ``scanseg predict`` with the ``review.json`` that its report saves.

    Raises
    ------
    ConfigError
        When there is no review, or no image is marked good in it.
    """
    path = run / REVIEW_FILE
    if not path.is_file():
        raise ConfigError(
            f"{run} holds no {REVIEW_FILE}, so no image of it was called good.",
            hint="Mark images in report.html, save the review, and put it into the folder.",
        )
    good = [each for each in read_review(path).images if each.verdict == "good"]
    if not good:
        raise ConfigError(f"No image is marked good in {path}.", hint="Mark some in report.html.")
    pairs, problems = [], []
    for each in good:
        image = Path(each.path)
        table = next((name for name in TABLES if (run / each.image / name).is_file()), None)
        if not image.is_file():
            problems.append(Problem(each.image, "error", f"{image} is gone", "Put it back."))
        elif content_checksum(image) != each.sha256:
            problems.append(
                Problem(
                    each.image, "error", f"{image} has changed since the review",
                    "Predict and review it again.",
                )
            )  # fmt: skip
        elif table is None:
            problems.append(Problem(each.image, "error", "the run has no result of it"))
        else:
            labels = run / each.image / table
            pairs.append(LabelFiles(each.image, image, labels, TABLES[table]))
    return tuple(pairs), tuple(problems)
