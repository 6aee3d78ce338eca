"""A run in several parts, on one machine or many, into one folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from scanseg.errors import ConfigError
from scanseg.runs.plan import Plan

__all__ = ["Shard", "merge_records", "missing_shards"]


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a run.

    Parameters
    ----------
    index, count
        Which part, from 1, of how many.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "i/n".

        Raises
        ------
        ConfigError
            When it is not two numbers with 1 <= i <= n.

        Examples
        --------
        >>> Shard.parse("2/8")
        Shard(index=2, count=8)
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ConfigError(
                f"'{text}' is no part of a run.",
                hint="Give i/n with i from 1 to n, as in --shard 2/8.",
            )
        return cls(int(found[1]), int(found[2]))

    @property
    def label(self) -> str:
        """A word for names of files."""
        return f"{self.index}-of-{self.count}"

    def takes(self, name: str) -> bool:
        """Whether an image is in this part.

        Its name decides, so that a file that appears between two starts moves no other.

        Examples
        --------
        >>> sum(Shard(i, 3).takes("day1/scan.dm4") for i in (1, 2, 3))
        1
        """
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1

    def part_of(self, plan: Plan) -> Plan:
        """The files of a plan that are in this part."""
        return Plan(tuple(file for file in plan.files if self.takes(file.name)), plan.skipped)


def merge_records(whole: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Make ``run.json`` of a run from those of its parts.

    Parameters
    ----------
    whole
        What ``run.json`` holds; parts that were merged before are in its ``shards``.
    parts
        Records by the label of their part.

    Returns
    -------
    record
        With all inputs, from the first start to the last end; ``seconds`` is the sum.
    """
    shards = dict(sorted({**(whole.get("shards") or {}), **parts}.items()))
    records = list(shards.values())
    starts = [each["started"] for each in records if each.get("started")]
    ends = [each.get("finished") for each in records]
    complete = all(ends) and not missing_shards(shards)
    return {
        **records[0],
        "started": min(starts, default=None),
        "finished": max(ends) if complete else None,
        "seconds": round(sum(each.get("seconds") or 0.0 for each in records), 4),
        "inputs": sorted(
            _distinct(each for record in records for each in record.get("inputs") or ()),
            key=lambda each: str(each["image"]),
        ),
        "skipped": _distinct(each for record in records for each in record.get("skipped") or ()),
        "shards": shards,
    }


def missing_shards(labels: Collection[str]) -> list[str]:
    """Parts of which nothing is there, where others of the same run are.

    Examples
    --------
    >>> missing_shards(["1-of-3", "3-of-3"])
    ['2-of-3']
    """
    counts = {int(label.rpartition("-")[2]) for label in labels}
    wanted = {f"{index}-of-{count}" for count in counts for index in range(1, count + 1)}
    return sorted(wanted - set(labels))


def _distinct(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({repr(sorted(each.items())): each for each in items}.values())
