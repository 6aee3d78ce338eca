"""The page of a study: complete in itself, and with what was found."""

import csv
import re

import pytest
import yaml

from scanseg.tune.page import importances
from scanseg.tune.results import write_results
from scanseg.tune.space import SearchSpace, nested
from scanseg.tune.study import Tuning, run_study

SPACE = SearchSpace.from_settings(
    {
        "search": {
            "strong": {"low": 1e-3, "high": 1.0, "log": True},
            "weak": {"low": 0.0, "high": 1.0},
            "kind": [[8, 8], [16]],
        }
    }
)


def _objective(values, report, number):
    score = values["strong"] + 1e-3 * values["weak"]
    for step in (1, 2, 3):
        report(step, score * step / 3)
    return score


def test_everything_is_written_and_nothing_comes_from_elsewhere(tmp_path):
    outcome = run_study(
        _objective, SPACE, folder=tmp_path, identity={}, settings=Tuning(trials=25),
        start={"strong": 0.1, "weak": 0.5, "kind": [16]},
    )  # fmt: skip
    write_results(
        outcome, tmp_path, title="Search <x>", measure="F1", best=nested({}, outcome.best),
        before={"strong": 0.1, "weak": 0.5, "kind": [16]}, facts={"recipe": "x.yaml"},
    )  # fmt: skip
    page = (tmp_path / "study.html").read_text()
    assert "Search &lt;x&gt;" in page
    assert not re.search(r"https?://|src=|@import", page)
    for heading in ("Best settings", "History", "Validations of each trial", "Importance"):
        assert heading in page
    assert page.count("<figure") == 3 + len(SPACE.search)
    best = yaml.safe_load((tmp_path / "best.yaml").read_text())
    assert best["strong"] == outcome.best["strong"]
    assert best["kind"] in ([8, 8], [16])
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 25
    assert rows[0]["origin"] == "as it was"
    assert {row["state"] for row in rows} == {"complete", "pruned"}
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_study_without_a_finished_trial_has_a_page(tmp_path):
    outcome = run_study(
        _objective, SPACE, folder=tmp_path, identity={}, settings=Tuning(trials=3), budget_s=1e-9
    )
    write_results(
        outcome, tmp_path, title="Nothing", measure="F1", best=None, before={}, facts={}
    )  # fmt: skip
    assert "No trial was finished" in (tmp_path / "study.html").read_text()
    assert not (tmp_path / "best.yaml").exists()


def test_what_moves_the_score_is_important(tmp_path):
    settings = Tuning(trials=60, search="random", prune=False)
    outcome = run_study(_objective, SPACE, folder=tmp_path, identity={}, settings=settings)
    share = importances(outcome)
    assert sum(share.values()) == pytest.approx(1)
    # The score hardly depends on the other two; what they have is chance.
    assert share["strong"] > 0.5
