"""What was called good in a review becomes labels, and nothing else does."""

from __future__ import annotations

import json

import pytest

from scanseg.errors import ConfigError
from scanseg.report.review import REVIEW_FORMAT
from scanseg.runs.manifest import content_checksum
from scanseg.runs.reviewed import reviewed_labels


@pytest.fixture
def run(tmp_path):
    """A run of three images; the first is good, the second bad, the third good and changed."""
    images = []
    for name, verdict in (("a.tif", "good"), ("b.tif", "bad"), ("c.tif", "good")):
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "atoms.csv").write_text("y_px,x_px\n1,2\n")
        images.append(
            {
                "image": name, "path": str(path), "sha256": content_checksum(path),
                "verdict": verdict,
            }
        )  # fmt: skip
    (tmp_path / "in" / "c.tif").write_bytes(b"another")
    review = {"format": REVIEW_FORMAT, "version": 1, "images": images}
    (tmp_path / "out" / "review.json").write_text(json.dumps(review))
    return tmp_path / "out"


def test_good_results_are_labels(run):
    (files,), (problem,) = reviewed_labels(run)
    assert (files.name, files.kind) == ("a.tif", "points")
    assert files.labels == run / "a.tif" / "atoms.csv"
    assert problem.name == "c.tif"
    assert "changed" in problem.what


def test_a_run_without_a_review_is_refused(run):
    (run / "review.json").unlink()
    with pytest.raises(ConfigError, match=r"review\.json"):
        reviewed_labels(run)
