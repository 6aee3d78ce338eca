"""``scanseg check``: what is in files, and what ``predict`` would take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from scanseg.cli.exits import ExitCode, start_logging
from scanseg.cli.options import ChannelOption, JsonOption, PixelSizeOption
from scanseg.errors import ConfigError
from scanseg.runs.inputs import InputConfig
from scanseg.runs.look import ChannelReport, FileReport, look_at_all
from scanseg.runs.plan import find_inputs

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def check(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Images, and folders to search.")
    ],
    pixel_size_nm: PixelSizeOption = None,
    channel: ChannelOption = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Check labelled images for training instead.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="With --labels: classes of this model."),
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(
            metavar="COPY", help="With --labels: copy to this new folder, and mend what is safe."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is in files, and what predict would take.

    Lists the channels of every file with shape, type, unit, pixel size
    and where that comes from; a star marks what is taken. Whether a file
    is taken for STEM or PFM chooses its model. Nothing is written. The
    exit code is 3 when a file cannot be used.

    With --labels, lists every problem of a folder of labelled images.
    With --fix, what is safe is mended in a copy, and each change is told.
    """
    start_logging(0)
    if labels:
        from scanseg.cli.label_table import check_labels

        raise typer.Exit(check_labels(inputs, model=model, fixed=fix, as_json=as_json))
    if fix is not None:
        raise ConfigError("--fix is for labels.", hint="Add --labels.")
    given = {"pixel_size_nm": pixel_size_nm, "channel": channel}
    settings = InputConfig.from_settings(
        {key: value for key, value in given.items() if value is not None}, origin="the options"
    )
    plan = find_inputs(inputs, output=None)
    reports = []
    for report in look_at_all(plan, settings):
        reports.append(report)
        if not as_json and report.status != "skipped":
            typer.echo("\n".join(_lines(report)))
    if as_json:
        skipped = [{"path": str(each.path), "reason": each.reason} for each in plan.skipped]
        files = [report.as_dict() for report in reports]
        typer.echo(json.dumps({"files": files, "skipped": skipped}, allow_nan=False, indent=1))
    raise typer.Exit(_exit_code(reports, silent=as_json))


def _exit_code(reports: Sequence[FileReport], *, silent: bool) -> ExitCode:
    states = [report.status for report in reports if report.status != "skipped"]
    if not states:
        if not silent:
            typer.echo("Nothing to check: no image was found. Check the path.", err=True)
        return ExitCode.NOTHING_TO_DO
    return ExitCode.SOME_FAILED if "failed" in states else ExitCode.ALL_GOOD


def _lines(report: FileReport) -> Iterator[str]:
    kind = f", taken for {report.modality}" if report.modality else ""
    yield f"{report.path}: {report.format or 'not recognised'}{kind}"
    for channel in report.channels:
        yield f"  {'*' if channel.taken else ' '} {channel.index} {_described(channel)}"
    said = [text for channel in report.channels if channel.taken for text in channel.warnings]
    for text in dict.fromkeys((*report.warnings, *said)):
        yield f"    note: {text}"
    if report.failure is not None:
        yield f"    FAILED ({report.failure.error}): {report.failure.reason}"
        yield f"    {report.failure.hint}"


def _described(channel: ChannelReport) -> str:
    parts = [
        channel.name or "unnamed",
        f"{channel.height_px} x {channel.width_px}",
        f"{channel.n_frames} frames" if channel.n_frames > 1 else "",
        f"{channel.frame_time_s:g} s a frame" if channel.frame_time_s else "",
        channel.dtype,
        _values(channel),
        "" if channel.signal == "UNKNOWN" else channel.signal,
        _pixel_size(channel),
    ]
    return ", ".join(part for part in parts if part)


def _values(channel: ChannelReport) -> str:
    if channel.lowest is None:
        return "no finite value"
    return f"{channel.lowest:.4g} to {channel.highest:.4g} {channel.unit}".rstrip()


def _pixel_size(channel: ChannelReport) -> str:
    if channel.pixel_size_nm is None:
        return "reciprocal space" if channel.reciprocal else "no pixel size"
    along_y, along_x = channel.pixel_size_nm
    sides = f"{along_y:.5g}" if along_y == along_x else f"{along_y:.5g} x {along_x:.5g}"
    return f"{sides} nm a pixel ({channel.calibration})"
