"""The journal of a study, and the processes that share it."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from scanseg.errors import MachineError

__all__ = ["JOURNAL", "end_abandoned", "need_optuna", "open_journal", "process_name"]

JOURNAL = "study.journal"


def open_journal(path: Path) -> Any:
    """Storage of a study in a file that several processes may write to.

    Parameters
    ----------
    path
        The file, or the folder of a study.
    """
    optuna = need_optuna()
    journal = path / JOURNAL if path.is_dir() else path
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))


def need_optuna() -> Any:
    """The library that searches.

    Raises
    ------
    MachineError
        Where it is not installed.
    """
    if find_spec("optuna") is None:
        raise MachineError(
            "Optuna, which searches, is not installed.", hint="pip install 'scanseg[tune]'"
        )
    import optuna

    return optuna


def end_abandoned(optuna: Any, study: Any) -> None:
    """Trials whose process on this machine is gone count as failed, so that others take them."""
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        process = trial.user_attrs.get("process")
        if process and _is_gone(process):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def process_name() -> str:
    """A name of the process like that of no other on any machine that shares the folder."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.2f}"


def _is_gone(process: str) -> bool:
    host, pid, created = process.rsplit(" ", 2)
    if host != socket.gethostname():
        return False
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > 1
    except psutil.NoSuchProcess:
        return True
