"""Runs on a Dask cluster of two processes, of which one may die."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scanseg.errors import ConfigError, MachineError
from scanseg.runs.clusters import open_client
from scanseg.runs.distribute import distribute
from scanseg.runs.folder import RunFolder
from scanseg.runs.plan import find_inputs
from scanseg.runs.settings import RunSettings

distributed = pytest.importorskip("distributed")

# Tests are no package, so workers get the stand-in for a model from a file of its own.
STAND_IN = """
import importlib.util, os, signal, sys
from pathlib import Path

def _helpers():
    spec = importlib.util.spec_from_file_location("stand_in_helpers", {conftest!r})
    module = sys.modules["stand_in_helpers"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

def well(model, settings):
    return _helpers().SpotFinder()

def dies_once(model, settings):
    return _helpers().SpotFinder(before=_die_once)

def dies_always(model, settings):
    return _helpers().SpotFinder(before=_die_always)

def another(model, settings):
    return _helpers().SpotFinder(checksum="model-2")

def _die_once(image):
    mark = Path({mark!r})
    if image.source.endswith("img_07.tif") and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)

def _die_always(image):
    if image.source.endswith("img_07.tif"):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stand-in")
    conftest = str(Path(__file__).with_name("conftest.py"))
    text = STAND_IN.format(conftest=conftest, mark=str(folder / "mark"))
    (folder / "scanseg_stand_in.py").write_text(text)
    sys.path.insert(0, str(folder))  # spawned workers get the path of their parent
    import scanseg_stand_in

    yield scanseg_stand_in
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def client(stand_in):
    """Two processes; starting them takes longer than everything they do here."""
    with open_client("local:2") as client:
        yield client


@pytest.fixture
def full(bench, tools):
    for number in range(12):
        tools.write_tiff(bench.images / f"img_{number:02}.tif", tools.spots((40, 60 + 2 * number)))
    (bench.images / "broken.tif").write_bytes(b"II*\0")
    return bench


def _run(bench, tools, client, open_model, **options):
    processor = tools.SpotFinder()
    with RunFolder(bench.output) as folder:
        plan = find_inputs([bench.images], output=folder.path, taken=folder.manifest.path_of)
        return distribute(
            client,
            plan,
            folder,
            processor,
            model=None,
            settings=RunSettings(),
            open_model=open_model,
            **options,
        )


def _compare_with_a_single_run(bench, tmp_path):
    parted, tables = bench.files(), ("atoms.csv", "failures.csv")
    bench.output = tmp_path / "single"
    bench.run()
    single = bench.files()
    assert parted.keys() == single.keys()
    for name in single.keys() - {"report.html", "images.csv"}:  # these two hold times
        assert parted[name] == single[name], name
    assert all(name in single for name in tables)


def test_a_lost_worker_loses_no_image(full, tools, client, stand_in, tmp_path):
    events = []
    result = _run(full, tools, client, stand_in.dies_once, observe=events.append)
    assert Path(stand_in.__file__).with_name("mark").exists()  # a worker has died indeed
    assert (result.n_done + result.n_kept, result.n_failed) == (12, 1)
    assert result.found["atoms"].n_images == 12
    assert sorted(each["image"] for each in events if each["status"] != "failed") == sorted(
        f"img_{number:02}.tif" for number in range(12)
    )
    record = json.loads((full.output / "run.json").read_text())
    assert len(record["inputs"]) == 13
    assert record["finished"]
    assert not list(full.output.glob("*-of-*"))
    assert not list(full.output.glob(".scanseg*"))
    _compare_with_a_single_run(full, tmp_path)


def test_what_is_there_is_kept(full, tools, client, stand_in):
    full.run()
    before = full.files()
    result = _run(full, tools, client, stand_in.well)
    assert (result.n_done, result.n_kept, result.n_failed) == (0, 12, 1)
    after = full.files()
    assert {name for name in before if before[name] != after[name]} <= {"report.html"}


def test_an_image_that_kills_its_workers_is_a_failure(full, tools, client, stand_in):
    scheduler = client.cluster.scheduler
    before, scheduler.allowed_failures = scheduler.allowed_failures, 0
    try:
        result = _run(full, tools, client, stand_in.dies_always)
    finally:
        scheduler.allowed_failures = before
    failures = full.table("failures.csv")
    lost = failures[failures["error"] == "KilledWorker"]["path"].tolist()
    assert str(full.images / "img_07.tif") in lost
    # At most the neighbours in its part and in the part of the other worker go with it.
    assert result.n_failed == len(failures)
    assert result.found["atoms"].n_images == 13 - len(failures)
    assert not result.interrupted
    # And without that fault the next run completes the folder.
    again = full.run(retry_failed=True)
    assert (again.n_done + again.n_kept, again.n_failed) == (12, 1)


def test_another_model_or_folder_is_refused(full, tools, client, stand_in):
    with pytest.raises(MachineError, match="another model"):
        _run(full, tools, client, stand_in.another)


class Waiting:
    """A task that never ends."""

    def done(self):
        return False


class Gone:
    """A client of a cluster that had workers, and has none any more."""

    def __init__(self):
        self.looks = 0
        self.asked_for = []
        self.cluster = SimpleNamespace(plan={0, 1, 2}, scale=self.asked_for.append)

    def scheduler_info(self):
        self.looks += 1
        return {"workers": {"a": 1, "b": 2} if self.looks < 3 else {}}

    def submit(self, *arguments, **options):
        return Waiting()


def test_a_cluster_without_workers_is_not_waited_for_for_ever(bench, tools, monkeypatch):
    monkeypatch.setattr("scanseg.runs.distribute.LOOK_S", 0.01)
    monkeypatch.setattr("scanseg.runs.distribute.ALONE_S", 0.2)
    monkeypatch.setattr("scanseg.runs.distribute.POLL_S", 0.01)
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    gone = Gone()
    with pytest.raises(MachineError, match="All 2 workers"):
        _run(bench, tools, gone, None)
    # New ones were asked for first, as many as the cluster was to have.
    assert set(gone.asked_for) == {3}
    # Workers that still run see that they are to stop; the next run begins without that sign.
    assert list(bench.output.glob(".scanseg-stop-*"))
    assert bench.run().n_done == 1


def test_stopping_leaves_a_state_that_goes_on(full, tools, client, stand_in):
    stop = threading.Event()
    stop.set()
    result = _run(full, tools, client, stand_in.well, stop=stop)
    assert result.interrupted
    assert not list(full.output.glob(".scanseg*"))
    again = _run(full, tools, client, stand_in.well)
    assert (again.n_done + again.n_kept, again.n_failed) == (12, 1)


def test_too_many_failures_end_it(full, tools, client, stand_in):
    for number in range(4):
        (full.images / f"worse_{number}.tif").write_bytes(b"II*\0" + bytes([number]))
    result = _run(full, tools, client, stand_in.well, max_failures=0)
    assert result.gave_up
    assert not result.interrupted
    assert np.isin(result.n_failed, range(1, 6))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its own pipes
def test_a_file_starts_the_jobs_of_a_batch_system(tmp_path):
    pytest.importorskip("dask_jobqueue")
    # Its class for jobs that are processes of this machine: the same script, without a queue.
    (tmp_path / "cluster.yaml").write_text(
        "class: dask_jobqueue.local.LocalCluster\n"
        f"arguments: {{cores: 1, processes: 1, memory: 1GB, local_directory: {tmp_path}}}\n"
        "jobs: 1\n"
    )
    with open_client(str(tmp_path / "cluster.yaml")) as client:
        assert client.submit(divmod, 7, 2).result(timeout=120) == (3, 1)


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("class: no_such_package.Cluster", MachineError, "pip install no-such-package"),
        ("class: collections.NoSuchCluster", ConfigError, "has no class NoSuchCluster"),
        ("class: LocalCluster", ConfigError, "class"),
        ("class: datetime.date\narguments: {year: many}", ConfigError, "arguments"),
        ("clas: a.B", ConfigError, "clas"),
    ],
)
def test_a_cluster_that_cannot_be_started_is_explained(tmp_path, text, error, match):
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(error, match=match), open_client(str(tmp_path / "cluster.yaml")):
        pass


def test_a_cluster_from_a_file(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "class: distributed.LocalCluster\n"
        'arguments: {n_workers: 1, processes: false, dashboard_address: ":0"}\n'
    )
    with open_client(str(file)) as client:
        assert client.submit(sum, [1, 2]).result() == 3


def test_a_scheduler_that_is_not_there():
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(MachineError, match="No Dask scheduler"),
        open_client("tcp://127.0.0.1:9"),
    ):
        pass
