"""A study: trials chosen by a search, pruned when hopeless, in a journal that processes share."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import NonNegativeInt, PositiveInt

from scanseg.config import Config
from scanseg.errors import ConfigError, ScansegError
from scanseg.tune.journal import (
    JOURNAL,
    end_abandoned,
    need_optuna,
    open_journal,
    process_name,
)
from scanseg.tune.space import SearchSpace, Values, n_combinations

__all__ = ["Objective", "Outcome", "Report", "Tuning", "outcome_of", "run_study", "values_of"]

log = logging.getLogger(__name__)

STUDY = "scanseg"
# Of an earlier study, so many of the best are tried again first.
BEST_OF_EARLIER = 3
# A trial is compared with others only when there are so many of them.
TRIALS_BEFORE_PRUNING = 5

Search = Literal["tpe", "gp", "random", "grid"]
Report = Callable[[int, float], None]
"""Told the step and score of each validation; raises where the trial is to end."""


class Tuning(Config):
    """How a search goes on."""

    search: Search = "tpe"
    """Which values are tried next: ``tpe`` and ``gp`` learn from the trials so far, ``random`` and
    ``grid`` do not."""
    trials: PositiveInt = 30
    """Trials of the study, all processes together."""
    random_first: NonNegativeInt = 8
    """Trials that ``tpe`` and ``gp`` draw at random before they learn from them."""
    prune: bool = True
    """End a trial whose score is below the median of the others at the same step."""
    seed: NonNegativeInt = 1
    """Seed of the search; one process alone tries the same values again."""


class Objective(Protocol):
    """What is searched the best settings for."""

    def __call__(self, values: Values, report: Report, number: int) -> float:
        """Score of some values, higher is better.

        Parameters
        ----------
        values
            By dotted name.
        report
            To be told of validations on the way.
        number
            Of the trial.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a study.

    Parameters
    ----------
    study
        The ``optuna.Study``, with all trials of all processes.
    space
        What was searched.
    best
        Values of the best trial by dotted name; None without a finished trial.
    score
        Its score.
    reference
        Score of the settings as they were, the first trial; None where they were not tried.
    """

    study: Any
    space: SearchSpace
    best: Mapping[str, Any] | None
    score: float
    reference: float | None


class _Ended(ScansegError):
    """A trial that is not wanted any more."""


def run_study(
    objective: Objective,
    space: SearchSpace,
    *,
    folder: Path,
    identity: Mapping[str, Any],
    settings: Tuning | None = None,
    whole: frozenset[str] = frozenset(),
    start: Values | None = None,
    earlier: Sequence[Path] = (),
    budget_s: float | None = None,
    say: Callable[[str], None] = log.info,
) -> Outcome:
    """Search; called again, or by several processes at once, it goes on with the same study.

    Parameters
    ----------
    objective
        Scores values.
    space
        Which values.
    folder
        Gets ``study.journal``.
    identity
        What the scores depend on beside the values; a study of something else is refused.
    settings
        How.
    whole
        Names of settings that are whole numbers.
    start
        The settings as they are, tried first.
    earlier
        Folders of earlier studies, whose best are tried next.
    budget_s
        Seconds that this process may take.
    say
        Is told what happens, a sentence at a time.

    Raises
    ------
    MachineError
        Without Optuna.
    ConfigError
        When the folder holds a study of something else.
    """
    optuna = need_optuna()
    settings = settings or Tuning()
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with _quiet(optuna):
        study = _join(optuna, folder, _fingerprint(identity, space), space, settings, whole)
        if study.user_attrs.get("owner") == process_name() and settings.search != "grid":
            _warm_start(study, space, start, earlier, say)
        end_abandoned(optuna, study)
        wanted = settings.trials
        if settings.search == "grid":
            wanted = min(wanted, n_combinations(space.grid(whole=whole)))

        def deadline_passed() -> bool:
            return budget_s is not None and time.monotonic() - started >= budget_s

        def one(trial: Any) -> float:
            if _rank(optuna, study, trial.number) >= wanted:
                study.stop()
                raise _Ended("All trials are taken.")
            trial.set_user_attr("process", process_name())
            values = space.suggest(trial, whole=whole)
            score = objective(
                values, _reporter(optuna, trial, settings, deadline_passed), trial.number
            )
            say(f"trial {trial.number}: {score:.4f}  {_listed(values)}")
            return score

        if _n_taken(optuna, study) < wanted:
            study.optimize(
                one,
                n_trials=None,
                timeout=budget_s,
                catch=(ScansegError,),
                callbacks=[
                    _stop_when(lambda: deadline_passed() or _n_taken(optuna, study) >= wanted)
                ],
            )
    return outcome_of(study, space)


def outcome_of(study: Any, space: SearchSpace) -> Outcome:
    """Best values of a study, in the types of the space."""
    finished = [each for each in study.trials if each.state.name == "COMPLETE"]
    if not finished:
        return Outcome(study, space, None, float("nan"), None)
    best = max(finished, key=lambda trial: (trial.value, -trial.number))
    asis = [each.value for each in finished if each.user_attrs.get("origin") == "as it was"]
    return Outcome(
        study, space, values_of(best, space), float(best.value), asis[0] if asis else None
    )


def values_of(trial: Any, space: SearchSpace) -> dict[str, Any]:
    """Values of a trial by dotted name, texts of choices read back."""
    import yaml

    return {
        name: yaml.safe_load(value) if isinstance(space.search.get(name), list) else value
        for name, value in trial.params.items()
    }


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keep Optuna's own log from the screen, and its warnings of what is new in it."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _join(
    optuna: Any, folder: Path, fingerprint: str, space: SearchSpace, settings: Tuning,
    whole: frozenset[str],
) -> Any:  # fmt: skip
    """The study of a folder: begun by the first process, joined by others."""
    storage = open_journal(folder / JOURNAL)
    pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=TRIALS_BEFORE_PRUNING)
        if settings.prune
        else optuna.pruners.NopPruner()
    )
    try:
        study = optuna.create_study(
            storage=storage, study_name=STUDY, direction="maximize", pruner=pruner
        )
        study.set_user_attr("fingerprint", fingerprint)
        study.set_user_attr("owner", process_name())
        seed = settings.seed
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=STUDY, pruner=pruner)
        known = _fingerprint_of(study)
        if known != fingerprint:
            raise ConfigError(
                f"{folder} holds a study of something else: another recipe, other data or another "
                "search space.",
                hint="Choose another folder; the earlier study can be built on with --like.",
            ) from None
        # The seed of the first process would give another one the same values.
        seed = hash((settings.seed, len(study.trials), os.getpid())) % 2**32
    study.sampler = _sampler(optuna, space, settings, whole, seed)
    return study


def _fingerprint_of(study: Any) -> str:
    """What the first process wrote; it may be about to."""
    for _ in range(50):
        known = study.user_attrs.get("fingerprint")
        if known is not None:
            return str(known)
        time.sleep(0.1)
    return ""


def _sampler(
    optuna: Any, space: SearchSpace, settings: Tuning, whole: frozenset[str], seed: int
) -> Any:
    if settings.search == "grid":
        return optuna.samplers.GridSampler(space.grid(whole=whole), seed=seed)
    if settings.search == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if settings.search == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=settings.random_first)
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=settings.random_first, multivariate=True,
        constant_liar=True,  # other processes are trying something just now
    )  # fmt: skip


def _warm_start(
    study: Any, space: SearchSpace, start: Values | None, earlier: Sequence[Path],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Queue what is known to do well."""
    queue = [("as it was", start)] if start else []
    queue += [("known good", each) for each in space.known_good]
    for path in earlier:
        queue += [(f"earlier study {path.name}", each) for each in _best_of(path, space)]
    queued: list[dict[str, Any]] = []
    for origin, values in queue:
        parameters = space.as_parameters(values)
        # What was there before must be tried as it was, or its score is not that of the start.
        partial = origin == "as it was" and set(parameters) != set(space.search)
        if parameters and parameters not in queued and not partial:
            study.enqueue_trial(parameters, user_attrs={"origin": origin})
            queued.append(parameters)
    if queued:
        say(f"{len(queued)} settings that are known are tried first.")


def _best_of(path: Path, space: SearchSpace) -> list[dict[str, Any]]:
    import optuna

    if not (path / JOURNAL if path.is_dir() else path).is_file():
        raise ConfigError(f"{path} holds no study.", hint="Give the folder of 'scanseg tune'.")
    study = optuna.load_study(storage=open_journal(path), study_name=STUDY)
    finished = [each for each in study.trials if each.state.name == "COMPLETE"]
    best = sorted(finished, key=lambda trial: -trial.value)[:BEST_OF_EARLIER]
    return [values_of(trial, space) for trial in best]


def _reporter(
    optuna: Any, trial: Any, settings: Tuning, deadline_passed: Callable[[], bool]
) -> Report:
    def report(step: int, score: float) -> None:
        trial.report(score, step)
        if deadline_passed():
            trial.set_user_attr("ended", "by the budget")
            raise optuna.TrialPruned
        if settings.prune and trial.should_prune():
            trial.set_user_attr("ended", "as hopeless")
            raise optuna.TrialPruned

    return report


def _stop_when(done: Callable[[], bool]) -> Callable[[Any, Any], None]:
    def callback(study: Any, trial: Any) -> None:
        if done():
            study.stop()

    return callback


def _taken(optuna: Any, study: Any) -> list[Any]:
    """Trials that count: all that did not fail and are not merely queued."""
    states = optuna.trial.TrialState
    return [
        each for each in study.get_trials(deepcopy=False)
        if each.state not in (states.FAIL, states.WAITING)
    ]  # fmt: skip


def _n_taken(optuna: Any, study: Any) -> int:
    return len(_taken(optuna, study))


def _rank(optuna: Any, study: Any, number: int) -> int:
    """How many trials that count began before this one."""
    return sum(each.number < number for each in _taken(optuna, study))


def _fingerprint(identity: Mapping[str, Any], space: SearchSpace) -> str:
    content = {"identity": identity, "search": space.model_dump(mode="json")["search"]}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _listed(values: Values) -> str:
    return ", ".join(
        f"{name.rsplit('.', 1)[-1]} {value:.4g}" if isinstance(value, float)
        else f"{name.rsplit('.', 1)[-1]} {value}"
        for name, value in values.items()
    )  # fmt: skip
