"""report.html, made from what lies in the output folder, and left alone while it is up to date."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path

from scanseg.runs.folder import REPORT, RunFolder
from scanseg.runs.summary import present_entries

__all__ = ["publish", "try_to_publish"]

log = logging.getLogger("scanseg.runs")

# The key lies in the first few kilobytes of the page, behind the style.
HEAD_BYTES = 64 * 1024


def publish(folder: RunFolder, *, anew: bool = False) -> Path:
    """Write ``report.html``, at once or not at all.

    Parameters
    ----------
    folder
        The output folder.
    anew
        Whether to write it although nothing has changed.

    Returns
    -------
    report
        Its path.
    """
    entries = [asdict(entry) for entry in present_entries(folder)]
    record = folder.record()
    key = hashlib.sha256(json.dumps([entries, record]).encode()).hexdigest()
    report = folder.path / REPORT
    if anew or not _holds(report, key):
        from scanseg.report import render_report

        page = render_report(folder.path, record, entries, key=key)
        partial = folder.scratch / REPORT
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, report)
    return report


def try_to_publish(folder: RunFolder) -> None:
    """Write the report; the results are there already, and count without it."""
    try:
        publish(folder)
    except Exception as error:
        log.warning("report.html could not be written: %s. Try: scanseg report", error)
        log.debug("the report", exc_info=error)


def _holds(report: Path, key: str) -> bool:
    if not report.is_file():
        return False
    with report.open("rb") as file:
        return f'data-key="{key}"'.encode() in file.read(HEAD_BYTES)
