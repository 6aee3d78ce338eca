"""Dask clusters: one that is there, one of this machine, or one that a batch system starts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveInt

from scanseg.config import Config, read_yaml
from scanseg.errors import ConfigError, MachineError

__all__ = ["ClusterConfig", "open_client"]

# A network uses all cores of a worker, so a few workers fill a machine.
CORES_PER_WORKER = 4
# A nanny starts a worker anew that has died. Dask gives it 15 s for that and else drops both, so on
# a busy machine one after the other is gone for good.
PATIENCE = {"distributed.deploy.lost-worker-timeout": "10 minutes"}


class ClusterConfig(Config):
    """A file for ``--dask``: which cluster to start."""

    class_name: str = Field(alias="class", pattern=r"^\w+(\.\w+)+$")
    """The class of the cluster with its module, such as dask_jobqueue.SLURMCluster."""
    arguments: dict[str, Any] = {}
    """What it is made with; the manual of the class says what it takes."""
    jobs: PositiveInt | None = None
    """How many jobs to ask the batch system for; not all classes have jobs."""


@contextmanager
def open_client(target: str) -> Iterator[Any]:
    """A connection to a cluster; one that was started here ends with it.

    Parameters
    ----------
    target
        The address of a scheduler, the ``.json`` file it has written, ``local`` or ``local:N`` for
        processes of this machine, or a YAML file that says which cluster to start.

    Raises
    ------
    MachineError
        When Dask, the class of the cluster or the scheduler is not there.
    """
    try:
        import dask.config
        import distributed
    except ImportError:
        raise MachineError(
            "--dask needs Dask distributed, which is not installed.",
            hint='Install it with: pip install "scanseg[dask]"',
        ) from None
    with ExitStack() as stack:
        if local := re.fullmatch(r"local(?::([1-9]\d*))?", target):
            stack.enter_context(dask.config.set(PATIENCE))
            n_workers = int(local[1] or 0) or max(1, (os.cpu_count() or 1) // CORES_PER_WORKER)
            scheduler = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=n_workers,
                    threads_per_worker=1,
                    dashboard_address=":0",
                    silence_logs="ERROR",
                )
            )
        elif target.endswith((".yaml", ".yml")):
            scheduler = stack.enter_context(_started(Path(target)))
        else:
            scheduler = target
        try:
            if target.endswith(".json"):
                client = distributed.Client(scheduler_file=target)
            else:
                client = distributed.Client(scheduler)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            raise MachineError(
                f"No Dask scheduler answers at {target} ({error}).",
                hint="Give its address as tcp://HOST:8786, 'local', or a YAML file.",
            ) from error
        yield stack.enter_context(client)


def _started(file: Path) -> Any:
    """Start the cluster that a file describes."""
    config = ClusterConfig.from_settings(read_yaml(file), origin=str(file))
    module, _, name = config.class_name.rpartition(".")
    try:
        start = getattr(import_module(module), name)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise MachineError(
            f"{file} names the cluster {config.class_name}, which cannot be loaded ({error}).",
            hint=f"Install it with: pip install {package}",
        ) from None
    except AttributeError:
        raise ConfigError(
            f"{file}: the module {module} has no class {name}.",
            hint="Write class_name as its documentation has it: dask_jobqueue.SLURMCluster, say.",
        ) from None
    try:
        cluster = start(**config.arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{file}: {config.class_name} does not take these arguments ({error}).",
            hint="Its manual says which it takes.",
        ) from error
    if config.jobs is not None:
        cluster.scale(jobs=config.jobs)
    return cluster
