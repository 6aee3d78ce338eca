"""What a study leaves behind: the best settings, a table of trials, a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scanseg.tune.page import render_study
from scanseg.tune.study import Outcome, values_of

__all__ = ["trials_table", "write_results"]


def write_results(
    outcome: Outcome,
    folder: Path,
    *,
    title: str,
    measure: str,
    best: Mapping[str, Any] | None,
    before: Mapping[str, Any],
    facts: Mapping[str, str],
) -> None:
    """Write ``trials.csv``, ``study.html`` and ``best.yaml``; processes that share it overwrite.

    Parameters
    ----------
    outcome
        What came of the study.
    folder
        Where.
    title, measure
        Of the page, and what a score is.
    best
        Settings as a nested mapping; None where no trial was finished.
    before
        Values by dotted name, as they were.
    facts
        Lines about the study.
    """
    rows = trials_table(outcome)
    _write(folder / "trials.csv", rows.to_csv(index=False))
    page = render_study(outcome, title=title, measure=measure, before=before, facts=facts)
    _write(folder / "study.html", page)
    if best is not None:
        head = f"# {title}: the best of {len(rows)} trials, {measure} {outcome.score:.4f}.\n"
        text = yaml.safe_dump(dict(best), sort_keys=False, allow_unicode=True)
        _write(folder / "best.yaml", head + text)


def trials_table(outcome: Outcome) -> Any:
    """One row a trial: number, state, score, seconds, origin, and its values."""
    import pandas as pd

    rows = []
    for trial in outcome.study.trials:
        seconds = trial.duration.total_seconds() if trial.duration else None
        last = trial.intermediate_values[trial.last_step] if trial.intermediate_values else None
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state.name.lower(),
                "score": trial.value if trial.state.name == "COMPLETE" else last,
                "seconds": None if seconds is None else round(seconds, 2),
                "origin": trial.user_attrs.get("origin", ""),
                "ended": trial.user_attrs.get("ended", ""),
                **values_of(trial, outcome.space),
            }
        )
    return pd.DataFrame(rows)


def _write(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
