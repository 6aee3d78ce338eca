"""Columns and digits of the table of atoms."""

from __future__ import annotations

from scanseg.report.tables import TableFormat

__all__ = ["ATOM_TABLES"]

# Positions are good to 1e-2 px at best, so 1e-4 px loses nothing; at 10 pm a pixel that is 1e-6 nm.
# Amplitude and background are counts or volts, of any size.
_DECIMALS = {
    "y_px": 4,
    "x_px": 4,
    "y_nm": 6,
    "x_nm": 6,
    "probability": 4,
    "y_err_px": 5,
    "x_err_px": 5,
    "sigma_px": 4,
    "intensity_probability": 4,
}
_COLUMNS = (
    "atom",
    "y_px",
    "x_px",
    "y_nm",
    "x_nm",
    "class",
    "probability",
    "y_err_px",
    "x_err_px",
    "amplitude",
    "sigma_px",
    "background",
    "at_edge",
    "fit_ok",
)
# Of models with several classes.
_EXTRA = ("intensity_class", "intensity_probability")
ATOM_TABLES = {"atoms.csv": TableFormat(_DECIMALS, _COLUMNS, _EXTRA)}
