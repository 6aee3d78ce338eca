"""Searches on functions whose best is known, alone and by two processes at once."""

import subprocess
import sys
import time

import numpy as np
import pytest

from scanseg.errors import ConfigError, ScansegError
from scanseg.tune.journal import open_journal
from scanseg.tune.space import SearchSpace
from scanseg.tune.study import Tuning, run_study

SPACE = SearchSpace.from_settings(
    {"search": {"a.x": {"low": -1.0, "high": 1.0}, "n": {"low": 0, "high": 4}, "kind": ["u", "v"]}}
)
WHOLE = frozenset({"n"})
BEST = {"a.x": 0.3, "n": 2, "kind": "v"}


def peak(values, report=None, number=0):
    """1 at the best values, less elsewhere."""
    return 1 - (values["a.x"] - 0.3) ** 2 - 0.1 * abs(values["n"] - 2) - (values["kind"] == "u")


def _run(folder, objective=peak, *, space=SPACE, identity=None, **options):
    settings = options.pop("settings", None) or Tuning(**options.pop("tuning", {}))
    return run_study(
        objective, space, folder=folder, identity=identity or {"task": "peak"}, whole=WHOLE,
        settings=settings, **options,
    )  # fmt: skip


@pytest.mark.parametrize("search", ["tpe", "gp", "random", "grid"])
def test_every_search_comes_near_the_best(tmp_path, search):
    seen = []

    def counted(values, report, number):
        seen.append(values)
        assert type(values["n"]) is int
        return peak(values)

    outcome = _run(tmp_path, counted, tuning={"search": search, "trials": 25, "random_first": 6})
    # Five values of n, two kinds: at random the chance to miss n = 2 with "v" 25 times is 7 %, and
    # the neighbours of n cost 0.1.
    assert outcome.score > 0.7
    assert outcome.best["kind"] == "v"
    assert len(seen) == (18 if search == "grid" else 25)  # 3 x 3 x 2 points
    if search == "grid":
        assert len({tuple(each.values()) for each in seen}) == 18


def test_bayesian_searches_beat_random_ones(tmp_path):
    def smooth(values, report, number):
        return -sum((value - 0.3) ** 2 for value in values.values())

    space = SearchSpace.from_settings(
        {"search": {f"x{n}": {"low": -1.0, "high": 1.0} for n in range(3)}}
    )
    scores = {
        search: _run(
            tmp_path / search, smooth, space=space, tuning={"search": search, "trials": 30}
        ).score
        for search in ("random", "gp")
    }
    # Of 30 random points the nearest is 0.3 away on average; a Gaussian process ends on the top.
    assert scores["gp"] > -0.01 > scores["random"]


def test_one_seed_gives_the_same_trials_again(tmp_path):
    values = []
    for name in "ab":
        outcome = _run(tmp_path / name, tuning={"trials": 12, "random_first": 4})
        values.append([trial.params for trial in outcome.study.trials])
    assert values[0] == values[1]


def test_a_study_goes_on_where_it_was(tmp_path):
    calls = []

    def counted(values, report, number):
        calls.append(number)
        return peak(values)

    _run(tmp_path, counted, tuning={"trials": 4})
    _run(tmp_path, counted, tuning={"trials": 7})
    _run(tmp_path, counted, tuning={"trials": 7})
    assert calls == list(range(7))


def test_a_study_of_something_else_is_refused(tmp_path):
    _run(tmp_path, tuning={"trials": 1})
    with pytest.raises(ConfigError, match="something else"):
        _run(tmp_path, identity={"task": "other"})


def test_known_settings_come_first(tmp_path):
    space = SPACE.model_copy(update={"known_good": ({"a.x": 0.2, "n": 1},)})
    earlier = _run(tmp_path / "earlier", tuning={"trials": 5})
    outcome = _run(
        tmp_path / "new", space=space, tuning={"trials": 6}, start=BEST | {"a.x": -0.5},
        earlier=[tmp_path / "earlier"],
    )  # fmt: skip
    first, second, third = outcome.study.trials[:3]
    assert first.params == {"a.x": -0.5, "n": 2, "kind": "v"}
    assert outcome.reference == pytest.approx(peak(first.params))
    assert (second.params["a.x"], second.params["n"]) == (0.2, 1)
    assert third.params == {**earlier.best}
    assert outcome.score >= earlier.score
    with pytest.raises(ConfigError, match="holds no study"):
        _run(tmp_path / "newer", earlier=[tmp_path / "nothing"])


def test_hopeless_trials_end_early(tmp_path):
    steps = []

    def learning(values, report, number):
        # The first trials are good, all later ones bad from the start.
        level = 1.0 if number < 5 else 0.1
        for step in range(1, 11):
            steps.append(number)
            report(step, level * step / 10)
        return level

    outcome = _run(tmp_path, learning, tuning={"trials": 8})
    assert [steps.count(number) for number in range(8)] == [10] * 5 + [1] * 3
    assert [trial.state.name for trial in outcome.study.trials[5:]] == ["PRUNED"] * 3
    assert outcome.score == 1
    steps.clear()
    _run(tmp_path / "all", learning, tuning={"trials": 6, "prune": False})
    assert steps.count(5) == 10


def test_time_ends_a_search_and_the_trial_in_hand(tmp_path):
    def slow(values, report, number):
        for step in range(100):
            time.sleep(0.02)
            report(step, 0.5)
        return 0.5

    began = time.monotonic()
    outcome = _run(tmp_path, slow, budget_s=0.3)
    assert time.monotonic() - began < 10  # a trial takes 2 s, thirty 60 s
    assert [trial.user_attrs["ended"] for trial in outcome.study.trials] == ["by the budget"]
    assert outcome.best is None


def test_a_trial_that_fails_costs_no_other(tmp_path):
    def sometimes(values, report, number):
        if number == 1:
            raise ScansegError("It diverged.")
        return peak(values)

    outcome = _run(tmp_path, sometimes, tuning={"trials": 4})
    assert [trial.state.name for trial in outcome.study.trials] == [
        "COMPLETE", "FAIL", "COMPLETE", "COMPLETE", "COMPLETE",
    ]  # fmt: skip


# A process of its own, as the command line is one; tests are no package that it could import.
PROCESS = """
import os, sys, time
from pathlib import Path
from scanseg.tune.space import SearchSpace
from scanseg.tune.study import Tuning, run_study

def peak(values, report, number):
    if sys.argv[2] == "dies":
        os._exit(9)
    time.sleep(0.05)
    return 1 - (values["a.x"] - 0.3) ** 2 - 0.1 * abs(values["n"] - 2) - (values["kind"] == "u")

space = SearchSpace.from_settings({"search": {
    "a.x": {"low": -1.0, "high": 1.0}, "n": {"low": 0, "high": 4}, "kind": ["u", "v"]}})
run_study(peak, space, folder=Path(sys.argv[1]), identity={"task": "peak"},
          settings=Tuning(trials=20), whole=frozenset({"n"}))
"""


def _process(folder, fate):
    return subprocess.Popen([sys.executable, "-c", PROCESS, str(folder), fate])


def test_two_processes_share_a_study(tmp_path):
    workers = [_process(tmp_path, "lives") for _ in range(2)]
    assert [each.wait(120) for each in workers] == [0, 0]
    outcome = _run(tmp_path, tuning={"trials": 20})
    counted = [trial for trial in outcome.study.trials if trial.state.name == "COMPLETE"]
    # Neither more nor fewer, nobody idle, and nothing tried twice.
    assert len(counted) == 20
    shares = np.unique([trial.user_attrs["process"] for trial in counted], return_counts=True)[1]
    assert len(shares) == 2
    assert shares.min() >= 3
    assert len({trial.params["a.x"] for trial in counted}) == 20


def test_the_trial_of_a_process_that_died_is_taken_by_others(tmp_path):
    assert _process(tmp_path, "dies").wait(120) == 9
    import optuna

    study = optuna.load_study(storage=open_journal(tmp_path), study_name="scanseg")
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]
    outcome = _run(tmp_path, tuning={"trials": 3})
    assert [trial.state.name for trial in outcome.study.trials] == ["FAIL"] + ["COMPLETE"] * 3
