"""A study as a page: how it went, what mattered, how the score depends on each setting."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from scanseg.report.plots import PALETTE, Series, draw_bars, draw_plot
from scanseg.report.standalone import facts_list, render_page, table, tiles
from scanseg.tune.space import Range
from scanseg.tune.study import Outcome, values_of

__all__ = ["importances", "render_study"]

PRUNED = "#9aa4b1"
# Curves of more trials than this hide each other.
MAX_CURVES = 60
MAX_ROWS = 500


def render_study(
    outcome: Outcome,
    *,
    title: str,
    measure: str,
    before: Mapping[str, Any],
    facts: Mapping[str, str],
) -> str:
    """The page of a study, complete in itself.

    Parameters
    ----------
    outcome
        What came of it.
    title
        Of the page.
    measure
        What a score is.
    before
        Values by dotted name, as they were.
    facts
        Lines about the study.
    """
    trials = outcome.study.trials
    finished = [each for each in trials if each.state.name == "COMPLETE"]
    pruned = [each for each in trials if each.state.name == "PRUNED"]
    failed = [each for each in trials if each.state.name == "FAIL" and "process" in each.user_attrs]
    searches = facts_list(
        {**facts, "searched": ", ".join(_range(n, v) for n, v in outcome.space.search.items())}
    )
    return render_page(
        title,
        "scanseg tune",
        [
            tiles(
                [
                    (f"{outcome.score:.4f}", f"best {measure}"),
                    (_or_dash(outcome.reference), "with the settings as they were"),
                    (f"{len(finished)}", "trials finished"),
                    (f"{len(pruned)}", "ended early"),
                    (f"{len(failed)}", "failed"),
                ]
            ),
            f"<section><h2>What was searched</h2>{searches}</section>",
            _best(outcome, before),
            _charts("How it went", [_history(finished, pruned, measure), _curves(trials, measure)]),
            _charts(
                "What mattered",
                [_importance(outcome), *_slices(outcome, finished, pruned, measure)],
            ),
            _trials(outcome, trials),
            '<footer class="note"><p>Importance: how much the distribution of a setting among the '
            "best trials differs from that among all (PED-ANOVA, Watanabe et al., IJCAI 2023). "
            "It says little with few trials.</p></footer>",
        ],
    )


def importances(outcome: Outcome) -> dict[str, float]:
    """Share of each setting in the score; empty where too few trials were finished."""
    import optuna

    finished = [each for each in outcome.study.trials if each.state.name == "COMPLETE"]
    if len(finished) < 4 or len({each.value for each in finished}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the method is called experimental
        return dict(
            optuna.importance.get_param_importances(
                outcome.study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
            )
        )


def _best(outcome: Outcome, before: Mapping[str, Any]) -> str:
    if outcome.best is None:
        return "<section><h2>Best settings</h2><p>No trial was finished.</p></section>"
    rows = [
        (name, _shown(before.get(name)), _shown(outcome.best.get(name)))
        for name in outcome.space.search
    ]
    heads = ("setting", "as it was", "best")
    return f"<section><h2>Best settings</h2>{table(heads, rows)}</section>"


def _charts(title: str, charts: Sequence[str]) -> str:
    return f'<section><h2>{title}</h2><div class="charts">{"".join(charts)}</div></section>'


def _history(finished: Sequence[Any], pruned: Sequence[Any], measure: str) -> str:
    numbers: list[int] = []
    best: list[float] = []
    for trial in finished:
        numbers.append(trial.number)
        best.append(max(trial.value, best[-1]) if best else trial.value)
    return draw_plot(
        [
            _last(pruned, [each.number for each in pruned]),
            Series(
                [each.number for each in finished], [each.value for each in finished],
                label="finished", text=[_said(each) for each in finished],
            ),
            Series(numbers, best, "steps", PALETTE[1], label="best so far"),
        ],
        title="History", x_label="trial", y_label=measure,
    )  # fmt: skip


def _last(pruned: Sequence[Any], x: Sequence[float]) -> Series:
    """Trials that were ended, at the last score they had."""
    y = [
        each.intermediate_values[each.last_step] if each.intermediate_values else math.nan
        for each in pruned
    ]
    label = "ended early" if pruned else ""
    return Series(x, y, "rings", PRUNED, label=label, text=[_said(each) for each in pruned])


def _curves(trials: Sequence[Any], measure: str) -> str:
    """Scores at the validations of each trial, where there were any."""
    shown = [each for each in trials if len(each.intermediate_values) > 1][:MAX_CURVES]
    if not shown:
        return ""
    series = []
    for trial in shown:
        steps = sorted(trial.intermediate_values)
        colour = PRUNED if trial.state.name == "PRUNED" else PALETTE[0]
        values = [trial.intermediate_values[step] for step in steps]
        series.append(Series(steps, values, "line", colour))
    return draw_plot(series, title="Validations of each trial", x_label="step", y_label=measure)


def _importance(outcome: Outcome) -> str:
    share = importances(outcome)
    return draw_bars(list(share), list(share.values()), title="Importance of the settings")


def _slices(
    outcome: Outcome, finished: Sequence[Any], pruned: Sequence[Any], measure: str
) -> list[str]:
    charts = []
    for name, allowed in outcome.space.search.items():
        names = [_shown(each) for each in allowed] if isinstance(allowed, list) else []
        known = [each for each in finished if name in each.params]
        ended = [each for each in pruned if name in each.params]
        charts.append(
            draw_plot(
                [
                    _last(ended, _places(ended, name, allowed)),
                    Series(
                        _places(known, name, allowed), [each.value for each in known],
                        text=[_said(each) for each in known],
                    ),
                ],
                title=name, x_label="", y_label=measure, names=names,
                log_x=isinstance(allowed, Range) and allowed.log,
            )
        )  # fmt: skip
    return charts


def _places(trials: Sequence[Any], name: str, allowed: Range | list[Any]) -> list[float]:
    """Values of a setting as numbers; of choices which one it is."""
    if isinstance(allowed, Range):
        return [float(each.params[name]) for each in trials]
    return [float(allowed.index(yaml.safe_load(each.params[name]))) for each in trials]


def _trials(outcome: Outcome, trials: Sequence[Any]) -> str:
    """The trials, the best first."""

    def rank(trial: Any) -> tuple[int, float]:
        return (0, -trial.value) if trial.state.name == "COMPLETE" else (1, trial.number)

    names = list(outcome.space.search)
    rows = []
    for trial in sorted(trials, key=rank)[:MAX_ROWS]:
        values = values_of(trial, outcome.space)
        seconds = trial.duration.total_seconds() if trial.duration else math.nan
        score = trial.value if trial.state.name == "COMPLETE" else None
        rows.append(
            (
                str(trial.number), trial.state.name.lower(), _or_dash(score),
                f"{seconds:.1f}" if math.isfinite(seconds) else "–",
                trial.user_attrs.get("origin", ""),
                *(_shown(values.get(name)) for name in names),
            )
        )  # fmt: skip
    heads = ("trial", "state", "score", "s", "from", *names)
    return f"<section><h2>Trials, the best first</h2>{table(heads, rows)}</section>"


def _said(trial: Any) -> str:
    values = ", ".join(f"{name} {_shown(value)}" for name, value in trial.params.items())
    score = "" if trial.value is None else f" {trial.value:.4f}"
    return f"trial {trial.number}{score}: {values}"


def _range(name: str, allowed: Range | list[Any]) -> str:
    if isinstance(allowed, list):
        return f"{name} of {', '.join(map(_shown, allowed))}"
    return f"{name} {allowed.low:g} to {allowed.high:g}{' (log)' if allowed.log else ''}"


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _or_dash(score: float | None) -> str:
    return "–" if score is None else f"{score:.4f}"
