"""Domains: the regions between walls, their sizes and polarities."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["domains_table"]

DOMAIN_COLUMNS = (
    "domain", "area_nm2", "perimeter_nm", "polarity", "touches_edge", "area_px", "perimeter_px",
)  # fmt: skip


def domains_table() -> DataFrame:
    """Table of no domains."""
    from pandas import DataFrame

    return DataFrame([], columns=list(DOMAIN_COLUMNS))
