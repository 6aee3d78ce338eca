"""The log of a training, kept whole over interruptions."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["keep_metrics"]


def keep_metrics(output: Path, *, before_step: int | None = None) -> list[dict[str, str]]:
    """Move Lightning's log to ``metrics.csv``, beside what earlier parts of the training logged.

    Lightning deletes the log it finds when it starts, and with it the curves until an interruption.

    Parameters
    ----------
    output
        Folder of the run.
    before_step
        Drops rows from this step on: they will be trained, and logged, again.

    Returns
    -------
    rows
        What is in ``metrics.csv`` now, the text of each column by its name.
    """
    kept, log_file = output / "metrics.csv", output / "logs" / "metrics.csv"
    rows: list[dict[str, str]] = []
    for path in (kept, log_file):
        if path.exists():
            with path.open(newline="") as lines:
                rows += csv.DictReader(lines)
    if before_step is not None:
        rows = [row for row in rows if float(row["step"]) < before_step]
    with kept.open("w", newline="") as lines:
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(lines, list(names), restval="")
        writer.writeheader()
        writer.writerows(rows)
    log_file.unlink(missing_ok=True)
    return rows
