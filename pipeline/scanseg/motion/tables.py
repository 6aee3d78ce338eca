"""Motion of walls as tables: points, pinned stretches, events, scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.motion.points import FERROELECTRIC
from scanseg.motion.series import FollowedSeries, MotionTracking
from scanseg.motion.switching import DomainEvent, domain_events

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["events_table", "frames_table", "motion_table", "pinned_table"]

Array = NDArray[np.float64]

CLASS_NAMES = ("background", "ferroelectric", "ferroelastic")
EVENTS = ("appeared", "vanished", "nucleated", "collapsed", "merged", "split")
EVENT_COLUMNS = (
    "frame", "event", "branch", "y_px", "x_px", "length_px", "length_nm", "area_px", "area_nm2",
    "polarity",
)  # fmt: skip
PINNED_COLUMNS = (
    "frame", "branch", "first_point", "last_point", "y_px", "x_px", "length_px", "length_nm",
    "dwell_frames",
)  # fmt: skip


def motion_table(series: FollowedSeries, config: MotionTracking) -> DataFrame:
    """One row a point and pair of scans; columns as ``WallMotion`` explains them."""
    import pandas as pd

    return pd.concat(
        [_pair_table(series, frame, config) for frame in range(len(series.pairs))],
        ignore_index=True,
    )


def _pair_table(series: FollowedSeries, frame: int, config: MotionTracking) -> DataFrame:
    import pandas as pd

    pair, here, after = series.pairs[frame], series.points[frame], series.points[frame + 1]
    dwell, times = series.dwell[frame], _times(series)
    found = pair.there.found
    partner_err = np.full(len(here), np.nan)
    partner_err[found] = after.err[pair.there.partner[found]]
    err = np.sqrt(here.err**2 + partner_err**2 + pair.drift_err**2)
    sign = np.where(here.up == 0, 1, -here.up)  # the up domain grows where the wall leaves it
    moved = sign * pair.there.offset
    state = np.select(
        [
            found & (np.abs(moved) > config.n_sigma * err),
            found & (err <= config.largest_err_px),
            found,
            ~pair.inside,
        ],
        ["moved", "stayed", "unsure", "outside"],
        "vanished",
    )
    across = sign[:, None] * here.normal / series.square
    px = np.hypot(*across.T)  # px a square pixel along the normal
    y, x = (here.position / series.square).T
    needed = min(config.pinned_frames, len(series.frames))
    return pd.DataFrame(
        {
            "frame": frame,
            "branch": here.branch,
            "point": np.concatenate([np.empty(0, int), *map(np.arange, here.count())]),
            "y_px": y,
            "x_px": x,
            "normal_y": across[:, 0] / px,
            "normal_x": across[:, 1] / px,
            "displacement_px": moved * px,
            "displacement_nm": moved * series.nm_per_px,
            "displacement_err_px": err * px,
            "velocity_nm_per_s": moved * series.nm_per_px / np.diff(times)[frame],
            "class": np.array(CLASS_NAMES, object)[here.kind],
            "sign": np.where(here.up == 0, "right", "up").astype(object),
            "state": state.astype(object),
            "pinned": (dwell >= needed) & (state == "stayed"),
            "dwell_frames": dwell,
            "dwell_s": (dwell - 1) * np.mean(np.diff(times)),
        }
    )


def pinned_table(series: FollowedSeries, motion: DataFrame) -> DataFrame:
    """One row a stretch of pinned points."""
    import pandas as pd

    rows = []
    for frame, here in enumerate(series.points[:-1]):
        pinned = motion.loc[motion["frame"] == frame, "pinned"].to_numpy(bool)
        number = np.concatenate([np.empty(0, int), *map(np.arange, here.count())])
        for run in here.runs(pinned):
            y, x = here.position[(run.start + run.stop - 1) // 2] / series.square
            length = here.length(run)
            stood = np.sort(series.dwell[frame][run])[(run.stop - run.start) // 2]
            place = (frame, here.branch[run.start], number[run.start], number[run.stop - 1], y, x)
            rows.append((*place, length, length * series.nm_per_px, stood))
    return pd.DataFrame(rows, columns=list(PINNED_COLUMNS))


def events_table(series: FollowedSeries, config: MotionTracking) -> DataFrame:
    """One row a stretch of a wall that appeared or vanished, or a domain that came or went."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for frame, pair in enumerate(series.pairs):
        rows += _stretches(series, frame, config)
        if series.polarity is not None:
            found = domain_events(
                series.polarity[frame], series.polarity[frame + 1], pair.drift,
                smallest_px=config.smallest_domain_px,
            )  # fmt: skip
            rows += [_domain_row(series, frame, event) for event in found]
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    return table.astype({"branch": "Int64", "polarity": "Int64"})


def _stretches(series: FollowedSeries, frame: int, config: MotionTracking) -> list[dict[str, Any]]:
    pair = series.pairs[frame]
    after = series.points[frame + 1].moved_back(pair.drift, series.square)
    rows = []
    for event, walls, alone in (
        ("vanished", series.points[frame], ~pair.there.found & pair.inside),
        ("appeared", after, ~pair.back.found & pair.inside_back),
    ):
        for run in walls.runs(alone):
            length = walls.length(run)
            if length < config.shortest_event_px:
                continue
            y, x = walls.position[(run.start + run.stop - 1) // 2] / series.square
            rows.append(
                {
                    "frame": frame, "event": event, "branch": int(walls.branch[run.start]),
                    "y_px": y, "x_px": x, "length_px": length,
                    "length_nm": length * series.nm_per_px,
                }
            )  # fmt: skip
    return rows


def _domain_row(series: FollowedSeries, frame: int, event: DomainEvent) -> dict[str, Any]:
    return {
        "frame": frame, "event": event.kind, "y_px": event.position_px[0],
        "x_px": event.position_px[1], "area_px": event.area_px,
        "area_nm2": event.area_px * series.nm_per_px**2, "polarity": event.polarity,
    }  # fmt: skip


def frames_table(
    series: FollowedSeries, motion: DataFrame, events: DataFrame, switched: Array | None
) -> DataFrame:
    """One row a scan; what concerns a pair stands in the row of the earlier one."""
    import pandas as pd

    rows = []
    for n, (frame, here) in enumerate(zip(series.frames, series.points, strict=True)):
        length = sum(here.length(run) for run in here.runs(np.ones(len(here), bool)))
        row: dict[str, Any] = {
            "frame": n, "time_s": frame.time_s, "field": frame.field,
            "n_walls": int((here.count() > 0).sum()),
            "length_px": length, "length_nm": length * series.nm_per_px,
            "switched_fraction": float("nan") if switched is None else float(switched[n]),
        }  # fmt: skip
        if n < len(series.pairs):
            drift = series.pairs[n].drift
            row |= {
                "drift_y_px": drift.shift_px[0], "drift_x_px": drift.shift_px[1],
                "drift_err_px": max(drift.shift_err_px) if drift.signal else float("nan"),
                "drift_from": drift.signal.value if drift.signal else "",
            }  # fmt: skip
            row |= _pair_figures(motion[motion["frame"] == n], events[events["frame"] == n])
        rows.append(row)
    return pd.DataFrame(rows)


def _pair_figures(motion: DataFrame, events: DataFrame) -> dict[str, Any]:
    """Numbers about the ferroelectric walls between two scans; about all where there are none."""
    ferroelectric = motion[motion["class"] == CLASS_NAMES[FERROELECTRIC]]
    known = ferroelectric if len(ferroelectric) else motion
    known = known[known["displacement_px"].notna()]
    moved, n_known = known["displacement_px"].to_numpy(float), max(len(known), 1)
    count = events["event"].value_counts()
    return {
        "displacement_mean_px": float(known["displacement_px"].mean()),
        "displacement_rms_px": float(np.sqrt(np.mean(moved**2))) if len(moved) else float("nan"),
        "displacement_mean_nm": float(known["displacement_nm"].mean()),
        "velocity_mean_nm_per_s": float(known["velocity_nm_per_s"].mean()),
        "moved_fraction": float((known["state"] == "moved").sum() / n_known),
        "pinned_fraction": float(known["pinned"].sum() / n_known),
    } | {f"n_{kind}": int(count.get(kind, 0)) for kind in EVENTS}


def _times(series: FollowedSeries) -> Array:
    return np.array(
        [np.nan if frame.time_s is None else frame.time_s for frame in series.frames], float
    )
