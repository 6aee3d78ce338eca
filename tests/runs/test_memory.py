"""What follows from an amount of memory."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from scanseg.errors import ConfigError
from scanseg.micrograph import Micrograph
from scanseg.runs.memory import BYTES_PER_TILE_PX, FIXED_BYTES, fit_memory, parse_memory
from scanseg.runs.settings import RunSettings


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("2GB", 2e9), ("500 MB", 5e8), ("1.5gib", 1.5 * 2**30), ("64 MiB", 2**26), ("7B", 7)],
)
def test_amounts_are_read(text, n_bytes):
    assert parse_memory(text) == n_bytes


@pytest.mark.parametrize("text", ["2", "GB", "2 GHz", "-1GB", "two GB"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ConfigError, match="--memory 2GB"):
        parse_memory(text)


def test_much_memory_changes_no_tile_and_lets_more_images_pass():
    settings = RunSettings()
    same, in_flight = fit_memory(settings, 8 * 10**9)
    assert same == settings
    assert in_flight > fit_memory(settings, 4 * 10**9)[1] > 2**28


@pytest.mark.parametrize("n_bytes", [800_000_000, 900_000_000, 2_000_000_000])
def test_what_is_planned_stays_within_it(n_bytes):
    settings, in_flight = fit_memory(RunSettings(), n_bytes)
    tile = BYTES_PER_TILE_PX * settings.inference.tile_px**2
    assert FIXED_BYTES + tile + in_flight <= n_bytes
    assert in_flight > 0
    assert 256 <= settings.inference.tile_px <= 1536
    assert settings.output == RunSettings().output


def test_too_little_is_refused_with_what_would_do():
    with pytest.raises(ConfigError, match=r"--memory 0\.8GB"):
        fit_memory(RunSettings(), 400_000_000)
    fit_memory(RunSettings(), 800_000_000)


def test_an_image_that_does_not_fit_is_processed_alone_and_that_is_said(bench, tools, caplog):
    tools.write_tiff(bench.images / "large.tif", tools.spots((200, 300)))
    tools.write_tiff(bench.images / "small.tif", tools.spots())
    with caplog.at_level(logging.INFO, logger="scanseg.runs"):
        result = bench.run(bytes_in_flight=50_000)
    assert result.n_done == 2
    said = [each for each in caplog.records if "processed alone" in each.message]
    assert [each.levelname for each in said] == ["WARNING"]
    assert said[0].message.startswith("large.tif takes")


def test_an_image_in_a_file_counts_with_what_is_computed_from_it(bench, tools, caplog, monkeypatch):
    monkeypatch.setattr("scanseg.runs.reading.LARGE_BYTES", 40_000)
    stored = bench.images / "large.npy"
    np.save(stored, tools.spots((200, 300)))

    def read(file, settings):
        return Micrograph(np.load(file.path, mmap_mode="r"))

    with caplog.at_level(logging.INFO, logger="scanseg.runs"):
        result = bench.run(bytes_in_flight=50_000, read=read)
    assert result.n_done == 1
    assert "processed alone" not in caplog.text
