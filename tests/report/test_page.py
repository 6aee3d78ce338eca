"""The report of a run: numbers that are known, one file, nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from scanseg.errors import ConfigError
from scanseg.report import ATOM_TABLES, read_review, render_report
from scanseg.report.atoms.digest import digest_atoms
from scanseg.report.thumbnails import Thumbnails, ThumbnailSize, thumbnail_sizes

ATOM_COLUMNS = ("image", "frame", *ATOM_TABLES["atoms.csv"].columns)
RECORD = {
    "scanseg": "9.9",
    "command": ["scanseg", "predict", "in"],
    "started": "2026-01-02T03:04:05+00:00",
    "model": {"name": "spots", "version": "1", "checksum": "abc"},
    "colours": {"Si": "#ff8800", "C": "#0088ff"},
    "settings": {"atoms": {"threshold": 0.5}},
    "seconds": 12.0,
}


def write_atoms(path, rows):
    """Rows are (frame, y, x, class, probability, sigma, y_err, x_err, fit_ok)."""
    names = ("frame", "y_px", "x_px", "class", "probability", "sigma_px")
    names += ("y_err_px", "x_err_px", "fit_ok")
    lines = [",".join(ATOM_COLUMNS)]
    for row in rows:
        values = dict(zip(names, row, strict=True)) | {"image": "a", "atom": 0, "at_edge": "false"}
        lines.append(",".join(str(values.get(name, "")) for name in ATOM_COLUMNS))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def entry(name, n_objects=2, **changes):
    row = {
        "image": name,
        "frame": 0,
        "status": "done",
        "height_px": 60,
        "width_px": 100,
        "pixel_size_y_nm": 0.02,
        "pixel_size_x_nm": 0.03,
        "spacing_px": 10.0,
        "spacing_nm": 0.245,
        "warnings": [],
    }
    known = {
        "name": name,
        "path": f"/in/{name}",
        "sha256": "f" * 64,
        "status": "done",
        "n_objects": n_objects,
        "failures": [],
        "frames": [row],
        "outputs": {"atoms.csv": "", "overlay.png": ""},
    }
    return known | changes


def write_image(folder, name, *, probability=0.9, n_not_fitted=0):
    rows = [
        (0, 5.0, 6.0, "Si", probability, 2.0, 0.03, 0.04, "true" if i >= n_not_fitted else "false")
        for i in range(2)
    ]
    write_atoms(folder / name / "atoms.csv", rows)
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 255, (420, 600, 3), np.uint8))  # 60 px of caption
    picture.save(folder / name / "overlay.png")
    return entry(name)


class Checker(HTMLParser):
    """Notes images, links and text, and whether every element is closed."""

    VOID = frozenset({"meta", "img", "input", "rect", "path", "wbr"})

    def __init__(self, page):
        super().__init__()
        self.open, self.sources, self.images, self.text = [], [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.sources += [values[name] for name in ("src", "srcset", "data") if name in values]
        if "data-image" in values:
            self.images.append(values["data-image"])
        if tag == "link":
            self.sources.append(values["href"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_numbers_of_atoms_are_those_of_the_table(tmp_path):
    rows = [
        (0, 1.0, 2.0, "Si", 0.9, 2.0, 0.03, 0.04, "true"),
        (0, 3.0, 4.0, "C", 0.5, 2.2, 0.3, 0.4, "true"),
        (0, 5.0, 6.0, "C", 0.7, "", "", "", "false"),
        (1, 7.0, 8.0, "C", 0.1, 2.4, 0.3, 0.4, "false"),
    ]
    write_atoms(tmp_path / "atoms.csv", rows)
    digest = digest_atoms(tmp_path, n_atoms=4, n_sample=100)
    assert (digest.n_atoms, digest.n_not_fitted, digest.share_not_fitted) == (4, 2, 0.5)
    assert digest.mean_probability == pytest.approx(0.55)
    assert digest.classes == {"C": 3, "Si": 1}
    # Of what was not fitted, width and error bar mean nothing.
    assert digest.sample_class.tolist() == ["Si", "C"]
    assert digest.sample["error_px"] == pytest.approx(np.sqrt(12.5) * np.array([0.01, 0.1]))
    # Least certain is what was not fitted; the overlay shows frame 0.
    assert digest.doubtful_px == (5.0, 6.0)


def test_a_table_without_atoms_has_no_numbers(tmp_path):
    write_atoms(tmp_path / "atoms.csv", [])
    digest = digest_atoms(tmp_path, n_atoms=0, n_sample=100)
    assert digest.n_atoms == 0
    assert digest.doubtful_px is None


def test_a_sample_of_many_atoms_stays_small(tmp_path):
    rows = [(0, i, i, "C", i / 1000, 2.0, 0.1, 0.1, "true") for i in range(1000)]
    write_atoms(tmp_path / "atoms.csv", rows)
    digest = digest_atoms(tmp_path, n_atoms=1000, n_sample=90)
    assert 80 <= len(digest.sample["probability"]) <= 90
    # Evenly spread over the table, so the mean stays within one step of 12 rows.
    assert digest.sample["probability"].mean() == pytest.approx(0.4995, abs=0.012)


def test_the_page_stands_alone_and_the_worst_image_comes_first(tmp_path):
    entries = [
        write_image(tmp_path, "good.tif", probability=0.99),
        write_image(tmp_path, "unsure.tif", probability=0.6),
        write_image(tmp_path, "sub/unfitted.tif", n_not_fitted=2),
    ]
    entries[0]["frames"][0]["warnings"] = ["it has no scale"]
    failure = {"stage": "read", "error": "X", "reason": "it ends early", "hint": "Copy it again."}
    entries.append(entry("cut.tif", status="failed", failures=[failure], frames=[], outputs={}))
    page = render_report(tmp_path, RECORD, entries, key="k")
    checker = Checker(page)
    assert checker.images == ["sub/unfitted.tif", "unsure.tif", "good.tif"]
    assert checker.sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in checker.sources)
    assert not re.search(r"https?://|@import|url\(", page)
    text = " ".join(checker.text)
    for expected in ("it has no scale", "it ends early", "Copy it again.", "spots 1", "100.0%"):
        assert expected in text
    # 2 x 0.99, 2 x 0.6 and 2 x 0.9 over 6 atoms; 2 of them were not fitted.
    assert "0.830" in text
    assert "33.3%" in text
    assert 'data-key="k"' in page
    # Error bars in pm: sqrt((0.03² + 0.04²) / 2) px of sqrt(0.02 x 0.03) nm.
    assert f"median {1000 * np.sqrt(0.0025 / 2 * 0.0006):.3g} pm" in page


def test_failures_and_warnings_are_listed(tmp_path):
    entries = [write_image(tmp_path, name) for name in ("a_1.tif", "b.tif", "c.tif")]
    for index, each in enumerate(entries):
        each["frames"][0]["warnings"] = [f"spacing {index}.5 px is odd", "no scale"][: index + 1]
    failure = {"stage": "read", "error": "Cut", "reason": "it ends early", "hint": "Copy it again."}
    entries.append(entry("sub/d.tif", failures=[failure], frames=[], outputs={}))
    page = render_report(tmp_path, RECORD, entries)
    rows = re.findall(r"<tr>(<td data-head=.*?)</tr>", page)
    cells = [[re.sub("<.*?>", "", each) for each in re.findall("<td.*?</td>", row)] for row in rows]
    # Both warnings of c make it the most doubtful; spacings differ in their number only.
    assert cells == [
        ["sub/d.tif", "read Cut", "it ends early", "Copy it again."],
        ["3", "spacing 1.5 px is odd", "b.tif"],
        ["2", "no scale", "b.tif"],
    ]
    assert 'title="/in/sub/d.tif"' in page
    assert "2026-01-02 03:04:05 UTC" in page


def test_names_and_messages_cannot_break_the_page(tmp_path):
    name = 'a"<b>&$x ${title}.tif'
    broken = write_image(tmp_path, name)
    broken["frames"][0]["warnings"] = ["</script><script>alert(1)</script>"]
    record = RECORD | {"started": "</script>"}
    checker = Checker(render_report(tmp_path, record, [broken]))
    assert checker.images == [name]
    assert "</script><script>alert(1)</script>" in "".join(checker.text)


def test_a_run_without_results_has_a_report(tmp_path):
    checker = Checker(render_report(tmp_path, {}, []))
    assert checker.images == []


def test_thumbnails_keep_proportions_and_show_the_doubtful_place(tmp_path):
    import base64
    from io import BytesIO

    picture = np.zeros((420, 600, 3), np.uint8)
    picture[300:306, 480:486] = 255  # (50, 80) of an image of 60 x 100, six times as large
    Image.fromarray(picture).save(tmp_path / "overlay.png")
    thumbnails = Thumbnails.of(
        tmp_path / "overlay.png",
        ThumbnailSize(200, 100),
        shape_px=(60, 100),
        centre_px=(50.0, 80.0),
    )

    def opened(address):
        return Image.open(BytesIO(base64.b64decode(address.partition(",")[2])))

    assert opened(thumbnails.whole).size == (200, 120)  # without the caption
    detail = np.asarray(opened(thumbnails.detail).convert("L"))
    assert detail.shape == (100, 100)
    y, x = np.unravel_index(detail.argmax(), detail.shape)
    # The centre, 6 px wide, is where the mark begins.
    assert abs(y - 53) <= 4
    assert abs(x - 53) <= 4


def test_pictures_of_many_images_are_bounded():
    assert len(thumbnail_sizes(3)) == 3
    sizes = thumbnail_sizes(500)
    assert len(sizes) == 500
    assert max(size.whole_px for size in sizes) == 220
    assert sum(size.detail_px > 0 for size in sizes) == 60


def test_a_review_is_read_and_a_wrong_one_refused(tmp_path):
    path = tmp_path / "review.json"
    path.write_text(
        '{"format": "scanseg-review", "version": 1, "run": {"started": "x"}, "saved": "y",'
        ' "images": [{"image": "a.tif", "path": "/in/a.tif", "sha256": "f", "verdict": "bad",'
        ' "comment": "drift"}]}'
    )
    (image,) = read_review(path).images
    assert (image.image, image.verdict, image.comment) == ("a.tif", "bad", "drift")
    path.write_text('{"format": "scanseg-review", "version": 1, "images": [{"image": "a.tif"}]}')
    with pytest.raises(ConfigError, match="path"):
        read_review(path)
    path.write_text("[]")
    with pytest.raises(ConfigError, match="no review file"):
        read_review(path)
