"""report.html: there after a run, made anew when something has changed and only then."""

from __future__ import annotations

import pytest

from scanseg.runs import publish as publish_module
from scanseg.runs.folder import RunFolder
from scanseg.runs.publish import publish
from scanseg.runs.summary import write_summary


def test_a_run_leaves_a_report_of_all_its_images(bench, tools):
    tools.write_tiff(bench.images / "sub" / "a.tif", tools.spots())
    (bench.images / "b.tif").write_bytes(b"")
    bench.run()
    page = (bench.output / "report.html").read_text(encoding="utf-8")
    assert 'data-image="sub/a.tif"' in page
    assert "sub/a.tif/overlay.png" in page
    assert str(bench.images / "b.tif") in page
    assert "#ffb000" in page  # the colour of the class
    assert len(page) < 200_000


def test_it_follows_what_is_there(bench, tools):
    for name in ("a.tif", "b.tif"):
        tools.write_tiff(bench.images / name, tools.spots())
    bench.run()
    report = bench.output / "report.html"
    before = report.stat().st_mtime_ns
    bench.run()
    assert report.stat().st_mtime_ns == before
    tools.write_tiff(bench.images / "a.tif", tools.spots(offset=3))
    bench.run()
    assert report.stat().st_mtime_ns > before
    report.unlink()
    bench.run()
    assert report.exists()


def test_a_movie_whose_first_frame_failed_shows_another(bench, tools):
    import numpy as np

    movie = np.stack([np.full((40, 60), 7, np.uint16)] + [tools.spots()] * 4)
    tools.write_tiff(bench.images / "movie.tif", movie)
    bench.run()
    page = (bench.output / "report.html").read_text(encoding="utf-8")
    assert "1 of 5 frames have no result" in page
    assert "overlay_2.png" in page


def test_a_report_that_cannot_be_made_costs_no_results(bench, tools, monkeypatch, caplog):
    def stumble(folder):
        raise RuntimeError("we did not think of this")

    tools.write_tiff(bench.images / "a.tif", tools.spots())
    monkeypatch.setattr(publish_module, "publish", stumble)
    assert bench.run().n_done == 1
    assert "scanseg report" in caplog.text
    monkeypatch.undo()
    with RunFolder(bench.output) as folder:
        assert publish(folder).is_file()


def test_failures_stay_where_the_inputs_are_out_of_reach(bench, tools):
    (bench.images / "broken.tif").write_bytes(b"")
    bench.run()
    bench.images.rename(bench.images.with_name("elsewhere"))
    with RunFolder(bench.output) as folder:
        write_summary(folder)
    assert len(bench.table("failures.csv")) == 1
    bench.images.mkdir()  # the folder is there, the file has been removed
    with RunFolder(bench.output) as folder:
        write_summary(folder)
    assert bench.table("failures.csv").empty


@pytest.mark.parametrize("n_images", [0, 3])
def test_the_command_makes_tables_and_report_anew(bench, tools, n_images):
    for index in range(n_images):
        tools.write_tiff(bench.images / f"{index}.tif", tools.spots())
    (bench.images / "broken.tif").write_bytes(b"")
    bench.run()
    before = bench.files()
    for name in ("atoms.csv", "images.csv", "failures.csv", "report.html"):
        (bench.output / name).unlink()
    from typer.testing import CliRunner

    from scanseg.cli.report import app

    result = CliRunner().invoke(app, [str(bench.output)])
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(bench.output / "report.html")
    assert bench.files() == before
